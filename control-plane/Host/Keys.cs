using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Controllers;

namespace Eyrie.ControlPlane.Host;

/// <summary>The cluster's own authority, the server's certificate and the tokens; made at the first start and kept in STATE/pki, readable by the owner only.</summary>
public sealed class Keys
{
    private readonly string _directory;

    public X509Certificate2 Server { get; }
    public string AdminToken { get; }
    public string NodeToken { get; }
    /// <summary>What the API signs with.</summary>
    public ClusterKeys Cluster { get; }
    public string AuthorityPem => File.ReadAllText(Path.Combine(_directory, "ca.crt"));

    private Keys(string directory)
    {
        _directory = directory;
        using var pem = X509Certificate2.CreateFromPemFile(Path.Combine(directory, "server.crt"), Path.Combine(directory, "server.key"));
        Server = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        AdminToken = File.ReadAllText(Path.Combine(directory, "admin.token")).Trim();
        NodeToken = File.ReadAllText(Path.Combine(directory, "node.token")).Trim();
        Cluster = new ClusterKeys { Authority = X509Certificate2.CreateFromPemFile(Path.Combine(directory, "ca.crt"), Path.Combine(directory, "ca.key")), Tokens = TokenKey(directory), AdminToken = AdminToken };
    }

    public static Keys LoadOrMake(string stateDirectory, IPAddress address, int clusterOctet)
    {
        var directory = Path.Combine(stateDirectory, "pki");
        if (!Directory.Exists(directory))
        {
            var making = directory + ".new";
            if (Directory.Exists(making)) Directory.Delete(making, true);
            Directory.CreateDirectory(making, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Make(making);
            Directory.Move(making, directory); // all of it or nothing
        }
        Certify(directory, address, ClusterApiService.Address(clusterOctet));
        return new Keys(directory);
    }

    /// <summary>Kept beside the others; a state of before there were tokens gets one.</summary>
    private static ECDsa TokenKey(string directory)
    {
        var file = Path.Combine(directory, "tokens.key");
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(file)) key.ImportFromPem(File.ReadAllText(file));
        else
        {
            Write(directory, "tokens.key.new", key.ExportPkcs8PrivateKeyPem());
            File.Move(file + ".new", file);
        }
        return key;
    }

    /// <summary>The server's certificate, by the cluster's authority: for the address that it listens on, and for its Service, as pods know it. Made anew when it lacks a name.</summary>
    private static void Certify(string directory, IPAddress address, string service)
    {
        var file = Path.Combine(directory, "server.crt");
        List<IPAddress> addresses = [IPAddress.Loopback, IPAddress.Parse(service)];
        if (!addresses.Contains(address) && !address.Equals(IPAddress.Any)) addresses.Add(address);
        List<string> names = ["localhost", .. ClusterApiService.Names];
        if (File.Exists(file))
        {
            using var there = X509CertificateLoader.LoadCertificateFromFile(file);
            if (there.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is { } known && !names.Except(known.EnumerateDnsNames()).Any() && !addresses.Except(known.EnumerateIPAddresses()).Any()) return;
        }
        using var authority = X509Certificate2.CreateFromPemFile(Path.Combine(directory, "ca.crt"), Path.Combine(directory, "ca.key"));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=eyrie-control-plane", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        names.ForEach(alternatives.AddDnsName);
        addresses.ForEach(alternatives.AddIpAddress);
        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        using var server = request.Create(authority, authority.NotBefore, authority.NotAfter, RandomNumberGenerator.GetBytes(12));
        Write(directory, "server.key", key.ExportPkcs8PrivateKeyPem());
        Write(directory, "server.crt", server.ExportCertificatePem());
    }

    private static void Make(string directory)
    {
        var from = DateTimeOffset.UtcNow.AddMinutes(-5);
        var to = from.AddYears(10);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest("CN=eyrie-authority", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        using var authority = authorityRequest.CreateSelfSigned(from, to);
        Write(directory, "ca.crt", authority.ExportCertificatePem());
        Write(directory, "ca.key", authorityKey.ExportPkcs8PrivateKeyPem());
        Write(directory, "admin.token", Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)));
        Write(directory, "node.token", Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)));
    }

    private static void Write(string directory, string name, string content)
    {
        using var file = new FileStream(Path.Combine(directory, name), new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        using var writer = new StreamWriter(file);
        writer.Write(content + "\n");
    }
}
