using System.Formats.Tar;
using System.IO.Compression;
using System.IO.Enumeration;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>Packs a folder into an OCI image and pushes it to the cluster's registry; or pushes an archive's image as it is.</summary>
public static class Images
{
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

    /// <summary>Imports a root file system's folder, an OCI layout or a docker archive (folder or tar).</summary>
    public static async Task ImportAsync(Cluster cluster, string name, string source)
    {
        if (File.Exists(source))
        {
            var unpacked = Directory.CreateTempSubdirectory("eyrie-archive-").FullName;
            try
            {
                await ImageArchive.ExtractAsync(source, unpacked);
                if (!ImageArchive.IsOne(unpacked)) throw new Failure($"{source} is neither an OCI layout nor a docker archive; to import a root file system, unpack it into a folder first");
                await ArchiveAsync(cluster, name, unpacked);
            }
            finally
            {
                Directory.Delete(unpacked, true);
            }
        }
        else if (!Directory.Exists(source)) throw new Failure($"{source}: no such file or folder");
        else if (ImageArchive.IsOne(source)) await ArchiveAsync(cluster, name, source);
        else await FolderAsync(cluster, name, source);
    }

    private static async Task ArchiveAsync(Cluster cluster, string name, string directory)
    {
        var (repository, tag) = Split(name);
        var image = ImageArchive.Read(directory);
        foreach (var (digest, file) in image.Blobs)
        {
            await using var content = File.OpenRead(file);
            await BlobAsync(cluster, repository, digest, new StreamContent(content));
        }
        await ManifestAsync(cluster, repository, tag, image.Manifest, image.MediaType);
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
        await BlobAsync(cluster, repository, Digest(layer), new ByteArrayContent(layer));
        await BlobAsync(cluster, repository, Digest(config), new ByteArrayContent(config));
        JsonObject Descriptor(string type, byte[] content) => new() { ["mediaType"] = type, ["digest"] = Digest(content), ["size"] = content.Length };
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2, ["mediaType"] = ImageArchive.ManifestType, ["config"] = Descriptor(ImageArchive.ConfigType, config),
            ["layers"] = new JsonArray(Descriptor(ImageArchive.LayerType + "+gzip", layer)),
        };
        await ManifestAsync(cluster, repository, tag, Encoding.UTF8.GetBytes(manifest.ToJsonString()), ImageArchive.ManifestType);
    }

    /// <summary>Entries in order of name, owned by root, with no times: the same folder gives the same image.</summary>
    private static async Task Tar(string folder, Stream output)
    {
        await using var writer = new TarWriter(output, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var path in Entries(folder).Order(StringComparer.Ordinal))
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

    /// <summary>Everything below a folder; a link to a directory is an entry and is not gone through.</summary>
    private static FileSystemEnumerable<string> Entries(string folder) =>
        new(folder, (ref FileSystemEntry entry) => entry.ToFullPath(), new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false })
        {
            ShouldRecursePredicate = (ref FileSystemEntry entry) => (entry.Attributes & FileAttributes.ReparsePoint) == 0,
        };

    private static async Task BlobAsync(Cluster cluster, string repository, string digest, HttpContent content)
    {
        using (content)
        {
            using var check = await cluster.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"/v2/{repository}/blobs/{digest}"));
            if (check.IsSuccessStatusCode) return;
            using var response = await cluster.Http.PostAsync($"/v2/{repository}/blobs/uploads/?digest={digest}", content);
            await CheckAsync(response);
        }
    }

    private static async Task ManifestAsync(Cluster cluster, string repository, string tag, byte[] manifest, string mediaType)
    {
        using var body = new ByteArrayContent(manifest);
        body.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        using var response = await cluster.Http.PutAsync($"/v2/{repository}/manifests/{tag}", body);
        await CheckAsync(response);
    }

    private static async Task CheckAsync(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode) throw new Failure($"the registry refused: {await response.Content.ReadAsStringAsync()}");
    }

    private static string Digest(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));
}
