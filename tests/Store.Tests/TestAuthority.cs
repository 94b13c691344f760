using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Eyrie.Store.Tests;

/// <summary>A certificate authority made for a test, and what it signs, as PEM files in a directory of its own.</summary>
public sealed class TestAuthority : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-authority-").FullName;
    private readonly X509Certificate2 _authority;

    public TestAuthority()
    {
        var request = new CertificateRequest("CN=test authority", ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        _authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Certificate, _authority.ExportCertificatePem());
    }

    /// <summary>Its own certificate.</summary>
    public string Certificate => Path.Combine(_directory, "ca.pem");

    /// <summary>Files of a certificate for server and client, of a name and addresses, and of its key.</summary>
    public (string Certificate, string Key) Sign(string name, params string[] addresses)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        foreach (var address in addresses) names.AddIpAddress(IPAddress.Parse(address));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        using var signed = request.Create(_authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(12), RandomNumberGenerator.GetBytes(8));
        return (Written(name + ".pem", signed.ExportCertificatePem()), Written(name + ".key", key.ExportPkcs8PrivateKeyPem()));
    }

    /// <summary>A further file beside them.</summary>
    public string Written(string name, string content)
    {
        var file = Path.Combine(_directory, name);
        File.WriteAllText(file, content);
        return file;
    }

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_directory, true);
    }
}
