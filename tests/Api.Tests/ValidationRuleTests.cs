using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Rules of CustomResourceDefinitions (x-kubernetes-validations) in the Common Expression Language.</summary>
[Collection(nameof(ApiServer))]
public sealed class ValidationRuleTests(ApiServer server)
{
    private const string Definitions = "apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    private static string Definition(string group, string rules, string fields) => """
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.GROUP"},"spec":{"group":"GROUP","scope":"Namespaced","names":{"plural":"things","kind":"Thing"},
        "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{"status":{"type":"object","properties":{"seen":{"type":"integer"}},"x-kubernetes-validations":[{"rule":"!has(oldSelf.seen) || self.seen >= oldSelf.seen","message":"seen never falls"}]},
        "spec":{"type":"object","x-kubernetes-validations":[RULES],"properties":{FIELDS}}}}}}]}}
        """.Replace("GROUP", group, StringComparison.Ordinal).Replace("RULES", rules, StringComparison.Ordinal).Replace("FIELDS", fields, StringComparison.Ordinal);

    private const string Fields = """
        "min":{"type":"integer"},"max":{"type":"integer"},"name":{"type":"string"},"class":{"type":"string","x-kubernetes-validations":[{"rule":"self == oldSelf","message":"class is immutable","reason":"FieldValueForbidden"}]},"wait":{"type":"string","format":"duration"},
        "ports":{"type":"array","maxItems":2000,"items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"port":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf","messageExpression":"'port may grow from ' + string(oldSelf) + ', not fall to ' + string(self)"}]}}},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"]},
        "labels":{"type":"object","additionalProperties":{"type":"string","x-kubernetes-validations":[{"rule":"self.matches('^[a-z]+$')"}]}},"in-turn":{"type":"boolean"}
        """;

    private const string Rules = """
        {"rule":"!has(self.min) || !has(self.max) || self.min <= self.max","message":"min must not be beyond max","fieldPath":".max"},
        {"rule":"!has(self.wait) || self.wait <= duration('1m')"},
        {"rule":"!has(self.ports) || self.ports.all(p, self.ports.exists_one(q, q.name == p.name))"},
        {"rule":"!has(self.labels) || self.labels.all(key, key.startsWith('x-') && key.lowerAscii() == key)","messageExpression":"'keys must begin with x- and have no capitals; there are ' + string(self.labels.size())"},
        {"rule":"!has(self.in__dash__turn) || has(self.min)","message":"in-turn needs min"}
        """;

    private async Task<(HttpStatusCode Code, JsonNode Body)> DefineAsync(string group, string rules, string fields = Fields) => await server.SendAsync("POST", Definitions, Definition(group, rules, fields));

    private async Task<string> ThingsAsync(string group)
    {
        var (code, body) = await DefineAsync(group, Rules);
        Assert.True(code == HttpStatusCode.Created, body.ToString());
        var path = $"apis/{group}/v1/namespaces/default/things";
        await server.UntilAsync(path, (found, _) => found == HttpStatusCode.OK, "the kind to be served");
        return path;
    }

    private static string Thing(string spec, string name = "t") => $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{{{spec}}}}""";

    [Fact]
    public async Task An_object_is_held_to_the_rules_of_its_schema()
    {
        var things = await ThingsAsync("held.rules.example.org");
        foreach (var (spec, expected) in new Dictionary<string, string>
        {
            ["""{"min":3,"max":2}"""] = "spec.max: Invalid value: \"object\": min must not be beyond max",
            ["""{"wait":"90s"}"""] = "spec: Invalid value: \"object\": failed rule: !has(self.wait) || self.wait <= duration('1m')",
            ["""{"labels":{"X":"a"}}"""] = "keys must begin with x- and have no capitals; there are 1",
            ["""{"labels":{"x-a":"1"}}"""] = "spec.labels[x-a]: Invalid value: \"string\": failed rule: self.matches('^[a-z]+$')",
            ["""{"in-turn":true}"""] = "in-turn needs min",
        })
        {
            var (code, body) = await server.SendAsync("POST", things, Thing(spec));
            Assert.True(code == HttpStatusCode.UnprocessableEntity, $"{spec}: {body}");
            Assert.Contains(expected, body["message"]!.ToString(), StringComparison.Ordinal);
        }
        var (made, whole) = await server.SendAsync("POST", things, Thing("""{"min":1,"max":2,"wait":"30s","labels":{"x-a":"b"},"in-turn":true,"class":"first","ports":[{"name":"a","port":80}]}"""));
        Assert.True(made == HttpStatusCode.Created, whole.ToString());
        Assert.Contains("spec.class: Forbidden: class is immutable", (await PatchAsync(things, """{"spec":{"class":"other"}}""")).Body["message"]!.ToString(), StringComparison.Ordinal);
        Assert.Contains("spec.ports[1].port: Invalid value: \"integer\": port may grow from 80, not fall to 79", (await PatchAsync(things, """{"spec":{"ports":[{"name":"b","port":1},{"name":"a","port":79}]}}""")).Body["message"]!.ToString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await PatchAsync(things, """{"spec":{"ports":[{"name":"a","port":81}]}}""")).Code);
        Assert.Equal(HttpStatusCode.OK, (await PatchAsync(things, """{"status":{"seen":2}}""", "/status")).Code);
        Assert.Contains("status: Invalid value: \"object\": seen never falls", (await PatchAsync(things, """{"status":{"seen":1}}""", "/status")).Body["message"]!.ToString(), StringComparison.Ordinal);
    }

    private Task<(HttpStatusCode Code, JsonNode Body)> PatchAsync(string things, string patch, string part = "") => server.SendAsync("PATCH", things + "/t" + part, patch, "application/merge-patch+json");

    [Fact]
    public async Task What_the_rules_of_one_object_may_cost_is_bounded()
    {
        var things = await ThingsAsync("cost.rules.example.org");
        string Ports(int count) => $$"""{"ports":[{{string.Join(',', Enumerable.Range(0, count).Select(i => $$"""{"name":"p{{i}}"}"""))}}]}""";
        Assert.Equal(HttpStatusCode.Created, (await server.SendAsync("POST", things, Thing(Ports(200), "few"))).Code);
        var (code, body) = await server.SendAsync("POST", things, Thing(Ports(1500), "many"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Contains("running out of cost budget", body["message"]!.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("self.min +", "compilation failed: ")]
    [InlineData("self.nothing > 1", "compilation failed: undefined field 'nothing'")]
    [InlineData("that.min > 1", "compilation failed: undeclared reference to 'that'")]
    [InlineData("self.ports.all(p, p.nothing == 1)", "compilation failed: undefined field 'nothing'")]
    [InlineData("", "Required value: rule is not specified")]
    public async Task A_rule_that_means_nothing_is_refused_with_its_definition(string rule, string why)
    {
        var (code, body) = await DefineAsync("wrong.rules.example.org", $$"""{"rule":"{{rule}}"}""");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Contains("spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: ", body["message"]!.ToString(), StringComparison.Ordinal);
        Assert.Contains(why, body["message"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nesting_without_end_is_refused_and_the_server_lives_on()
    {
        foreach (var rule in new[] { new string('(', 2000) + "true" + new string(')', 2000), new string('!', 3000) + "true", string.Concat(Enumerable.Repeat("true ? true : ", 300)) + "true" })
            Assert.Equal(HttpStatusCode.UnprocessableEntity, (await DefineAsync("deep.rules.example.org", $$"""{"rule":"{{rule}}"}""")).Code);
    }

    [Fact]
    public async Task OldSelf_needs_items_that_can_be_told_apart()
    {
        var (code, body) = await DefineAsync("atomic.rules.example.org", """{"rule":"true"}""", """ "list":{"type":"array","items":{"type":"string","x-kubernetes-validations":[{"rule":"self == oldSelf"}]}}""");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Contains("properties[list].items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used", body["message"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_function_that_is_not_known_is_warned_of()
    {
        using var content = new StringContent(Definition("unknown.rules.example.org", """{"rule":"true"},{"rule":"quantity(self.name).isGreaterThan(quantity('1'))"},{"rule":"self.labels.map(key, key).size() > 0"}""", Fields), Encoding.UTF8, "application/json");
        using var response = await server.Client.PostAsync(Definitions, content);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var warning = Assert.Single(response.Headers.GetValues("Warning"));
        Assert.DoesNotContain("x-kubernetes-validations[0]", warning, StringComparison.Ordinal);
        Assert.Contains("properties[spec].x-kubernetes-validations[1]: function quantity is not known here", warning, StringComparison.Ordinal);
        Assert.Contains("properties[spec].x-kubernetes-validations[2]: function map over the keys of a map is not known here", warning, StringComparison.Ordinal);
    }
}
