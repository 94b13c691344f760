using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Registries that are not on 127.0.0.1: with TLS and an authority of their own, and named ones without TLS.</summary>
public sealed class RegistryConnectionTests
{
    private const string Host = "127.0.0.2";
    private static readonly Dictionary<string, string> Files = new() { ["etc/text"] = "one" };

    private static X509Certificate2 Authority(string name)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
    }

    private static X509Certificate2 Certificate(X509Certificate2 authority, string address)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=registry", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Parse(address));
        request.CertificateExtensions.Add(names.Build());
        using var signed = request.Create(authority, authority.NotBefore, authority.NotAfter, [1, 2, 3, 4]);
        return signed.CopyWithPrivateKey(key);
    }

    private static async Task<string> PullAsync(string registry, string given, X509Certificate2 authority)
    {
        using var node = new PullingNode(options => options with { RegistryAuthorities = new Dictionary<string, string> { [given] = authority.ExportCertificatePem() } });
        return node.Read(await node.PullAsync($"{registry}/app:1"), "etc/text");
    }

    private static async Task RefusedAsync(string registry, string given, X509Certificate2 authority) =>
        Assert.Contains($"--registry-authority {registry}=FILE", (await Assert.ThrowsAsync<ImageUnavailableException>(() => PullAsync(registry, given, authority))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task A_registry_has_the_authority_that_it_was_given_and_no_other()
    {
        using var authority = Authority("own");
        using var other = Authority("other");
        using var certificate = Certificate(authority, Host);
        await using var registry = await RegistryServer.StartAsync(host: Host, certificate: certificate);
        await registry.PushAsync("app:1", Files);
        Assert.Equal("one", await PullAsync(registry.Address, registry.Address, authority));
        await RefusedAsync(registry.Address, registry.Address, other);
        await RefusedAsync(registry.Address, "127.0.0.9:1", authority); // that of another registry
    }

    [Fact]
    public async Task Its_authority_does_not_make_one_registry_another()
    {
        using var authority = Authority("own");
        using var certificate = Certificate(authority, "127.0.0.9");
        await using var registry = await RegistryServer.StartAsync(host: Host, certificate: certificate);
        await registry.PushAsync("app:1", Files);
        await RefusedAsync(registry.Address, registry.Address, authority);
    }

    [Fact]
    public async Task Without_TLS_is_only_a_registry_that_was_named_so()
    {
        await using var registry = await RegistryServer.StartAsync(host: Host);
        await registry.PushAsync("app:1", Files);
        using var named = new PullingNode(options => options with { InsecureRegistries = [registry.Address] });
        Assert.Equal("one", named.Read(await named.PullAsync($"{registry.Address}/app:1"), "etc/text"));
        using var other = new PullingNode(options => options with { InsecureRegistries = ["127.0.0.9:1"] });
        Assert.Contains($"when it has no TLS, with --insecure-registry {registry.Address}", (await Assert.ThrowsAsync<ImageUnavailableException>(() => other.PullAsync($"{registry.Address}/app:1"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("registry.example", "\"registry.example\" is not HOST:PORT=FILE")]
    [InlineData("registry.example=/no/such/file", "/no/such/file cannot be read")]
    [InlineData("registry.example=/etc/hostname", "/etc/hostname has no certificate in PEM")]
    public void What_is_no_authority_is_refused_at_the_start(string given, string expected)
    {
        using var errors = new StringWriter();
        Assert.Null(NodeOptions.Parse(["--state-dir", "/s", "--name", "n", "--index", "0", "--cluster-octet", "64", "--server", "https://127.0.0.1:1", "--ca", "c", "--token-file", "t", "--microkernel", "m", "--registry-authority", given], errors));
        Assert.StartsWith("eyrie-node: --registry-authority: " + expected, errors.ToString(), StringComparison.Ordinal);
    }
}
