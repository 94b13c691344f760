using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Eyrie.ControlPlane.Store;

/// <summary>
/// TLS towards an etcd: who is taken for one of its members, and what is shown to it. A certificate must be a server's, signed by the authority that was named (or one of the host's), and stand for
/// one of the hosts in the address.
/// </summary>
internal sealed class EtcdTrust
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private readonly IReadOnlyList<string> _hosts;
    private readonly string? _authorityFile;
    private readonly X509Certificate2Collection? _authorities;
    private readonly SslStreamCertificateContext? _shown;
    private volatile string? _refused;

    /// <summary>Reads the files; another certificate in them is used from the next start on.</summary>
    /// <exception cref="StoreUnavailableException">A file cannot be read, or is not what it should be.</exception>
    public EtcdTrust(IEnumerable<string> hosts, EtcdTls tls)
    {
        _hosts = [.. hosts];
        _authorityFile = tls.Authority;
        if (tls.Authority is { } file) _authorities = Read(file, "certificates", () => { var read = new X509Certificate2Collection(); read.ImportFromPemFile(file); return read.Count > 0 ? read : throw new CryptographicException("there is none in it"); });
        if (tls is { Certificate: { } certificate, Key: { } key })
            _shown = Read($"{certificate}, {key}", "a certificate and its key", () =>
            {
                var chain = new X509Certificate2Collection();
                chain.ImportFromPemFile(certificate);
                return SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(certificate, key), chain, offline: true);
            });
    }

    /// <summary>Why the last certificate that was shown was not taken; null: none was refused.</summary>
    public string? Refused => _refused;

    public SslClientAuthenticationOptions Options => new() { ClientCertificateContext = _shown, RemoteCertificateValidationCallback = (_, shown, _, errors) => Verify(shown, errors) };

    private bool Verify(X509Certificate? shown, SslPolicyErrors errors)
    {
        _refused = shown is not X509Certificate2 certificate ? "it shows no certificate" : Unsigned(certificate, errors) ?? Misnamed(certificate);
        return _refused is null;
    }

    private string? Unsigned(X509Certificate2 certificate, SslPolicyErrors errors)
    {
        if (_authorities is null) return errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) ? "its certificate is signed by nobody whom this host trusts: name the authority's file, ?ca=FILE" : null;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        return chain.Build(certificate) ? null : $"its certificate does not hold by {_authorityFile}: {string.Join(", ", chain.ChainStatus.Select(status => status.StatusInformation.Trim()))}";
    }

    private string? Misnamed(X509Certificate2 certificate) =>
        _hosts.Any(host => certificate.MatchesHostname(host)) ? null : $"its certificate is not for {string.Join(" or ", _hosts.Distinct())}: use a name or an address that stands in it as subject alternative name";

    private static T Read<T>(string file, string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new StoreUnavailableException($"{file}: not {what} in PEM that can be read: {exception.Message}", exception);
        }
    }
}
