using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>Packs a folder into an OCI image and pushes it to the cluster's registry; or pushes an OCI layout as it is.</summary>
public static class Images
{
    private const string ManifestType = "application/vnd.oci.image.manifest.v1+json";

    public static (string Repository, string Tag) Split(string name)
    {
        int colon = name.LastIndexOf(':');
        return colon > name.LastIndexOf('/') ? (name[..colon], name[(colon + 1)..]) : (name, "latest");
    }

    public static async Task<bool> HasAsync(Cluster cluster, string name)
    {
        var (repository, tag) = Split(name);
        using var request = new HttpRequestMessage(HttpMethod.Head, $"/v2/{repository}/manifests/{tag}");
        using var response = await cluster.Http.SendAsync(request);
        return response.IsSuccessStatusCode;
    }

    public static async Task ImportAsync(Cluster cluster, string name, string folder)
    {
        if (!Directory.Exists(folder)) throw new Failure($"{folder}: no such folder");
        if (File.Exists(Path.Combine(folder, "oci-layout"))) await LayoutAsync(cluster, name, folder);
        else await FolderAsync(cluster, name, folder);
    }

    private static async Task FolderAsync(Cluster cluster, string name, string folder)
    {
        var (repository, tag) = Split(name);
        using var packed = new MemoryStream();
        using var plain = new MemoryStream();
        await Tar(folder, plain);
        var diff = Digest(plain.ToArray());
        plain.Position = 0;
        await using (var zip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)) await plain.CopyToAsync(zip);
        var layer = packed.ToArray();
        var config = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["architecture"] = "amd64", ["os"] = "linux", ["config"] = new JsonObject { ["Env"] = new JsonArray("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") },
            ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray(diff) },
        }.ToJsonString());
        await BlobAsync(cluster, repository, layer);
        await BlobAsync(cluster, repository, config);
        JsonObject Descriptor(string type, byte[] content) => new() { ["mediaType"] = type, ["digest"] = Digest(content), ["size"] = content.Length };
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2, ["mediaType"] = ManifestType, ["config"] = Descriptor("application/vnd.oci.image.config.v1+json", config),
            ["layers"] = new JsonArray(Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)),
        };
        await ManifestAsync(cluster, repository, tag, Encoding.UTF8.GetBytes(manifest.ToJsonString()));
    }

    /// <summary>Entries in order of name, owned by root, with no times: the same folder gives the same image.</summary>
    private static async Task Tar(string folder, Stream output)
    {
        await using var writer = new TarWriter(output, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var path in Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var info = new FileInfo(path);
            bool link = info.LinkTarget is not null;
            var type = link ? TarEntryType.SymbolicLink : Directory.Exists(path) ? TarEntryType.Directory : TarEntryType.RegularFile;
            var entry = new PaxTarEntry(type, Path.GetRelativePath(folder, path)) { ModificationTime = DateTimeOffset.UnixEpoch, Uid = 0, Gid = 0 };
            if (link) entry.LinkName = info.LinkTarget!;
            else entry.Mode = info.UnixFileMode;
            await using var content = type == TarEntryType.RegularFile ? File.OpenRead(path) : null;
            if (content is not null) entry.DataStream = content;
            await writer.WriteEntryAsync(entry);
        }
    }

    private static async Task LayoutAsync(Cluster cluster, string name, string folder)
    {
        var (repository, tag) = Split(name);
        byte[] Blob(string digest) => File.ReadAllBytes(Path.Combine(folder, "blobs", digest.Replace(':', '/')));
        var index = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "index.json")))!;
        var manifest = Blob((index["manifests"] as JsonArray)?.FirstOrDefault()?["digest"]?.ToString() ?? throw new Failure($"{folder}/index.json names no manifest"));
        var content = JsonNode.Parse(manifest)!;
        foreach (var descriptor in (content["layers"] as JsonArray ?? []).Append(content["config"])) await BlobAsync(cluster, repository, Blob(descriptor!["digest"]!.ToString()));
        await ManifestAsync(cluster, repository, tag, manifest);
    }

    private static async Task BlobAsync(Cluster cluster, string repository, byte[] content)
    {
        var digest = Digest(content);
        using var check = await cluster.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"/v2/{repository}/blobs/{digest}"));
        if (check.StatusCode == HttpStatusCode.OK) return;
        using var body = new ByteArrayContent(content);
        using var response = await cluster.Http.PostAsync($"/v2/{repository}/blobs/uploads/?digest={digest}", body);
        await CheckAsync(response);
    }

    private static async Task ManifestAsync(Cluster cluster, string repository, string tag, byte[] manifest)
    {
        using var body = new ByteArrayContent(manifest);
        body.Headers.ContentType = new MediaTypeHeaderValue(ManifestType);
        using var response = await cluster.Http.PutAsync($"/v2/{repository}/manifests/{tag}", body);
        await CheckAsync(response);
    }

    private static async Task CheckAsync(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode) throw new Failure($"the registry refused: {await response.Content.ReadAsStringAsync()}");
    }

    private static string Digest(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));
}
