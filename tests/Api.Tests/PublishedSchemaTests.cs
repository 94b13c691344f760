using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Eyrie.EndToEnd.Tests;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Definitions of every sort, good and bad: what is taken is published in a form that the oldest kubectl reads, or else it could read nothing any more. <c>EYRIE_SEED</c> runs one seed again.</summary>
[Collection(nameof(ApiServer))]
public sealed class PublishedSchemaTests(ApiServer server)
{
    private const int Definitions = 120;
    private const string Group = "schemas.example.com", Path = "apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    private static readonly int Seed = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), CultureInfo.InvariantCulture, out int given) ? given : Environment.TickCount & 0xffffff;

    private static JsonNode? One(Random random, params string[] texts) => JsonNode.Parse(texts[random.Next(texts.Length)]);

    private static JsonObject Schema(Random random, int depth, bool wild)
    {
        bool Now(int percent) => random.Next(100) < percent;
        var made = new JsonObject();
        var type = depth == 0 ? "object" : wild && Now(3) ? random.GetItems<string>(["null", "file", ""], 1)[0] : random.GetItems<string>(depth > 3 ? ["string", "integer", "number", "boolean"] : ["object", "object", "array", "string", "integer", "number", "boolean"], 1)[0];
        if (depth > 0 && Now(10)) made["x-kubernetes-int-or-string"] = true;
        else if (!(depth > 0 && Now(10))) made["type"] = type;
        else made["x-kubernetes-preserve-unknown-fields"] = true;
        if (Now(20)) made["description"] = random.GetItems(["words", "", "é \"quoted\"\nlines", "%s {{x}}"], 1)[0];
        if (depth > 0 && Now(25)) made["nullable"] = true;
        if (Now(10)) made["x-kubernetes-preserve-unknown-fields"] = true;
        if (type == "object" && !made.ContainsKey("x-kubernetes-int-or-string"))
        {
            if (Now(80))
            {
                var fields = new JsonObject();
                for (int i = random.Next(4); i >= 0; i--) fields[random.GetItems(["a", "b", "type", "properties", "items", "allOf", "nullable", "$ref", "required", "default", "x-y", "kind"], 1)[0]] = Schema(random, depth + 1, wild);
                if (Now(40)) made["required"] = new JsonArray([.. fields.Select(pair => (JsonNode)pair.Key).Take(2)]);
                made["properties"] = fields;
            }
            else made["additionalProperties"] = wild && Now(10) ? One(random, "\"x\"", "5", "[]", "false") : Now(40) ? true : Schema(random, depth + 1, wild);
            if (depth > 0 && Now(8)) made["x-kubernetes-embedded-resource"] = true;
            if (Now(10)) made["x-kubernetes-map-type"] = "atomic";
        }
        if (type == "array" && !made.ContainsKey("x-kubernetes-int-or-string"))
        {
            if (!(wild && Now(5))) made["items"] = wild && Now(15) ? One(random, "true", "\"x\"", "5", "[{}]", "{}", "[]", "{\"type\":[\"string\"]}", "{\"type\":\"string\",\"required\":7}") : Schema(random, depth + 1, wild);
            if (Now(20)) made["x-kubernetes-list-type"] = "atomic";
        }
        if (type is "string" or "integer") if (Now(15)) made["format"] = random.GetItems(["int64", "date-time", "byte", "x"], 1)[0];
        foreach (var junctor in new[] { "allOf", "anyOf", "oneOf" })
            if (Now(8)) made[junctor] = new JsonArray(One(random, "{\"maxLength\":5}", "{\"minimum\":1}", "{\"not\":{\"pattern\":\"x\"}}"), One(random, "{}", "{\"enum\":[1]}", "{\"maxProperties\":2}"));
        if (Now(5)) made["not"] = new JsonObject { ["maxLength"] = 5 };
        if (Now(5)) made["enum"] = new JsonArray(One(random, "1", "\"a\"", "null", "{}"));
        if (Now(5)) made["title"] = "t";
        if (Now(3)) made["externalDocs"] = new JsonObject { ["url"] = "http://x" };
        if (Now(3)) made["example"] = One(random, "1", "{\"nullable\":true}", "[]");
        if (wild && Now(2)) made["$ref"] = "#/definitions/x";
        if (wild && Now(2)) made[random.GetItems(["pattern", "maxLength", "nullable", "required", "properties", "enum", "allOf", "not"], 1)[0]] = One(random, "\"(\"", "-1", "\"x\"", "{\"a\":null}", "[null]", "{}", "[[]]");
        return made;
    }

    private static string Definition(int number, Random random) => new JsonObject
    {
        ["metadata"] = new JsonObject { ["name"] = $"k{number}s.{Group}" },
        ["spec"] = new JsonObject
        {
            ["group"] = Group, ["scope"] = "Namespaced", ["names"] = new JsonObject { ["plural"] = $"k{number}s", ["kind"] = $"K{number}" },
            ["versions"] = new JsonArray(new JsonObject { ["name"] = "v1", ["served"] = true, ["storage"] = true, ["schema"] = new JsonObject { ["openAPIV3Schema"] = Schema(random, 0, random.Next(3) > 0) } }),
        },
    }.ToJsonString();

    [Fact]
    public async Task Every_kubectl_reads_what_any_definition_that_is_taken_is_published_as()
    {
        var taken = new List<string>();
        var random = new Random(Seed);
        for (int i = 0; i < Definitions; i++)
        {
            var sent = Definition(i, random);
            var (code, answer) = await server.SendAsync("POST", Path, sent);
            Assert.True(code is HttpStatusCode.Created or HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity, $"seed {Seed}, definition {i}: {answer}\n{sent}");
            if (code == HttpStatusCode.Created) taken.Add($"k{i}s");
        }
        Assert.InRange(taken.Count, Definitions / 5, Definitions * 19 / 20); // three in four are, by chance also 109 of 120
        try
        {
            foreach (var name in taken) await server.UntilAsync($"{Path}/{name}.{Group}", (_, body) => body["status"]?["conditions"]?.AsArray().Any(one => one!["type"]!.ToString() == "Established" && one["status"]!.ToString() == "True") == true, name + " to be established");
            foreach (var program in KubectlPrograms.All)
            {
                var output = await server.KubectlAsync("read-by-all", $$"""
                    exec 2>&1
                    K explain configmap.data --output=plaintext-openapiv2 | grep FIELD | awk '{$1=$1; print}'
                    K create configmap c --dry-run=client -o yaml | K apply -f - | sed 's/created\|unchanged/taken/'
                    K create configmap c --from-literal=a=b --dry-run=client -o yaml | K apply -f -
                    K delete configmap c -o name
                    K get {{taken[0]}}.{{Group}} -o name
                    """, program);
                Assert.True(output == "FIELD: data <map[string]string>\nconfigmap/c taken\nconfigmap/c configured\nconfigmap/c\n", $"seed {Seed}, {program}:\n{output}");
            }
        }
        finally
        {
            foreach (var name in taken) await server.SendAsync("DELETE", $"{Path}/{name}.{Group}");
        }
        foreach (var name in taken) await server.UntilAsync($"{Path}/{name}.{Group}", (code, _) => code == HttpStatusCode.NotFound, name + " to go");
        await server.UntilAsync("apis/" + Group, (code, _) => code == HttpStatusCode.NotFound, "the kinds to go"); // the tests that read all of discovery want it to stand still
    }
}
