using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>A node is given tokens for pods of its own whose sets hold the entry, and for nothing else.</summary>
[Collection(nameof(ApiServer))]
public sealed class PodTokenTests(ApiServer server) : IAsyncLifetime
{
    private readonly Dictionary<string, string> _uids = [];

    public async Task InitializeAsync()
    {
        await server.SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"podtokens"}}""");
        await server.UntilAsync("api/v1/namespaces/podtokens/serviceaccounts/default", (code, _) => code == System.Net.HttpStatusCode.OK, "the account");
        foreach (var (name, permissions, more) in new[] { ("asks", """{"api":{"token":true}}""", ""), ("vault", """{"api":{"audiences":["vault"]}}""", ""), ("none", "{}", ""), ("quiet", """{"api":{"token":true}}""", ""","automountServiceAccountToken":false""") })
        {
            await server.SendAsync("POST", "api/v1/namespaces/podtokens/pods", $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"nodeName":"node-a","containers":[{"name":"a","image":"i:1","permissions":{{{permissions}}}}]{{{more}}}}}""");
            _uids[name] = (await server.SendAsync("GET", "api/v1/namespaces/podtokens/pods/" + name)).Body["metadata"]!["uid"]!.ToString();
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var name in _uids.Keys) await server.SendAsync("DELETE", $"api/v1/namespaces/podtokens/pods/{name}?gracePeriodSeconds=0");
    }

    private async Task<IssuedToken> IssueAsync(string pod, string node = "node-a", string audience = "", string secret = "none", string? uid = null, bool automatic = false)
    {
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, _, _, _) => true };
        using var channel = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { HttpHandler = handler });
        var request = new TokenRequest { NodeName = node, PodNamespace = "podtokens", PodName = pod, PodUid = uid ?? _uids.GetValueOrDefault(pod, "?"), Audience = audience, ExpirationSeconds = 3600, Automatic = automatic };
        return await new PodTokens.PodTokensClient(channel).IssueAsync(request, new Metadata { { "authorization", "Bearer " + secret } });
    }

    [Theory]
    [InlineData("asks", "node-b", "", "none", StatusCode.PermissionDenied)] // another node's pod
    [InlineData("asks", "node-a", "", "guessed", StatusCode.Unauthenticated)]
    [InlineData("asks", "node-a", "vault", "none", StatusCode.PermissionDenied)]
    [InlineData("vault", "node-a", "", "none", StatusCode.PermissionDenied)]
    [InlineData("none", "node-a", "", "none", StatusCode.PermissionDenied)]
    [InlineData("gone", "node-a", "", "none", StatusCode.NotFound)]
    public async Task What_was_not_granted_is_refused(string pod, string node, string audience, string secret, StatusCode code) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<RpcException>(() => IssueAsync(pod, node, audience, secret))).StatusCode);

    [Fact]
    public async Task Another_pod_of_the_same_name_has_no_part_in_it() =>
        Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(() => IssueAsync("asks", uid: _uids["vault"]))).StatusCode);

    [Fact]
    public async Task What_was_granted_is_the_accounts_token_and_ends_with_the_pod()
    {
        var issued = await IssueAsync("asks", automatic: true);
        Assert.Equal(3_600_000, issued.ExpiresUnixMilliseconds - issued.IssuedUnixMilliseconds);
        async Task<JsonNode> ReviewAsync(string token, string audiences = "") => (await server.SendAsync("POST", "apis/authentication.k8s.io/v1/tokenreviews", $$$"""{"spec":{"token":"{{{token}}}"{{{audiences}}}}}""")).Body["status"]!;
        Assert.Equal("system:serviceaccount:podtokens:default", (await ReviewAsync(issued.Token))["user"]!["username"]!.ToString());
        var vault = await IssueAsync("vault", audience: "vault");
        Assert.Null((await ReviewAsync(vault.Token))["authenticated"]);
        Assert.Equal("true", (await ReviewAsync(vault.Token, ""","audiences":["vault"]"""))["authenticated"]!.ToString());
        Assert.Empty((await IssueAsync("quiet", automatic: true)).Token);
        Assert.NotEmpty((await IssueAsync("quiet")).Token); // a volume that asks for it by name
        await server.SendAsync("DELETE", "api/v1/namespaces/podtokens/pods/asks?gracePeriodSeconds=0");
        Assert.Null((await ReviewAsync(issued.Token))["authenticated"]);
    }
}
