using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Xunit;

namespace Eyrie.Api.Tests;

public sealed class DocumentChecksTests
{
    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    [Theory]
    [InlineData("""{"metadata":{"name":"a","labels":{"n":1}}}""", "metadata.labels.n must be a string, not the number 1: write \"1\" in quotes")]
    [InlineData("""{"metadata":{"labels":[]}}""", "metadata.labels must be a map, not a list")]
    [InlineData("""{"spec":{"containers":{}}}""", "spec.containers must be a list, not an object")]
    [InlineData("""{"spec":{"containers":["a"]}}""", "spec.containers[0] must be an object, not the string \"a\"")]
    [InlineData("""{"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}""", "spec.containers[0].ports[0].containerPort must be a whole number, not the string \"80\"")]
    [InlineData("""{"spec":{"terminationGracePeriodSeconds":1.5}}""", "spec.terminationGracePeriodSeconds must be a whole number, not the number 1.5")]
    [InlineData("""{"spec":{"hostNetwork":"yes"}}""", "spec.hostNetwork must be true or false, not the string \"yes\"")]
    public void A_field_of_the_wrong_type_is_named(string document, string mistake) => Assert.Equal([mistake], SchemaCheck.Clean(ModelSchemas.Of(Kinds.Pod)!, Json(document)).Mistyped);

    [Fact]
    public void Quantities_and_ports_may_be_numbers_or_strings_and_null_is_absence()
    {
        var pod = Json("""{"spec":{"containers":[{"name":"a","command":null,"resources":{"limits":{"cpu":1,"memory":"1Gi"}},"readinessProbe":{"tcpSocket":{"port":"http"}},"livenessProbe":{"tcpSocket":{"port":80}}}]}}""");
        Assert.Empty(SchemaCheck.Clean(ModelSchemas.Of(Kinds.Pod)!, pod).Mistyped);
    }

    [Theory]
    [InlineData("""{"hostNetwork":true}""", "spec.hostNetwork")]
    [InlineData("""{"hostPID":true,"containers":[{}]}""", "spec.hostPID")]
    [InlineData("""{"containers":[{"securityContext":{"privileged":true}}]}""", "spec.containers[0].securityContext.privileged")]
    [InlineData("""{"containers":[{},{"securityContext":{"capabilities":{"add":["NET_RAW"]}}}]}""", "spec.containers[1].securityContext.capabilities.add")]
    [InlineData("""{"initContainers":[{"securityContext":{"seccompProfile":{"type":"Unconfined"}}}]}""", "spec.initContainers[0].securityContext.seccompProfile.type")]
    public void Authority_over_the_host_is_refused_at_its_field(string spec, string field) => Assert.Equal(field, Assert.Single(HostAuthority.Refused(Json(spec), "")).Field);

    [Theory]
    [InlineData("""{"hostNetwork":false,"containers":[{"securityContext":{"privileged":false,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}}]}""")]
    public void What_gives_authority_up_is_taken(string spec) => Assert.Empty(HostAuthority.Refused(Json(spec), ""));

    [Theory]
    [InlineData("a in (", "stand in parentheses")]
    [InlineData("a in b", "stand in parentheses")]
    [InlineData("a b=c", "is not a label's name")]
    [InlineData("a=b c", "is not a label's value")]
    [InlineData("!", "is not a label's name")]
    public void A_malformed_selector_is_refused(string selector, string why) => Assert.Contains(why, Assert.Throws<StatusException>(() => Selectors.Parse(selector, null)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("app=web", true)]
    [InlineData("app==web,tier", true)]
    [InlineData("app!=web", false)]
    [InlineData("app in (x, web),tier notin (back)", true)]
    [InlineData("!app", false)]
    [InlineData("!none,none!=x", true)]
    public void Selectors_mean_what_they_mean_in_kubernetes(string selector, bool matches) =>
        Assert.Equal(matches, Selectors.Parse(selector, null)(Json("""{"metadata":{"labels":{"app":"web","tier":"front"}}}""")));

    [Theory]
    [InlineData("""{"source":{"component":"kubelet"},"reportingComponent":"other"}""", true)]
    [InlineData("""{"source":{},"reportingComponent":"kubelet"}""", true)]
    [InlineData("""{"source":{"component":"scheduler"},"reportingComponent":"kubelet"}""", false)]
    public void The_source_of_an_event_is_its_component_or_else_who_reported_it(string text, bool matches)
    {
        var chooses = Selectors.Choice(null, "source=kubelet", Kinds.Event);
        Assert.Equal(matches, chooses(new SelectableDocument(Json(text))));
        Assert.Equal(matches, chooses(SelectedFields.Of(new EncodedObject(new StoreEntry("/e", Encoding.UTF8.GetBytes(text), default, default)), Selectors.FieldsOf(Kinds.Event))));
    }

    [Theory]
    [InlineData("web\n")]
    [InlineData("-web")]
    [InlineData("Web")]
    [InlineData("web/../x")]
    public void A_name_that_is_no_name_is_refused(string name) =>
        Assert.Contains(Validation.Check(Kinds.ConfigMap, new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } }, null), error => error.Field == "metadata.name");
}
