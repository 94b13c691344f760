using System.Net;
using System.Text.Json.Nodes;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.Api.Tests;

[Takes(40)]
public sealed class CustomResourceTests(ApiServer server) : IClassFixture<ApiServer>
{
    private const string Definitions = "apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    /// <summary>A definition of boats with a scale, columns and lists that merge.</summary>
    private static string Boats(string group) => Text.Replace("GROUP", group, StringComparison.Ordinal);

    private const string Text = """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: boats.GROUP}
        spec:
          group: GROUP
          scope: Namespaced
          names: {plural: boats, singular: boat, kind: Boat, shortNames: [bt], categories: [fleet]}
          versions:
          - name: v1
            served: true
            storage: true
            subresources:
              status: {}
              scale: {specReplicasPath: .spec.crew, statusReplicasPath: .status.aboard, labelSelectorPath: .status.selector}
            additionalPrinterColumns:
            - {name: Crew, type: integer, jsonPath: .spec.crew}
            - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
            - {name: Hull, type: string, jsonPath: .spec.hull, priority: 1}
            - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
            schema:
              openAPIV3Schema:
                type: object
                description: A boat on the water.
                required: [spec]
                properties:
                  spec:
                    type: object
                    required: [crew]
                    properties:
                      crew: {type: integer, minimum: 1, maximum: 9, description: How many row.}
                      hull: {type: string, enum: [wood, steel], default: wood}
                      mast: {type: object, default: {}, properties: {height: {x-kubernetes-int-or-string: true, default: 3}}}
                      port: {x-kubernetes-int-or-string: true}
                      name: {type: string, pattern: '^[a-z]+$', maxLength: 5}
                      cargo: {type: object, x-kubernetes-preserve-unknown-fields: true}
                      tender: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
                      notes: {type: string, nullable: true}
                      tags: {type: array, items: {type: string}, x-kubernetes-list-type: set}
                      oars:
                        type: array
                        maxItems: 3
                        x-kubernetes-list-type: map
                        x-kubernetes-list-map-keys: [side]
                        items: {type: object, required: [side], properties: {side: {type: string}, length: {type: number}}}
                    oneOf:
                    - required: [name]
                    - required: [port]
                  status:
                    type: object
                    properties:
                      aboard: {type: integer}
                      selector: {type: string}
                      conditions: {type: array, items: {type: object, properties: {type: {type: string}, status: {type: string}}}}
        """;

    private async Task DefineAsync(string group)
    {
        var (code, body) = await server.SendAsync("POST", Definitions, Boats(group), "application/yaml");
        Assert.True(code == HttpStatusCode.Created, body.ToString());
        await EstablishedAsync($"boats.{group}");
    }

    private Task<JsonNode> EstablishedAsync(string name) => server.UntilAsync($"{Definitions}/{name}", (_, body) => Condition(body, "Established") == "True", $"{name} to be established");

    private static string? Condition(JsonNode definition, string type) => (definition["status"]?["conditions"] as JsonArray ?? []).FirstOrDefault(item => item!["type"]!.ToString() == type)?["status"]?.ToString();

    private static string Boat(string group, string name, string spec, string version = "v1") => $$"""{"apiVersion":"{{group}}/{{version}}","kind":"Boat","metadata":{"name":"{{name}}"},"spec":{{spec}}}""";

    private static string Path(string group, string rest = "", string version = "v1") => $"apis/{group}/{version}/namespaces/default/boats{rest}";

