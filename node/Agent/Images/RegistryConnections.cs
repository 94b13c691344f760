using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Eyrie.Node;

/// <summary>Connections to registries outside. Who vouches for one is an authority that the host trusts, or one that the node was given for this registry alone.</summary>
/// <param name="authorities">Certificates in PEM by the registry's host and port.</param>
public sealed class RegistryConnections(IReadOnlyDictionary<string, string> authorities)
{
    private static readonly HttpClient Ordinary = new(Handler()) { Timeout = Timeout.InfiniteTimeSpan };

    private readonly Dictionary<string, HttpClient> _own = authorities.ToDictionary(pair => pair.Key, pair => new HttpClient(Handler(Certificates(pair.Value))) { Timeout = Timeout.InfiniteTimeSpan });

    public HttpClient To(string registry) => _own.GetValueOrDefault(registry, Ordinary);

    /// <summary>The certificates in a text; none: it is not PEM.</summary>
    public static X509Certificate2Collection Certificates(string pem)
    {
        var found = new X509Certificate2Collection();
        found.ImportFromPem(pem);
        return found;
    }

    private static SocketsHttpHandler Handler(X509Certificate2Collection? authorities = null)
    {
        var handler = new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(15), PooledConnectionLifetime = TimeSpan.FromMinutes(2) };
        if (authorities is not null)
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                errors == SslPolicyErrors.None || (errors == SslPolicyErrors.RemoteCertificateChainErrors && certificate is X509Certificate2 leaf && Vouched(leaf, chain, authorities));
        return handler;
    }

    /// <param name="leaf">Of the registry, for whose name it is.</param>
    /// <param name="sent">The chain that the registry's own certificates were tried in.</param>
    /// <param name="authorities">One of these must be its root.</param>
    private static bool Vouched(X509Certificate2 leaf, X509Chain? sent, X509Certificate2Collection authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        if (sent is not null) chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(leaf);
    }
}
