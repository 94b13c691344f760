using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Server-side apply of the lists of built-in kinds, which merge by the keys of their items.</summary>
[Collection(nameof(ApiServer))]
public sealed class ApplyTests(ApiServer server)
{
    private const string Path = "apis/apps/v1/namespaces/applied-lists/deployments/d";

    /// <summary>A Deployment whose containers are these.</summary>
    private Task<(HttpStatusCode Code, JsonNode Body)> ApplyAsync(string manager, string containers, string query = "") => server.SendAsync("PATCH", $"{Path}?fieldManager={manager}{query}", $$$"""
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: d}
        spec:
          selector: {matchLabels: {a: b}}
          template:
            metadata: {labels: {a: b}}
            spec:
              containers: {{{containers}}}
        """, "application/apply-patch+yaml");

    private static string Containers(JsonNode deployment) => string.Join("; ", deployment["spec"]!["template"]!["spec"]!["containers"]!.AsArray().Select(container =>
        $"{container!["name"]} {container["image"]} {string.Join(',', (container["ports"] as JsonArray ?? []).Select(port => $"{port!["containerPort"]}/{port["protocol"]}"))}".TrimEnd()));

    /// <summary>The containers and ports that a manager has applied.</summary>
    private static string Managed(JsonNode deployment, string manager)
    {
        var entry = deployment["metadata"]!["managedFields"]!.AsArray().Single(one => one!["manager"]!.ToString() == manager)!;
        Assert.Equal("Apply apps/v1 FieldsV1", $"{entry["operation"]} {entry["apiVersion"]} {entry["fieldsType"]}");
        return string.Join("; ", entry["fieldsV1"]!["f:spec"]!["f:template"]!["f:spec"]!["f:containers"]!.AsObject().Select(container =>
            $"{container.Key}: {string.Join(' ', container.Value!.AsObject().Select(field => field.Key == "f:ports" ? string.Join(' ', field.Value!.AsObject().Select(port => port.Key)) : field.Key))}"));
    }

    [Fact]
    public async Task Two_managers_have_containers_and_ports_of_one_list()
    {
        await server.NamespaceAsync("applied-lists");
        var (code, made) = await ApplyAsync("one", "[{name: a, image: 'i:1', ports: [{containerPort: 80}]}]");
        Assert.True(code == HttpStatusCode.Created, made.ToString());
        (code, var both) = await ApplyAsync("two", "[{name: a, ports: [{containerPort: 81}, {containerPort: 80, protocol: UDP}]}, {name: b, image: 'i:1'}]");
        Assert.True(code == HttpStatusCode.OK, both.ToString());
        Assert.Equal("a i:1 80/TCP,81/TCP,80/UDP; b i:1", Containers(both));
        Assert.Equal("""k:{"name":"a"}: . f:image f:name k:{"containerPort":80,"protocol":"TCP"}""", Managed(both, "one"));
        Assert.Equal("""k:{"name":"a"}: . f:name k:{"containerPort":80,"protocol":"UDP"} k:{"containerPort":81,"protocol":"TCP"}; k:{"name":"b"}: . f:image f:name""", Managed(both, "two"));

        (code, var conflict) = await ApplyAsync("two", "[{name: a, image: 'i:2', ports: [{containerPort: 81}]}, {name: b, image: 'i:1'}]");
        Assert.Equal((HttpStatusCode.Conflict, "Conflict"), (code, conflict["reason"]!.ToString()));
        Assert.Equal("""Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="a"].image""", conflict["message"]!.ToString());
        var cause = conflict["details"]!["causes"]!.AsArray().Single()!;
        Assert.Equal("""FieldManagerConflict .spec.template.spec.containers[name="a"].image""", $"{cause["reason"]} {cause["field"]}");
        var kept = await server.DoneAsync("GET", Path); // its resourceVersion may be newer: a controller tells the status
        Assert.Equal((both["metadata"]!["generation"]!.ToString(), Containers(both), Managed(both, "two")), (kept["metadata"]!["generation"]!.ToString(), Containers(kept), Managed(kept, "two")));

        (_, var taken) = await ApplyAsync("two", "[{name: a, image: 'i:2', ports: [{containerPort: 81}]}, {name: b, image: 'i:1'}]", "&force=true");
        Assert.Equal("a i:2 80/TCP,81/TCP; b i:1", Containers(taken));
        Assert.DoesNotContain("f:image", Managed(taken, "one"), StringComparison.Ordinal);
        Assert.Contains("f:image", Managed(taken, "two"), StringComparison.Ordinal);

        (_, var less) = await ApplyAsync("one", "[{name: a}]");
        Assert.Equal("a i:2 81/TCP; b i:1", Containers(less)); // what only one had goes, and nothing else
        (_, var least) = await ApplyAsync("two", "[{name: a, image: 'i:2'}]");
        Assert.Equal("a i:2", Containers(least));
    }

    [Fact]
    public async Task An_update_takes_what_it_changes_and_an_apply_of_the_same_value_shares_it()
    {
        await server.NamespaceAsync("applied-services");
        const string Services = "api/v1/namespaces/applied-services/services/s";
        Task<(HttpStatusCode Code, JsonNode Body)> ServiceAsync(string manager, string ports, string query = "") => server.SendAsync("PATCH", $"{Services}?fieldManager={manager}{query}", $$$"""{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{{{ports}}}]}}""", "application/apply-patch+yaml");
        await ServiceAsync("one", """{"name":"http","port":80,"targetPort":8080}""");
        await server.DoneAsync("PATCH", Services + "?fieldManager=hand", """[{"op":"replace","path":"/spec/ports/0/targetPort","value":9090}]""", "application/json-patch+json");
        var (code, conflict) = await ServiceAsync("one", """{"name":"http","port":80,"targetPort":8080}""");
        Assert.True(code == HttpStatusCode.Conflict, conflict.ToString());
        Assert.StartsWith("""Apply failed with 1 conflict: conflict with "hand" using v1 at """, conflict["message"]!.ToString(), StringComparison.Ordinal);
        Assert.Equal(""".spec.ports[port=80,protocol="TCP"].targetPort""", conflict["details"]!["causes"]!.AsArray().Single()!["field"]!.ToString());
        (code, var shared) = await ServiceAsync("one", """{"name":"http","port":80,"targetPort":9090}""");
        Assert.True(code == HttpStatusCode.OK, shared.ToString());
        Assert.Equal(["hand", "one"], shared["metadata"]!["managedFields"]!.AsArray().Where(one => one!["fieldsV1"]!.ToJsonString().Contains("f:targetPort", StringComparison.Ordinal)).Select(one => one!["manager"]!.ToString()).Order(StringComparer.Ordinal));
    }
}