    [Fact]
    public async Task What_is_created_is_defaulted_pruned_and_checked_with_every_mistake_at_once()
    {
        await DefineAsync("checks.example.com");
        var (code, made) = await server.SendAsync("POST", Path("checks.example.com"), Boat("checks.example.com", "a", """{"crew":2,"port":"http","mast":{},"colour":"red","cargo":{"any":{"thing":1}},"tender":{"apiVersion":"v1","kind":"Dinghy","metadata":{"name":"d"},"more":1},"notes":null}"""));
        Assert.Equal(HttpStatusCode.Created, code);
        Assert.Equal("""{"crew":2,"port":"http","mast":{"height":3},"cargo":{"any":{"thing":1}},"tender":{"apiVersion":"v1","kind":"Dinghy","metadata":{"name":"d"},"more":1},"notes":null,"hull":"wood"}""", made["spec"]!.ToJsonString());
        (code, var refused) = await server.SendAsync("POST", Path("checks.example.com"), Boat("checks.example.com", "b", """{"crew":"two","hull":"glass","name":"A","port":true,"tags":["x","x"],"oars":[{"side":"l"},{"side":"l"},{"length":1},{"side":"r"}]}"""));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Equal(
        [
            "spec.crew: Invalid value: \"two\": spec.crew in body must be of type integer: \"string\"", "spec.hull: Unsupported value: \"glass\": supported values: \"wood\", \"steel\"", "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'",
            "spec.oars: Too many: 4: must have at most 3 items", "spec.oars[1]: Duplicate value: {\"side\":\"l\"}", "spec.oars[2].side: Required value", "spec.port: Invalid value: true: spec.port in body must be of type integer,string: \"boolean\"", "spec.tags[1]: Duplicate value: \"x\"",
            "spec: Invalid value: \"object\": spec in body must validate one and only one schema (oneOf). Found 2 valid",
        ], refused["details"]!["causes"]!.AsArray().Select(cause => $"{cause!["field"]}: {cause["message"]}").Order(StringComparer.Ordinal));
        (code, refused) = await server.SendAsync("POST", Path("checks.example.com", "?fieldValidation=Strict"), Boat("checks.example.com", "c", """{"crew":1,"name":"c","colour":"red"}"""));
        Assert.Equal((HttpStatusCode.BadRequest, "Boat in version \"v1\" cannot be handled as a Boat: strict decoding error: unknown field \"spec.colour\""), (code, refused["message"]!.ToString()));
    }

    [Fact]
    public async Task Status_and_scale_are_written_apart_and_the_generation_counts_changes_of_the_wish_only()
    {
        await DefineAsync("apart.example.com");
        var (_, made) = await server.SendAsync("POST", Path("apart.example.com"), Boat("apart.example.com", "a", """{"crew":2,"name":"a"}""").Replace("\"spec\"", "\"status\":{\"aboard\":7},\"spec\"", StringComparison.Ordinal));
        Assert.Null(made["status"]);
        var (_, status) = await server.SendAsync("PATCH", Path("apart.example.com", "/a/status"), """{"spec":{"crew":5},"status":{"aboard":1,"selector":"app=boat"}}""", "application/merge-patch+json");
        Assert.Equal(("2", "1", "1"), (status["spec"]!["crew"]!.ToString(), status["status"]!["aboard"]!.ToString(), status["metadata"]!["generation"]!.ToString()));
        var (code, wrong) = await server.SendAsync("PATCH", Path("apart.example.com", "/a/status"), """{"status":{"aboard":"many"}}""", "application/merge-patch+json");
        Assert.True(code == HttpStatusCode.UnprocessableEntity, wrong.ToString());
        var (_, scale) = await server.SendAsync("PATCH", Path("apart.example.com", "/a/scale"), """{"spec":{"replicas":4}}""", "application/merge-patch+json");
        Assert.Equal("""{"replicas":4}|{"replicas":1,"selector":"app=boat"}""", $"{scale["spec"]!.ToJsonString()}|{scale["status"]!.ToJsonString()}");
        (code, wrong) = await server.SendAsync("PATCH", Path("apart.example.com", "/a/scale"), """{"spec":{"replicas":40}}""", "application/merge-patch+json");
        Assert.True(code == HttpStatusCode.UnprocessableEntity, wrong.ToString());
        var (_, now) = await server.SendAsync("GET", Path("apart.example.com", "/a"));
        Assert.Equal(("4", "1", "2"), (now["spec"]!["crew"]!.ToString(), now["status"]!["aboard"]!.ToString(), now["metadata"]!["generation"]!.ToString()));
    }

