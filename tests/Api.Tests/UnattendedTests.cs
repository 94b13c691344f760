using System.Net;
using System.Text;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Whoever makes what nothing here acts on is told.</summary>
[Collection(nameof(ApiServer))]
public sealed class UnattendedTests(ApiServer server)
{
    private async Task<IReadOnlyList<string>> WarningsAsync(string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await server.Client.PostAsync(path, content);
        Assert.True(response.StatusCode == HttpStatusCode.Created, await response.Content.ReadAsStringAsync());
        return response.Headers.TryGetValues("Warning", out var warnings) ? [.. warnings] : [];
    }

    [Fact]
    public async Task An_Ingress_is_warned_of_until_somebody_tells_of_a_controller()
    {
        const string Ingresses = "apis/networking.k8s.io/v1/namespaces/default/ingresses";
        static string Ingress(string name) => """{"metadata":{"name":"NAME"},"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}}}""".Replace("NAME", name, StringComparison.Ordinal);
        Assert.Equal("299 - \"no controller acts on an Ingress in this cluster: it is stored, and leads nowhere until you run one and make its IngressClass\"", Assert.Single(await WarningsAsync(Ingresses, Ingress("first"))));
        await WarningsAsync("apis/networking.k8s.io/v1/ingressclasses", """{"metadata":{"name":"own"},"spec":{"controller":"example.org/own"}}""");
        Assert.Empty(await WarningsAsync(Ingresses, Ingress("second")));
    }

    [Theory]
    [InlineData("api/v1/namespaces/default/services", """{"metadata":{"name":"lb"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}""", "nothing in this cluster gives a LoadBalancer an external address")]
    [InlineData("api/v1/namespaces/default/services", """{"metadata":{"name":"plain"},"spec":{"ports":[{"port":80}]}}""", null)]
    [InlineData("apis/storage.k8s.io/v1/storageclasses", """{"metadata":{"name":"ebs"},"provisioner":"ebs.csi.aws.com"}""", "nothing in this cluster makes volumes for ebs.csi.aws.com")]
    [InlineData("apis/storage.k8s.io/v1/storageclasses", """{"metadata":{"name":"mine"},"provisioner":"eyrie.dev/local-path"}""", null)]
    public async Task What_waits_for_nobody_is_warned_of(string path, string body, string? expected)
    {
        var warnings = await WarningsAsync(path, body);
        if (expected is null) Assert.Empty(warnings);
        else Assert.Contains(expected, Assert.Single(warnings), StringComparison.Ordinal);
    }
}
