using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

public sealed class KeptPermissionsTests
{
    private static JsonObject Template(string container, string metadata = "{}") => JsonNode.Parse($$$"""{"metadata":{{{metadata}}},"spec":{"containers":[{{{container}}}]}}""")!.AsObject();

    private static void Forget(JsonObject template) => template["spec"]!["containers"]![0]!.AsObject().Remove("permissions");

    [Fact]
    public void A_client_that_does_not_know_the_field_brings_it_back_all_the_same()
    {
        var template = Template("""{"name":"a","permissions":{"clock":"read"}}""");
        var before = template.DeepClone();
        KeptPermissions.Keep(template);
        Forget(template);
        Assert.Null(KeptPermissions.Restore(template));
        Assert.True(JsonNode.DeepEquals(before, template), template.ToJsonString());
    }

    [Fact]
    public void What_the_field_says_counts_more_than_the_annotation()
    {
        var template = Template("""{"name":"a","permissions":{"clock":"read"}}""");
        KeptPermissions.Keep(template);
        template["spec"]!["containers"]![0]!["permissions"] = new JsonObject();
        Assert.Null(KeptPermissions.Restore(template));
        Assert.Equal("{}", template["spec"]!["containers"]![0]!["permissions"]!.ToJsonString());
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[1]")]
    public void An_annotation_that_is_none_of_ours_is_named(string text) =>
        Assert.Contains("must be a JSON object", KeptPermissions.Restore(Template("""{"name":"a"}""", $$$"""{"annotations":{"eyrie.dev/permissions":"{{{text}}}"}}"""))!, StringComparison.Ordinal);

    [Fact]
    public void A_template_without_permissions_is_left_alone()
    {
        var template = Template("""{"name":"a"}""");
        KeptPermissions.Keep(template);
        Assert.True(JsonNode.DeepEquals(Template("""{"name":"a"}"""), template));
    }
}