    [Fact]
    public async Task A_quota_counts_them_from_the_first_and_has_room_again_when_one_goes()
    {
        await DefineAsync("counted.example.com");
        const string Quota = "api/v1/namespaces/default/resourcequotas";
        Task<(HttpStatusCode, JsonNode)> MakeAsync(string name) => server.SendAsync("POST", Path("counted.example.com"), Boat("counted.example.com", name, """{"crew":2,"name":"a"}"""));
        Task UsedAsync(string used) => server.UntilAsync($"{Quota}/fleet", (_, quota) => quota["status"]?["used"]?["count/boats.counted.example.com"]?.ToString() == used, $"{used} to be counted");
        Assert.Equal(HttpStatusCode.Created, (await MakeAsync("before")).Item1);
        var (code, body) = await server.SendAsync("POST", Quota, """{"metadata":{"name":"fleet"},"spec":{"hard":{"count/boats.counted.example.com":"2"}}}""");
        Assert.True(code == HttpStatusCode.Created, body.ToString());
        await UsedAsync("1");
        Assert.Equal(HttpStatusCode.Created, (await MakeAsync("a")).Item1);
        (code, body) = await MakeAsync("b");
        Assert.Equal((HttpStatusCode.Forbidden, "boats.counted.example.com \"b\" is forbidden: exceeded quota: fleet, requested: count/boats.counted.example.com=1, used: count/boats.counted.example.com=2, limited: count/boats.counted.example.com=2"), (code, body["message"]!.ToString()));
        await server.SendAsync("DELETE", Path("counted.example.com", "/before"));
        await UsedAsync("1");
        Assert.Equal(HttpStatusCode.Created, (await MakeAsync("b")).Item1);
        await server.SendAsync("DELETE", $"{Quota}/fleet");
    }

    [Fact]
    public async Task Lists_merge_in_server_side_apply_as_the_schema_says()
    {
        await DefineAsync("merge.example.com");
        async Task<(HttpStatusCode, JsonNode)> ApplyAsync(string manager, string spec, string query = "") => await server.SendAsync("PATCH", Path("merge.example.com", $"/a?fieldManager={manager}{query}"), Boat("merge.example.com", "a", spec), "application/apply-patch+yaml");
        await ApplyAsync("one", """{"crew":2,"name":"a","oars":[{"side":"l","length":1}],"tags":["x"]}""");
        var (_, both) = await ApplyAsync("two", """{"oars":[{"side":"r","length":2}],"tags":["y"]}""");
        Assert.Equal("""[{"side":"l","length":1},{"side":"r","length":2}] ["x","y"]""", $"{both["spec"]!["oars"]!.ToJsonString()} {both["spec"]!["tags"]!.ToJsonString()}");
        Assert.DoesNotContain("f:hull", both["metadata"]!["managedFields"]!.ToJsonString(), StringComparison.Ordinal); // a default is nobody's
        var (code, conflict) = await ApplyAsync("two", """{"crew":3,"oars":[{"side":"r","length":2}]}""");
        Assert.Equal((HttpStatusCode.Conflict, ".spec.crew"), (code, conflict["details"]!["causes"]![0]!["field"]!.ToString()));
        var (_, less) = await ApplyAsync("two", """{"crew":3}""", "&force=true");
        Assert.Equal("""{"name":"a","oars":[{"side":"l","length":1}],"tags":["x"]} 3""", $"{Kept(less["spec"]!, "name", "oars", "tags")} {less["spec"]!["crew"]}");
    }

    private static string Kept(JsonNode node, params string[] names) => new JsonObject(names.Select(name => KeyValuePair.Create(name, node[name]?.DeepClone()))).ToJsonString();

    [Fact]
    public async Task A_schema_that_is_not_structural_is_refused_with_every_mistake()
    {
        var (code, refused) = await server.SendAsync("POST", Definitions, """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: things.wrong.example.com}
            spec:
              group: wrong.example.com
              scope: Somewhere
              names: {plural: things, kind: Thing}
              conversion: {strategy: Webhook}
              versions:
              - name: v1
                served: true
                storage: true
                subresources: {scale: {specReplicasPath: .replicas, statusReplicasPath: .status.replicas}}
                additionalPrinterColumns: [{name: N, type: text, jsonPath: spec.n}]
                schema:
                  openAPIV3Schema:
                    type: object
                    properties:
                      a: {description: untyped}
                      b: {type: array}
                      c: {type: object, properties: {x: {type: string}}, additionalProperties: {type: string}}
                      d: {type: string, pattern: '('}
                      e: {type: integer, default: many}
                      f: {type: object, anyOf: [{properties: {g: {type: string}}}]}
                      h: {type: array, x-kubernetes-list-type: map, items: {type: string}}
                      metadata: {type: object, properties: {labels: {type: object}}}
              - {name: v1, served: true, storage: true}
            """, "application/yaml");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        const string Schema = "spec.versions[0].schema.openAPIV3Schema.properties";
        Assert.Equal(
        [
            "spec.conversion.strategy", "spec.scope", "spec.versions", "spec.versions[0].additionalPrinterColumns[0].jsonPath", "spec.versions[0].additionalPrinterColumns[0].type", $"{Schema}[a].type", $"{Schema}[b].items",
            $"{Schema}[c].additionalProperties", $"{Schema}[d].pattern", $"{Schema}[f].anyOf[0].properties[g]", $"{Schema}[h].items.type", $"{Schema}[h].x-kubernetes-list-map-keys", $"{Schema}[metadata]", "spec.versions[0].subresources.scale.specReplicasPath",
            "spec.versions[1].name", "spec.versions[1].schema.openAPIV3Schema",
        ], refused["details"]!["causes"]!.AsArray().Select(cause => cause!["field"]!.ToString()).Order(StringComparer.Ordinal));
        (code, refused) = await server.SendAsync("POST", Definitions, Boats("default.example.com").Replace("default: wood", "default: glass", StringComparison.Ordinal), "application/yaml");
        Assert.Equal("spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[hull].default", refused["details"]?["causes"]?[0]?["field"]?.ToString());
    }

