using System.Collections.Concurrent;
using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>An unpacked image: its layers lowest first (relative to the node root), and what its config says.</summary>
public sealed record Image(string Digest, IReadOnlyList<string> Layers, IReadOnlyList<string> Entrypoint, IReadOnlyList<string> Command, IReadOnlyList<string> Environment, string WorkingDirectory, string User);

/// <summary>The image is not to be had; the message says what to do.</summary>
public sealed class ImageUnavailableException(string message) : Exception(message);

/// <summary>
/// Images from the cluster's registry (OCI distribution): every blob's digest is checked, layers are unpacked once each, under their digest, and appear whole
/// or not at all. Whiteouts become what overlayfs knows.
/// </summary>
public sealed class ImageStore(NodeOptions options, HttpClient client)
{
    private const string ManifestTypes = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    private readonly ConcurrentDictionary<string, Lazy<Task>> _layers = new();

    public async Task<Image> EnsureAsync(string reference, CancellationToken cancellationToken)
    {
        var (repository, tag) = Split(reference);
        var manifest = await ManifestAsync(reference, repository, tag, cancellationToken);
        var config = JsonNode.Parse(await BlobAsync(repository, Digest(manifest["config"]), cancellationToken))!["config"];
        var layers = new List<string>();
        foreach (var layer in manifest["layers"]!.AsArray())
        {
            var digest = Digest(layer);
            var work = _layers.GetOrAdd(digest, _ => new Lazy<Task>(() => UnpackAsync(repository, digest, CancellationToken.None)));
            try
            {
                await work.Value.WaitAsync(cancellationToken);
            }
            catch
            {
                _layers.TryRemove(KeyValuePair.Create(digest, work)); // the next pull tries anew
                throw;
            }
            layers.Add(Relative(digest));
        }
        IReadOnlyList<string> Strings(string name) => [.. (config?[name] as JsonArray ?? []).Select(item => item!.ToString())];
        return new Image(Digest(manifest["config"]), layers, Strings("Entrypoint"), Strings("Cmd"), Strings("Env"), config?["WorkingDir"]?.ToString() ?? "", config?["User"]?.ToString() ?? "");
    }

    private static (string Repository, string Reference) Split(string reference)
    {
        if (reference.Split('@') is [var named, var digest]) return (named, digest);
        int colon = reference.LastIndexOf(':');
        return colon > reference.LastIndexOf('/') ? (reference[..colon], reference[(colon + 1)..]) : (reference, "latest");
    }

    private static string Digest(JsonNode? descriptor) => descriptor?["digest"]?.ToString() is { } digest && digest.StartsWith("sha256:", StringComparison.Ordinal) && digest.Length == 71 && digest[7..].All(char.IsAsciiHexDigitLower)
        ? digest : throw new ImageUnavailableException("the image's manifest has no valid digest");

