using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Containers that are added to a pod that is there, as <c>kubectl debug</c> does it.</summary>
[Collection(nameof(ApiServer))]
public sealed class EphemeralContainerTests(ApiServer server)
{
    private const string Home = "api/v1/namespaces/debugged";

    private async Task<string> PodAsync(string name)
    {
        await server.SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"debugged"}}""");
        var (code, body) = await server.SendAsync("POST", Home + "/pods", $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"schedulingGates":[{"name":"test/held"}],"containers":[{"name":"a","image":"i:1","permissions":{"clock":"read"}}]}}""");
        Assert.True(code == HttpStatusCode.Created, body.ToString());
        return $"{Home}/pods/{name}";
    }

    private Task<(HttpStatusCode Code, JsonNode Body)> AddAsync(string pod, string container, string part = "/ephemeralcontainers") =>
        server.SendAsync("PATCH", pod + part, $$$"""{"spec":{"ephemeralContainers":[{{{container}}}]}}""", "application/strategic-merge-patch+json");

    [Fact]
    public async Task They_are_added_one_by_one_with_permissions_and_stay_as_they_are()
    {
        var pod = await PodAsync("added");
        var (code, body) = await AddAsync(pod, """{"name":"d","image":"i:1","targetContainerName":"a","permissions":{"random":"read"}}""");
        Assert.True(code == HttpStatusCode.OK, body.ToString());
        Assert.Equal(HttpStatusCode.OK, (await AddAsync(pod, """{"name":"e","image":"i:1"}""")).Code);
        var added = (await server.SendAsync("GET", pod)).Body["spec"]!["ephemeralContainers"]!.AsArray();
        Assert.Equal(["d", "e"], added.Select(container => container!["name"]!.ToString()));
        Assert.Equal("""{"random":"read"}""", added[0]!["permissions"]!.ToJsonString());
        Assert.Equal("IfNotPresent", added[0]!["imagePullPolicy"]!.ToString());
        Assert.Contains("existing ephemeral containers may not be changed or removed: \"d\"", (await AddAsync(pod, """{"name":"d","image":"i:2"}""")).Body["message"]!.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"name":"a","image":"i:1"}""", "spec.ephemeralContainers[0].name: Duplicate value: \"a\"")]
    [InlineData("""{"name":"d"}""", "spec.ephemeralContainers[0].image: Required value")]
    [InlineData("""{"name":"d","image":"i:1","targetContainerName":"z"}""", "spec.ephemeralContainers[0].targetContainerName: Not found: \"z\"")]
    [InlineData("""{"name":"d","image":"i:1","ports":[{"containerPort":80}]}""", "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container")]
    [InlineData("""{"name":"d","image":"i:1","securityContext":{"privileged":true}}""", "spec.ephemeralContainers[0].securityContext.privileged: Forbidden")]
    [InlineData("""{"name":"d","image":"i:1","permissions":{"fils":[]}}""", "spec.ephemeralContainers[0].permissions.fils: Invalid value")]
    [InlineData("""{"name":"d","image":"i:1","volumeMounts":[{"name":"v","mountPath":"/v"}]}""", "spec.ephemeralContainers[0].volumeMounts[0].name: Not found: \"v\"")]
    public async Task Mistakes_are_told_at_their_field(string container, string mistake)
    {
        var (code, body) = await AddAsync(await PodAsync("wrong-" + Guid.NewGuid().ToString("N")[..8]), container);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Contains(mistake, body["message"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task They_come_by_their_subresource_alone()
    {
        var pod = await PodAsync("alone");
        Assert.Contains("pod updates may not change fields other than", (await AddAsync(pod, """{"name":"d","image":"i:1"}""", "")).Body["message"]!.ToString(), StringComparison.Ordinal);
        var (code, body) = await server.SendAsync("POST", Home + "/pods", """{"metadata":{"name":"early"},"spec":{"containers":[{"name":"a","image":"i:1"}],"ephemeralContainers":[{"name":"d","image":"i:1"}]}}""");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Contains("spec.ephemeralContainers: Forbidden: ephemeral containers are added to a pod that is there (kubectl debug)", body["message"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Debug_adds_them_copies_pods_with_their_permissions_and_is_refused_a_node()
    {
        var pod = await PodAsync("p");
        await server.SendAsync("POST", "api/v1/nodes", """{"metadata":{"name":"debugged"}}""");
        var output = await server.KubectlAsync("debugged", """
            K debug p --image=busybox --target=a -c d 2>&1 | grep -v legacy
            K get pod p -o 'jsonpath={.spec.ephemeralContainers[*].name}{"\n"}'
            K debug p --image=busybox --copy-to=q --share-processes -c d 2>&1 | grep -v legacy
            K get pod q -o 'jsonpath={.spec.containers[*].name} {.spec.containers[0].permissions} [{.metadata.annotations}]{"\n"}'
            K debug node/debugged --image=busybox --profile=general 2>&1 | grep -o 'spec.host[A-Za-z]*: Forbidden'
            """);
        Assert.Equal("""
            Targeting container "a". If you don't see processes from this container it may be because the container runtime doesn't support this feature.
            Warning: container d shares the address of the pod and not the processes of container a, which no container sees but itself
            d
            Warning: spec.shareProcessNamespace has no effect: no container sees the processes of another
            a d {"clock":"read"} []
            spec.hostNetwork: Forbidden
            spec.hostPID: Forbidden
            spec.hostIPC: Forbidden
            """, output.Trim());
    }
}