    [Fact]
    public async Task Names_that_are_taken_are_not_accepted_until_they_are_free()
    {
        await DefineAsync("names.example.com");
        var (_, second) = await server.SendAsync("POST", Definitions, Boats("names.example.com").Replace("boats", "ships", StringComparison.Ordinal).Replace("singular: boat,", "singular: ship,", StringComparison.Ordinal), "application/yaml");
        Assert.Equal("ships.names.example.com", second["metadata"]!["name"]?.ToString());
        var waiting = await server.UntilAsync($"{Definitions}/ships.names.example.com", (_, body) => Condition(body, "NamesAccepted") == "False", "the names to be refused");
        Assert.Contains(waiting["status"]!["conditions"]!.AsArray(), item => item!["reason"]!.ToString() == "KindConflict" && item["message"]!.ToString() == "\"Boat\" is already in use");
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", "apis/names.example.com/v1/ships")).Code);
        await server.SendAsync("DELETE", $"{Definitions}/boats.names.example.com");
        await EstablishedAsync("ships.names.example.com");
        await server.SendAsync("DELETE", $"{Definitions}/ships.names.example.com");
    }

    [Fact]
    public async Task Every_version_shows_the_same_objects_and_the_definition_takes_them_along_when_it_goes()
    {
        var both = JsonNode.Parse((await server.SendAsync("POST", Definitions + "?dryRun=All", Boats("versions.example.com"), "application/yaml")).Body.ToJsonString())!;
        var versions = both["spec"]!["versions"]!.AsArray();
        var old = versions[0]!.DeepClone();
        (old["name"], old["storage"]) = ("v1beta1", false);
        versions.Add(old);
        foreach (var name in new[] { "uid", "resourceVersion", "creationTimestamp", "managedFields" }) both["metadata"]!.AsObject().Remove(name);
        await server.SendAsync("POST", Definitions, both.ToJsonString());
        await EstablishedAsync("boats.versions.example.com");
        await server.SendAsync("POST", Path("versions.example.com", "", "v1beta1"), Boat("versions.example.com", "a", """{"crew":2,"name":"a"}""", "v1beta1").Replace("\"name\":\"a\"}", "\"name\":\"a\",\"finalizers\":[\"example.com/keep\"]}", StringComparison.Ordinal));
        var (_, seen) = await server.SendAsync("GET", Path("versions.example.com", "/a"));
        Assert.Equal("versions.example.com/v1", seen["apiVersion"]!.ToString());
        var (_, list) = await server.SendAsync("GET", Path("versions.example.com", "", "v1beta1"));
        Assert.Equal(("BoatList", "versions.example.com/v1beta1"), (list["kind"]!.ToString(), list["items"]![0]!["apiVersion"]!.ToString()));
        await server.SendAsync("DELETE", $"{Definitions}/boats.versions.example.com");
        await server.UntilAsync(Path("versions.example.com", "/a"), (_, body) => body["metadata"]?["deletionTimestamp"] is not null, "the object to be deleted");
        var (code, refused) = await server.SendAsync("POST", Path("versions.example.com"), Boat("versions.example.com", "b", """{"crew":2,"name":"a"}"""));
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "create not allowed while custom resource definition is terminating"), (code, refused["message"]!.ToString()));
        await server.SendAsync("PATCH", Path("versions.example.com", "/a"), """{"metadata":{"finalizers":null}}""", "application/merge-patch+json");
        await server.UntilAsync($"{Definitions}/boats.versions.example.com", (found, _) => found == HttpStatusCode.NotFound, "the definition to go");
        await server.UntilAsync(Path("versions.example.com"), (found, _) => found == HttpStatusCode.NotFound, "the kind to go");
    }

    [Fact]
    public async Task What_was_defined_before_the_server_started_is_served_from_its_first_request_on()
    {
        await DefineAsync("before.example.com");
        await server.SendAsync("POST", Path("before.example.com"), Boat("before.example.com", "a", """{"crew":2,"name":"a"}"""));
        await server.RestartAsync();
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync("GET", Path("before.example.com", "/a"))).Code);
    }

    [Fact]
    public async Task Kubectl_explains_gets_edits_scales_and_deletes_them_and_a_namespace_takes_them_along()
    {
        var output = await server.KubectlAsync("harbour", """
            cat > crd.yaml <<'END'
            YACHTS
            END
            K apply -f crd.yaml
            K wait crd/yachts.harbour.example.com --for=condition=Established --timeout=60s
            K explain yachts.spec.crew | grep -A1 -e FIELD -e 'How many'
            K explain yacht | grep 'A yacht'
            printf 'apiVersion: harbour.example.com/v1\nkind: Yacht\nmetadata: {name: a}\nspec: {crew: 2, name: a}\n' > yacht.yaml
            K apply -f yacht.yaml
            K apply -f yacht.yaml
            sed -i 's/crew: 2/crew: 3/' yacht.yaml
            K diff -f yacht.yaml | grep '^[-+] .*crew'
            K apply -f yacht.yaml --server-side --force-conflicts
            K get yt
            K get navy -o wide --no-headers | awk '{print $1, $2, $3}'
            KUBE_EDITOR='sed -i s/crew:.3/crew:\ 4/' K edit yacht a
            K scale yacht/a --replicas=5
            K label yt a where=sea
            K patch yacht a --type=merge -p '{"spec":{"crew":10}}'
            K get yachts -l where=sea -o name
            K get yachts.v1.harbour.example.com a -o 'jsonpath={.spec.crew}{"\n"}'
            K api-resources --api-group=harbour.example.com --no-headers | awk '{print $1, $2, $3, $4, $5}'
            K create configmap owned
            K patch cm owned --type=merge -p "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"harbour.example.com/v1\",\"kind\":\"Yacht\",\"name\":\"a\",\"uid\":\"$(K get yacht a -o jsonpath={.metadata.uid})\",\"controller\":true}]}}"
            K delete namespace harbour
            K get yacht a -n harbour
            K delete crd yachts.harbour.example.com
            """.Replace("YACHTS", Boats("harbour.example.com").Replace("boat", "yacht", StringComparison.Ordinal).Replace("Boat", "Yacht", StringComparison.Ordinal).Replace("[bt]", "[yt]", StringComparison.Ordinal).Replace("fleet", "navy", StringComparison.Ordinal), StringComparison.Ordinal));
        Assert.Equal("""
            customresourcedefinition.apiextensions.k8s.io/yachts.harbour.example.com created
            customresourcedefinition.apiextensions.k8s.io/yachts.harbour.example.com condition met
            FIELD: crew <integer>

            --
                How many row.

                A yacht on the water.
            yacht.harbour.example.com/a created
            yacht.harbour.example.com/a unchanged
            -  crew: 2
            +  crew: 3
            yacht.harbour.example.com/a serverside-applied
            NAME   CREW   READY   AGE
            a      3              0s
            a 3 wood
            yacht.harbour.example.com/a edited
            yacht.harbour.example.com/a scaled
            yacht.harbour.example.com/a labeled
            yacht.harbour.example.com/a
            5
            yachts yt harbour.example.com/v1 true Yacht
            configmap/owned created
            configmap/owned patched
            namespace "harbour" deleted
            customresourcedefinition.apiextensions.k8s.io "yachts.harbour.example.com" deleted
            The Yacht "a" is invalid: spec.crew: Invalid value: 10: spec.crew in body should be less than or equal to 9
            Error from server (NotFound): namespaces "harbour" not found
            """, string.Join('\n', System.Text.RegularExpressions.Regex.Replace(output.Trim(), "a      3              [0-9]+s", "a      3              0s").Split('\n').Select(line => line.TrimEnd()).Where(line => !line.StartsWith("Warning", StringComparison.Ordinal))));
    }
}
