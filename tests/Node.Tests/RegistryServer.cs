using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>A real registry (Debian's docker-registry) on loopback, and images that a real tool (skopeo) pushed into it.</summary>
public sealed class RegistryServer : IAsyncDisposable
{
    /// <summary>Of the user "reader", bcrypt; the password is <see cref="Password"/>.</summary>
    private const string Users = "reader:$2b$04$1PLge5FH6pJeTJNF5lHgtu6DDjiiiwHNDglU5eObBXYaqbjpLKOIq\n";
    public const string User = "reader", Password = "pass-word";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    public string Directory { get; }
    public string Address { get; }

    private RegistryServer(Process process, string directory, string address) => (_process, Directory, Address) = (process, directory, address);

    /// <param name="authentication">The part `auth` of its configuration; USERS in it becomes the file of its users.</param>
    /// <param name="host">Address on loopback.</param>
    /// <param name="certificate">With its key; null: without TLS.</param>
    public static async Task<RegistryServer> StartAsync(string authentication = "", string host = "127.0.0.1", X509Certificate2? certificate = null)
    {
        var directory = System.IO.Directory.CreateTempSubdirectory("eyrie-registry-").FullName;
        var address = string.Create(CultureInfo.InvariantCulture, $"{host}:{FreePorts.Next()}");
        if (certificate is not null)
        {
            await File.WriteAllTextAsync(directory + "/certificate", certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(directory + "/key", certificate.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        }
        var tls = certificate is null ? "" : $", tls: {{certificate: {directory}/certificate, key: {directory}/key}}";
        await File.WriteAllTextAsync(directory + "/users", Users);
        await File.WriteAllTextAsync(directory + "/config.yml", $"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\nhttp: {{addr: '{address}'{tls}}}\n{authentication.Replace("USERS", directory + "/users", StringComparison.Ordinal)}");
        var process = Process.Start(new ProcessStartInfo("docker-registry", ["serve", directory + "/config.yml"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
#pragma warning disable CA5359 // only asked whether it is up
        using var http = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } });
#pragma warning restore CA5359
        for (var end = DateTime.UtcNow + Deadline; ; await Task.Delay(50))
            try
            {
                using var answer = await http.GetAsync(new Uri($"{(certificate is null ? "http" : "https")}://{address}/v2/"));
                return new RegistryServer(process, directory, address);
            }
            catch (HttpRequestException) when (DateTime.UtcNow < end)
            {
                // It is not up yet.
            }
    }

    /// <summary>Packs files into an OCI layout and pushes it.</summary>
    public async Task PushAsync(string name, IReadOnlyDictionary<string, string> files, params string[] options) => await CopyAsync(Layout([("amd64", [files])]), name, options);

    /// <summary>Pushes an image of several layers, lowest first. A path that ends in a slash is a directory, beneath tmp of 7:8 with mode 1777; what is hidden is named as in a layer (.wh.NAME, .wh..wh..opq).</summary>
    /// <returns>The digest of its manifest.</returns>
    public async Task<string> PushLayersAsync(string name, params IReadOnlyDictionary<string, string>[] layers)
    {
        var layout = Layout([("amd64", layers)]);
        await CopyAsync(layout, name, []);
        return JsonNode.Parse(await File.ReadAllTextAsync(layout + "/index.json"))!["manifests"]![0]!["digest"]!.ToString();
    }

    /// <summary>Pushes an index with an image for each architecture.</summary>
    public Task PushIndexAsync(string name, params (string Architecture, IReadOnlyDictionary<string, string> Files)[] images) => CopyAsync(Layout([.. images.Select(image => (image.Architecture, (IReadOnlyList<IReadOnlyDictionary<string, string>>)[image.Files]))]), name, ["--all"]);

    private async Task CopyAsync(string layout, string name, string[] options)
    {
        using var skopeo = Process.Start(new ProcessStartInfo("skopeo", ["--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds", $"{User}:{Password}", .. options, $"oci:{layout}:it", $"docker://{Address}/{name}"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var (output, error) = (skopeo.StandardOutput.ReadToEndAsync(), skopeo.StandardError.ReadToEndAsync());
        await skopeo.WaitForExitAsync().WaitAsync(Deadline);
        Assert.True(skopeo.ExitCode == 0, await output + await error);
    }

    private string Layout(IReadOnlyList<(string Architecture, IReadOnlyList<IReadOnlyDictionary<string, string>> Layers)> images)
    {
        var layout = Path.Combine(Directory, Guid.NewGuid().ToString("N"));
        System.IO.Directory.CreateDirectory(layout + "/blobs/sha256");
        JsonObject Blob(byte[] bytes, string type)
        {
            var digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
            File.WriteAllBytes($"{layout}/blobs/sha256/{digest}", bytes);
            return new JsonObject { ["mediaType"] = type, ["digest"] = "sha256:" + digest, ["size"] = bytes.Length };
        }
        var manifests = new JsonArray();
        foreach (var (architecture, files) in images)
        {
            var tars = files.Select(Tar).ToList();
            var config = new JsonObject
            {
                ["architecture"] = architecture, ["os"] = "linux", ["config"] = new JsonObject { ["Cmd"] = new JsonArray(architecture), ["User"] = "1000" },
                ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray([.. tars.Select(tar => (JsonNode)("sha256:" + Convert.ToHexStringLower(SHA256.HashData(tar))))]) },
            };
            var manifest = new JsonObject
            {
                ["schemaVersion"] = 2, ["mediaType"] = "application/vnd.oci.image.manifest.v1+json", ["config"] = Blob(Encoding.UTF8.GetBytes(config.ToJsonString()), "application/vnd.oci.image.config.v1+json"),
                ["layers"] = new JsonArray([.. tars.Select(tar => Blob(Packed(tar), "application/vnd.oci.image.layer.v1.tar+gzip"))]),
            };
            var entry = Blob(Encoding.UTF8.GetBytes(manifest.ToJsonString()), "application/vnd.oci.image.manifest.v1+json");
            entry["platform"] = new JsonObject { ["os"] = "linux", ["architecture"] = architecture };
            manifests.Add(entry);
        }
        var top = manifests[0]!.DeepClone();
        if (images.Count > 1)
            top = Blob(Encoding.UTF8.GetBytes(new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = "application/vnd.oci.image.index.v1+json", ["manifests"] = manifests }.ToJsonString()), "application/vnd.oci.image.index.v1+json");
        top["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = "it" };
        File.WriteAllText(layout + "/index.json", new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray(top) }.ToJsonString());
        File.WriteAllText(layout + "/oci-layout", """{"imageLayoutVersion":"1.0.0"}""");
        return layout;
    }

    private static byte[] Packed(byte[] tar)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.NoCompression, true)) gzip.Write(tar);
        return packed.ToArray();
    }

    private static byte[] Tar(IReadOnlyDictionary<string, string> files)
    {
        using var made = new MemoryStream();
        using (var tar = new TarWriter(made, TarEntryFormat.Ustar, true))
            foreach (var (path, text) in files)
                tar.WriteEntry(path.EndsWith('/') ? Folder(path) : new UstarTarEntry(TarEntryType.RegularFile, path) { Uid = 101, Gid = 102, Mode = (UnixFileMode)0b110_100_000, ModificationTime = DateTimeOffset.UnixEpoch, DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
        return made.ToArray();
    }

    private static UstarTarEntry Folder(string path) => path.StartsWith("tmp/", StringComparison.Ordinal)
        ? new(TarEntryType.Directory, path) { Uid = 7, Gid = 8, Mode = (UnixFileMode)0b001_111_111_111, ModificationTime = DateTimeOffset.UnixEpoch }
        : new(TarEntryType.Directory, path) { Mode = (UnixFileMode)0b111_101_101, ModificationTime = DateTimeOffset.UnixEpoch };

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        System.IO.Directory.Delete(Directory, true);
    }
}
