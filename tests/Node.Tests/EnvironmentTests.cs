using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.Node.Contract.V1;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class EnvironmentTests
{
    private static readonly PodFacts Facts = new(Json("""{"metadata":{"name":"web","namespace":"shop","labels":{"app":"w","b":"x\"y"},"annotations":{"n":"1"}},"spec":{"containers":[{"name":"other","resources":{"limits":{"memory":"64Mi"}}}]}}"""),
        "uid", "127.64.16.1", "127.0.0.1", "node-0", 2000, 1L << 30);

    private static readonly PodObjects Objects = new([
        new ReferencedObject { Kind = "ConfigMap", Name = "c", Json = """{"data":{"k":"v","z":"9"},"binaryData":{"b":"YmI="}}""" },
        new ReferencedObject { Kind = "Secret", Name = "s", Json = """{"data":{"p":"cGFzcw=="},"type":"Opaque"}""" }]);

    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    private static Dictionary<string, string> Of(string container) => ContainerEnvironment.Of(Json(container), Facts, Objects, [new("DB_SERVICE_HOST", "127.64.0.5")]);

    [Fact]
    public void Later_sources_win_over_earlier_ones()
    {
        var environment = Of("""{"envFrom":[{"configMapRef":{"name":"c"}},{"prefix":"S_","secretRef":{"name":"s"}},{"configMapRef":{"name":"none","optional":true}}],"env":[{"name":"k","value":"own"},{"name":"DB_SERVICE_HOST","value":"here"}]}""");
        Assert.Equal(new SortedDictionary<string, string> { ["k"] = "own", ["z"] = "9", ["b"] = "bb", ["S_p"] = "pass", ["DB_SERVICE_HOST"] = "here" }, new SortedDictionary<string, string>(environment));
    }

    [Fact]
    public void Values_come_from_keys_fields_and_resources()
    {
        var environment = Of("""
            {"name":"a","resources":{"limits":{"cpu":"1500m"},"requests":{"memory":"3Mi"}},"env":[
            {"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"p"}}},{"name":"B","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['app']"}}},
            {"name":"C","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}},{"name":"D","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","divisor":"1m"}}},
            {"name":"E","valueFrom":{"resourceFieldRef":{"resource":"requests.memory","divisor":"1Mi"}}},{"name":"F","valueFrom":{"resourceFieldRef":{"resource":"limits.memory"}}},
            {"name":"G","valueFrom":{"resourceFieldRef":{"containerName":"other","resource":"limits.memory","divisor":"1Ki"}}},{"name":"H","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},
            {"name":"I","valueFrom":{"configMapKeyRef":{"name":"c","key":"none","optional":true}}}]}
            """);
        Assert.Equal("pass w 2 1500 3 1073741824 65536 127.64.16.1", string.Join(' ', "ABCDEFGH".Select(name => environment[name.ToString()])));
        Assert.False(environment.ContainsKey("I"));
    }

    [Theory]
    [InlineData("""{"env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"gone","key":"k"}}}]}""", "configmap \"gone\" not found in namespace shop")]
    [InlineData("""{"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"q"}}}]}""", "couldn't find key q in Secret shop/s; it has p")]
    [InlineData("""{"envFrom":[{"secretRef":{"name":"gone"}}]}""", "secret \"gone\" not found")]
    [InlineData("""{"env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"spec.colour"}}}]}""", "there is no such field")]
    [InlineData("""{"env":[{"name":"A","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","divisor":"x"}}}]}""", "is not a quantity")]
    public void What_is_missing_is_said_with_its_name(string container, string expected) => Assert.Contains(expected, Assert.Throws<ContainerConfigException>(() => Of(container)).Message, StringComparison.Ordinal);

    [Fact]
    public void All_labels_are_listed_as_Kubernetes_writes_them() => Assert.Equal("app=\"w\"\nb=\"x\\\"y\"", DownwardApi.Field(Facts, "metadata.labels"));

    [Theory]
    [InlineData("$(A)", "1")]
    [InlineData("x$(A)$(B)y", "x12y")]
    [InlineData("$(NONE)", "$(NONE)")]
    [InlineData("$$(A)", "$(A)")]
    [InlineData("$$$(A)", "$1")]
    [InlineData("$A ${A} $", "$A ${A} $")]
    [InlineData("$(A", "$(A")]
    [InlineData("", "")]
    public void References_are_expanded_as_Kubernetes_does(string text, string expected) =>
        Assert.Equal(expected, Expansion.Expand(text, new Dictionary<string, string> { ["A"] = "1", ["B"] = "2" }.GetValueOrDefault));

    [Fact]
    public void A_value_may_use_what_stands_before_it_only() =>
        Assert.Equal("v-$(LATER)", Of("""{"envFrom":[{"configMapRef":{"name":"c"}}],"env":[{"name":"X","value":"$(k)-$(LATER)"},{"name":"LATER","value":"1"}]}""")["X"]);

    [Fact]
    public void Text_without_a_dollar_is_not_changed() => Gen.String[Gen.Char.AlphaNumeric, 0, 40].Sample(text => Expansion.Expand(text, _ => "no") == text);
}
