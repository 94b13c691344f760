using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>What selectors see in a stored text is what they see in the object.</summary>
public sealed class SelectedFieldsTests
{
    private static EncodedObject Stored(string text) => new(new StoreEntry("/core/pods/d/p", Encoding.UTF8.GetBytes(text), new Revision(1), new Revision(2)));

    [Theory]
    [InlineData("""{"metadata":{"name":"p","namespace":"d","labels":{"app":"web","tier":""}},"spec":{"nodeName":"n","hostNetwork":true},"status":{"phase":"Running","podIP":"10.0.0.1"}}""")]
    [InlineData("""{"status":{"phase":"Pending","conditions":[{"phase":"x"}]},"kind":"Pod","spec":{"containers":[{"nodeName":"inner"}],"nodeName":null},"metadata":{"managedFields":[{"labels":{"app":"no"}}],"labels":{"app":"\u00fcber","a.b/c":"1"},"name":"p"}}""")]
    [InlineData("""{"metadata":{"name":"p","labels":null,"annotations":{"labels":"app"}},"labels":{"app":"no"},"spec":"odd","status":{"phase":{"inner":1},"podIPs":[{"ip":"::1"}]}}""")]
    [InlineData("""{"metadata":{"name":"p"},"spec":{"nodeName":7,"hostNetwork":false,"restartPolicy":1.50}}""")]
    public void A_stored_text_is_selected_by_as_the_object_is(string text)
    {
        var fields = SelectedFields.Of(Stored(text), Selectors.FieldsOf(Kinds.Pod));
        var document = new SelectableDocument(JsonNode.Parse(text)!.AsObject());
        foreach (var key in new[] { "app", "tier", "a.b/c", "none" }) Assert.Equal(document.Label(key), fields.Label(key));
        foreach (var path in Selectors.FieldsOf(Kinds.Pod)) Assert.Equal(document.Field(path), fields.Field(path));
    }

    [Fact]
    public void A_text_is_read_once_as_long_as_the_store_holds_it()
    {
        var stored = Stored("""{"metadata":{"name":"p","labels":{"app":"web"}}}""");
        var first = SelectedFields.Of(stored, Selectors.FieldsOf(Kinds.Pod));
        Assert.Same(first, SelectedFields.Of(stored, Selectors.FieldsOf(Kinds.Pod)));
        Assert.Equal(stored.Entry with { Kept = null }, stored.Entry); // and is the same entry to everybody else
    }
}