    private async Task<JsonNode> ManifestAsync(string image, string repository, string reference, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v2/{repository}/manifests/{reference}");
        request.Headers.TryAddWithoutValidation("Accept", ManifestTypes);
        using var response = await client.SendAsync(request, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
            throw new ImageUnavailableException($"image \"{image}\" is not in the cluster's registry; import it with: eyrie image import {image} FOLDER");
        if (!response.IsSuccessStatusCode) throw new ImageUnavailableException($"image \"{image}\": the registry answered {(int)response.StatusCode}");
        var manifest = JsonNode.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken))!;
        if (manifest["manifests"] is not JsonArray platforms) return manifest;
        var ours = platforms.FirstOrDefault(entry => entry?["platform"]?["os"]?.ToString() == "linux" && entry["platform"]?["architecture"]?.ToString() == "amd64")
            ?? throw new ImageUnavailableException($"image \"{image}\" has no variant for linux/amd64");
        return await ManifestAsync(image, repository, Digest(ours), cancellationToken);
    }

    private async Task<byte[]> BlobAsync(string repository, string digest, CancellationToken cancellationToken)
    {
        var bytes = await client.GetByteArrayAsync($"/v2/{repository}/blobs/{digest}", cancellationToken);
        if ("sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes)) != digest) throw new ImageUnavailableException($"blob {digest} of {repository} has another digest");
        return bytes;
    }

    private static string Relative(string digest) => "images/layers/" + digest.Replace(':', '-');

    private async Task UnpackAsync(string repository, string digest, CancellationToken cancellationToken)
    {
        var target = Path.Combine(options.StateDirectory, Relative(digest));
        if (Directory.Exists(target)) return;
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var making = target + ".new";
        if (Directory.Exists(making)) Directory.Delete(making, true);
        Directory.CreateDirectory(making);
        var file = making + ".blob";
        try
        {
            await DownloadAsync(repository, digest, file, cancellationToken);
            await using var blob = File.OpenRead(file);
            await LayerArchive.UnpackAsync(blob, making, cancellationToken);
            Directory.Move(making, target);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task DownloadAsync(string repository, string digest, string file, CancellationToken cancellationToken)
    {
        using var response = await client.GetAsync($"/v2/{repository}/blobs/{digest}", HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode) throw new ImageUnavailableException($"layer {digest} of {repository}: the registry answered {(int)response.StatusCode}");
        await using (var content = await response.Content.ReadAsStreamAsync(cancellationToken))
        await using (var written = File.Create(file)) await content.CopyToAsync(written, cancellationToken);
        await using var read = File.OpenRead(file);
        if ("sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(read, cancellationToken)) != digest) throw new ImageUnavailableException($"layer {digest} of {repository} has another digest");
    }
}

/// <summary>A layer's tar into a directory. No entry may leave it: names are checked part by part, and no existing link is followed.</summary>
public static class LayerArchive
{
    public static async Task UnpackAsync(Stream blob, string directory, CancellationToken cancellationToken)
    {
        var head = new byte[2];
        bool zipped = await blob.ReadAtLeastAsync(head, 2, false, cancellationToken) == 2 && head[0] == 0x1f && head[1] == 0x8b;
        blob.Position = 0;
        await using Stream content = zipped ? new GZipStream(blob, CompressionMode.Decompress) : blob;
        await using var reader = new TarReader(content);
        while (await reader.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            var parts = entry.Name.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").ToArray();
            if (parts.Length == 0) continue;
            if (parts.Contains("..")) throw new ImageUnavailableException($"the layer has an entry \"{entry.Name}\" that leads out of it");
            await EntryAsync(entry, directory, parts, cancellationToken);
        }
    }

    private static async Task EntryAsync(TarEntry entry, string directory, string[] parts, CancellationToken cancellationToken)
    {
        var path = Safe(directory, parts, entry.Name);
        if (parts[^1].StartsWith(".wh.", StringComparison.Ordinal)) { Whiteout(Path.GetDirectoryName(path)!, parts[^1]); return; }
        var found = new FileInfo(path);
        if ((found.Exists || found.LinkTarget is not null) && entry.EntryType != TarEntryType.Directory) File.Delete(path);
        switch (entry.EntryType)
        {
            case TarEntryType.Directory:
                Directory.CreateDirectory(path);
                File.SetUnixFileMode(path, entry.Mode);
                break;
            case TarEntryType.SymbolicLink: File.CreateSymbolicLink(path, entry.LinkName); break;
            case TarEntryType.HardLink:
                var source = entry.LinkName.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").ToArray();
                if (source.Length == 0 || source.Contains("..")) throw new ImageUnavailableException($"the layer has a link \"{entry.Name}\" that leads out of it");
                File.Copy(Safe(directory, source, entry.Name), path); // a copy: layers are read-only, so it cannot be told from a link
                File.SetUnixFileMode(path, entry.Mode);
                break;
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile:
                await entry.ExtractToFileAsync(path, true, cancellationToken);
                File.SetUnixFileMode(path, entry.Mode);
                break;
        }
    }

    /// <summary>The path of an entry, with its parents made; a parent that is a link is refused, since it could lead out.</summary>
    private static string Safe(string directory, string[] parts, string name)
    {
        var path = directory;
        foreach (var part in parts[..^1])
        {
            path = Path.Combine(path, part);
            if (new DirectoryInfo(path).LinkTarget is { } target) path = Follow(directory, path, target, name);
            Directory.CreateDirectory(path);
        }
        return Path.Combine(path, parts[^1]);
    }

    /// <summary>A link inside the layer, such as <c>bin -> usr/bin</c>, resolved within the layer.</summary>
    private static string Follow(string directory, string link, string target, string name)
    {
        var resolved = Path.GetFullPath(target.StartsWith('/') ? directory + target : Path.Combine(Path.GetDirectoryName(link)!, target));
        return resolved.StartsWith(directory + "/", StringComparison.Ordinal) && new DirectoryInfo(resolved).LinkTarget is null ? resolved : throw new ImageUnavailableException($"the layer's entry \"{name}\" goes through a link that leads out of it");
    }

    private static void Whiteout(string parent, string name)
    {
        if (name == ".wh..wh..opq") HostFiles.SetOpaque(parent);
        else HostFiles.MakeWhiteout(Path.Combine(parent, name[".wh.".Length..]));
    }
}
