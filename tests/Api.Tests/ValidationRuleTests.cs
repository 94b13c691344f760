using System.Net;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.CustomResources;
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
    public async Task A_rule_that_could_not_be_evaluated_is_refused_and_one_that_was_stored_so_is_kept_and_told()
    {
        const string Unknown = """{"rule":"true"},{"rule":"self.name.nonsense() == 1"}""";
        var (code, body) = await DefineAsync("unknown.rules.example.org", Unknown);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Contains("properties[spec].x-kubernetes-validations[1].rule: Invalid value: \"self.name.nonsense() == 1\": compilation failed: function nonsense is not known here", body["message"]!.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("x-kubernetes-validations[0]", body["message"]!.ToString(), StringComparison.Ordinal);
        JsonObject Stored(string rules)
        {
            var made = JsonNode.Parse(Definition("unknown.rules.example.org", rules, Fields))!.AsObject();
            Defaults.Apply(ControlPlane.Resources.Kinds.CustomResourceDefinition, made);
            return made;
        }

        Assert.Empty(DefinitionCheck.Check(Stored(Unknown), Stored(Unknown)));
        Assert.Equal("spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[1]: function nonsense is not known here", Assert.Single(DefinitionCheck.Unenforced(Stored(Unknown))));
        Assert.Single(DefinitionCheck.Check(Stored(Unknown.Replace("== 1", "== 2", StringComparison.Ordinal)), Stored(Unknown)));
    }

    /// <summary>What the language's library lacks and Kubernetes has.</summary>
    [Theory]
    [InlineData("cel.bind(one, self.text, one.size() > 0 && cel.bind(two, one + one, two == '11'))")]
    [InlineData("self.?text.orValue('') == '1' && self.?other.orValue('none') == 'none' && !self.?other.hasValue() && self.?text.value() == '1'")]
    [InlineData("self[?'text'].hasValue() && !self[?'x'].hasValue() && [1, 2][?1].value() == 2 && !([1, 2][?5].hasValue())")]
    [InlineData("{'a': {'b': 1}}.?a.b.orValue(0) == 1 && {'a': {'b': 1}}.?x.b.orValue(7) == 7 && {'a': {'b': 1}}.?a.?c.orValue(8) == 8")]
    [InlineData("optional.of(1).hasValue() && optional.none().orValue(3) == 3 && optional.none().or(optional.of(4)).value() == 4 && !optional.ofNonZeroValue('').hasValue() && optional.ofNonZeroValue('x').value() == 'x'")]
    [InlineData("optional.of(2).optMap(x, x * 3).value() == 6 && !optional.none().optMap(x, x * 3).hasValue() && optional.of(2).optFlatMap(x, optional.of(x + 1)).value() == 3")]
    [InlineData("math.greatest(1, 2) == 2 && math.least([3, 2, 5]) == 2 && math.greatest(1.5, 1) == 1.5 && math.abs(-4) == 4 && math.sign(-4) == -1 && math.ceil(1.2) == 2.0 && math.round(2.5) == 3.0 && math.trunc(-1.7) == -1.0 && math.floor(-1.2) == -2.0")]
    [InlineData("math.bitAnd(6, 3) == 2 && math.bitOr(6, 3) == 7 && math.bitXor(6, 3) == 5 && math.bitNot(0) == -1 && math.bitShiftLeft(1, 4) == 16 && math.bitShiftRight(16, 4) == 1 && math.isFinite(1.0) && !math.isNaN(1.0)")]
    [InlineData("!format.dns1123Label().validate('abc-1').hasValue() && format.dns1123Label().validate('Abc').hasValue() && format.named('dns1035Label').value().validate('1a').hasValue() && !format.named('nonsense').hasValue()")]
    [InlineData("!format.qualifiedName().validate('example.com/a').hasValue() && format.labelValue().validate('-').hasValue() && !format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue() && format.date().validate('2024-13-01').hasValue() && format.uri().validate('').hasValue() && !format.byte().validate('YQ==').hasValue() && format.datetime().validate('2024').hasValue() && !format.dns1123LabelPrefix().validate('a-').hasValue()")]
    [InlineData("[5, 6].all(i, v, v == i + 5) && [5, 6].exists(i, v, i == 1 && v == 6) && [5, 6].existsOne(i, v, v > 5) && ![5, 6].all(i, v, v == 5) && {'a': 1}.all(k, v, k == 'a' && v == 1)")]
    [InlineData("[5, 6].transformList(i, v, i + v) == [5, 7] && [5, 6].transformList(i, v, v > 5, v) == [6] && {'a': 1, 'b': 2}.transformMap(k, v, v * 10)['b'] == 20 && {'a': 1}.transformMapEntry(k, v, {k + 'x': v})['ax'] == 1")]
    [InlineData("{'a': 1, 'b': 2}.map(k, k) == ['a', 'b'] && {'a': 1, 'b': 2}.filter(k, k != 'a') == ['b'] && [1, 2, 3].map(x, x > 1, x * 2) == [4, 6] && [1, 2].existsOne(x, x == 1)")]
    [InlineData("self.text == '1' ? self.?text.hasValue() : false")]
    public void What_the_library_lacks_is_evaluated_all_the_same(string rule) => Assert.Null(Broken(rule));

    [Theory]
    [InlineData("optional.none().value() == 1", "dereference")]
    [InlineData("self.?other.hasValue()", "failed rule")]
    [InlineData("math.greatest(['a']) == 'a'", "are of numbers")]
    public void And_what_means_nothing_breaks_the_rule(string rule, string why) => Assert.Contains(why, Broken(rule), StringComparison.Ordinal);

    [Fact]
    public void A_rule_may_be_looked_at_when_there_was_nothing_before()
    {
        var schema = SchemaReader.Root(JsonNode.Parse("""{"type":"object","properties":{"text":{"type":"string","x-kubernetes-validations":[{"rule":"oldSelf.hasValue() ? self == oldSelf.value() : self == 'first'","optionalOldSelf":true}]}}}""")!.AsObject());
        static JsonObject With(string text) => new() { ["text"] = text };
        Assert.Empty(RuleCheck.Check(schema, With("first"), null));
        Assert.Single(RuleCheck.Check(schema, With("second"), null));
        Assert.Empty(RuleCheck.Check(schema, With("second"), With("second")));
        Assert.Single(RuleCheck.Check(schema, With("third"), With("second")));
    }

    /// <summary>Values of the examples on kubernetes.io, and of the edges of each function.</summary>
    [Theory]
    [InlineData("quantity('1.5Gi').isGreaterThan(quantity('1500M'))")]
    [InlineData("quantity('1000m') == quantity('1') && quantity('50k').isInteger() && quantity('50k').asInteger() == 50000 && !quantity('1500m').isInteger()")]
    [InlineData("quantity('50k').add(20).asInteger() == 50020 && quantity('50k').sub(quantity('20k')) == quantity('30k') && quantity('50k').sub(-20) == quantity('50020')")]
    [InlineData("quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('50M').isLessThan(quantity('50Mi')) && quantity('-3').sign() == -1 && quantity('1e3').compareTo(quantity('999')) == 1")]
    [InlineData("isQuantity('1.3Gi') && isQuantity('.5') && isQuantity('1E') && !isQuantity('1.3GiB') && !isQuantity('200K') && !isQuantity('') && !isQuantity('1 ')")]
    [InlineData("quantity('1500m').asApproximateFloat() == 1.5 && quantity('1.0000000001') == quantity('1000000001n')")]
    [InlineData("ip('127.0.0.1').family() == 4 && ip('::1').family() == 6 && ip('2001:DB8::1') == ip('2001:db8::1') && ip('10.0.0.1') != ip('10.0.0.2')")]
    [InlineData("isIP('127.0.0.1') && !isIP('127.0.0.256') && !isIP('127.0.0.01') && !isIP('127.1') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0') && !isIP('[::1]')")]
    [InlineData("ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD') && !ip.isCanonical('2001:db8::0:0:0:abcd')")]
    [InlineData("ip('0.0.0.0').isUnspecified() && ip('127.0.0.53').isLoopback() && ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()")]
    [InlineData("ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast() && ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && !ip('ff02::1').isGlobalUnicast()")]
    [InlineData("cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')) && cidr('192.168.0.0/24').containsIP('192.168.0.1') && !cidr('192.168.0.0/24').containsIP('192.168.1.1') && !cidr('192.168.0.0/24').containsIP('::1')")]
    [InlineData("cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24') && !cidr('192.168.10.0/24').containsCIDR(cidr('192.168.0.0/16')) && cidr('::/0').containsCIDR('2001:db8::/32')")]
    [InlineData("cidr('192.168.0.5/24').ip() == ip('192.168.0.5') && cidr('192.168.0.5/24').masked() == cidr('192.168.0.0/24') && cidr('::1/128').prefixLength() == 128 && cidr('10.1.2.3/12').masked().ip() == ip('10.0.0.0')")]
    [InlineData("isCIDR('10.0.0.0/8') && isCIDR('::/0') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/08') && string(cidr('10.0.0.0/8')) == '10.0.0.0/8' && string(ip('::1')) == '::1'")]
    [InlineData("url('https://example.com:80/').getHost() == 'example.com:80' && url('https://example.com/').getHost() == 'example.com' && url('https://[::1]:80/').getHost() == '[::1]:80' && url('https://[::1]:80/').getHostname() == '::1'")]
    [InlineData("url('/path').getHost() == '' && url('/path').getScheme() == '' && url('https://example.com:80/').getPort() == '80' && url('https://example.com/').getPort() == '' && url('HTTPS://u:p@example.com/').getScheme() == 'https'")]
    [InlineData("url('https://u:p@example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/' && url('https://example.com').getEscapedPath() == '' && url('https://example.com/a%2Fb').getEscapedPath() == '/a%2Fb'")]
    [InlineData("url('https://example.com/path?k1=a&k2=b&k2=c').getQuery()['k2'] == ['b', 'c'] && url('https://example.com/path?key with spaces=value').getQuery()['key with spaces'] == ['value'] && url('https://example.com/path?').getQuery().size() == 0")]
    [InlineData("isURL('https://user:pass@example.com:80/path?query=val#fragment') && isURL('/absolute-path') && !isURL('https://a:b:c/') && !isURL('../relative-path') && !isURL('example.com') && !isURL('https://example.com/%zz')")]
    [InlineData("sets.contains([1, 2, 3], [3, 1]) && sets.contains([1], []) && !sets.contains([1], [2]) && sets.equivalent([1, 1, 2], [2, 1]) && !sets.equivalent([1], [1, 2]) && sets.intersects(['a', 'b'], ['b']) && !sets.intersects([], ['b'])")]
    [InlineData("'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'abc'.split('', 2) == ['a', 'bc'] && 'a,b'.split(',', 0) == [] && 'a,b'.split(',', -1) == ['a', 'b'] && 'a-a-a'.replace('a', 'b', 2) == 'b-b-a' && 'aa'.replace('a', 'b', 0) == 'aa' && 'aa'.replace('a', 'b', -1) == 'bb'")]
    [InlineData("'hello mellow'.indexOf('ello', 2) == 7 && 'hello mellow'.indexOf('ello', 20 - 12) == -1 && 'hello mellow'.lastIndexOf('ello', 6) == 1 && 'abc 123'.findAll('[a-z]', 2) == ['a', 'b'] && 'abc'.contains('b')")]
    [InlineData("quantity(self.text).isLessThan(quantity('2')) && ['1', '2'].all(one, isQuantity(one))")]
    public void Functions_are_as_Kubernetes_documents_them(string rule) => Assert.Null(Broken(rule));

    [Theory]
    [InlineData("quantity('1.3GiB').sign() == 1", "is no quantity")]
    [InlineData("quantity('1500m').asInteger() == 1", "the quantity is no whole number")]
    [InlineData("ip('300.0.0.1').family() == 4", "is no IP address")]
    [InlineData("cidr('10.0.0.0').prefixLength() == 1", "is no range of addresses")]
    [InlineData("url('example.com').getHost() == ''", "is no absolute URL and no absolute path")]
    [InlineData("'abc'.lastIndexOf('c', 9) == 2", "index out of range: 9")]
    [InlineData("'abc'.indexOf('c', 9) == 2", "can not be evaluated")]
    [InlineData("'abc'.substring(2, 1) == ''", "can not be evaluated")]
    [InlineData("quantity('2') == quantity('1')", "failed rule")]
    public void A_function_of_what_it_means_nothing_for_breaks_the_rule(string rule, string why) => Assert.Contains(why, Broken(rule), StringComparison.Ordinal);

    private static string? Broken(string rule)
    {
        var made = Made(rule);
        Assert.Empty(made.Mistakes(true));
        Assert.Null(made.NotEnforced);
        return made.Broken(new Dictionary<string, object?> { ["text"] = "1" }, null);
    }

    private static ValidationRule Made(string rule)
    {
        var schema = SchemaReader.Root(JsonNode.Parse("""{"type":"object","properties":{"text":{"type":"string"}}}""")!.AsObject());
        return new ValidationRule(new JsonObject { ["rule"] = rule }, () => schema);
    }
}
