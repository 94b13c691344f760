using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>An unpacked image: its layers lowest first (relative to the node root), and what its config says.</summary>
/// <param name="Name">As whoever pulled it wrote it.</param>
/// <param name="Bytes">Of its layers as they were pulled; 0: not known.</param>
public sealed record Image(string Digest, IReadOnlyList<string> Layers, IReadOnlyList<string> Entrypoint, IReadOnlyList<string> Command, IReadOnlyList<string> Environment, string WorkingDirectory, string User, string Name = "", long Bytes = 0);

/// <summary>The image is not to be had; the message says what to do.</summary>
public class ImageUnavailableException(string message) : Exception(message);

/// <summary>The image is not here and may not be pulled.</summary>
public sealed class ImageNeverPulledException(string image) : ImageUnavailableException($"Container image \"{image}\" is not present with pull policy of Never");

/// <summary>
/// Images from the cluster's registry or any other (OCI distribution): every blob's digest is checked, layers are unpacked once each, under their digest, and appear whole
/// or not at all. Whiteouts become what overlayfs knows. What a name meant when it was pulled is kept beside them.
/// </summary>
public sealed class ImageStore(NodeOptions options, HttpClient cluster, TimeProvider time)
{
    private const string ManifestTypes = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
    private const string AsideMark = ".damaged-";
    private const int LargestDocument = 8 << 20, MostIndexes = 3;
    private const long LargestLayer = 1L << 44; // 16 TiB
    private readonly RegistryConnections _outside = new(options.RegistryAuthorities);

    private readonly ConcurrentDictionary<string, Lazy<Task>> _layers = new();

    /// <param name="name">As the manifest writes it.</param>
    /// <param name="policy">Always, IfNotPresent or Never.</param>
    /// <param name="credentials">Of the pod that wants it.</param>
    /// <param name="tell">Told what happens meanwhile.</param>
    /// <param name="cancellationToken">Nobody waits for it any more.</param>
    public async Task<Image> EnsureAsync(string name, string policy, PullCredentials credentials, Action<StartEvent> tell, CancellationToken cancellationToken)
    {
        if (policy != "Always" && Kept(name) is { } kept)
        {
            tell(new StartEvent("Pulled", $"Container image \"{name}\" already present on machine"));
            return kept;
        }
        if (policy == "Never") throw new ImageNeverPulledException(name);
        var watch = Stopwatch.StartNew();
        tell(new StartEvent("Pulling", $"Pulling image \"{name}\""));
        var reference = ImageReference.Parse(name);
        var registry = Registry(reference, credentials);
        var manifest = await ManifestAsync(registry, name, reference, reference.Reference, 0, cancellationToken);
        var configDigest = Digest(manifest["config"]);
        var config = JsonNode.Parse(await DocumentAsync(registry, reference, $"blobs/{configDigest}", configDigest, cancellationToken))!["config"];
        var layers = (manifest["layers"]?.AsArray() ?? throw new ImageUnavailableException($"image \"{name}\": its manifest lists no layers")).Select(layer => (Digest: Digest(layer), Bytes: Bytes(layer))).ToList();
        await using (new PullProgress(name, () => layers.Select(layer => Pulled(layer.Digest, layer.Bytes)), message => tell(new StartEvent(PullProgress.Reason, message, name))).Begin(time))
        {
            // Twice: one that was there may have been collected meanwhile, with the last image that had it.
            foreach (int layer in Enumerable.Range(0, layers.Count).Concat(Enumerable.Range(0, layers.Count)))
                await LayerAsync(registry, reference, layers[layer].Digest, [.. layers.Take(layer).Select(below => PathOf(Relative(below.Digest)))], cancellationToken);
        }
        IReadOnlyList<string> Strings(string field) => [.. (config?[field] as JsonArray ?? []).Select(item => item!.ToString())];
        var image = new Image(configDigest, [.. layers.Select(layer => Relative(layer.Digest))], Strings("Entrypoint"), Strings("Cmd"), Strings("Env"), config?["WorkingDir"]?.ToString() ?? "", config?["User"]?.ToString() ?? "", name, layers.Sum(layer => layer.Bytes));
        Keep(name, image);
        tell(new StartEvent("Pulled", $"Successfully pulled image \"{name}\" in {Wording.Duration(TimeSpan.FromMilliseconds(watch.ElapsedMilliseconds))}. Image size: {image.Bytes} bytes."));
        return image;
    }

    private string Record(string name) => Path.Combine(options.StateDirectory, "images/names", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name))) + ".json");

    /// <summary>What the name meant when it was last pulled, when all of it is still here.</summary>
    private Image? Kept(string name)
    {
        var record = Record(name);
        if (!File.Exists(record)) return null;
        try
        {
            var image = JsonSerializer.Deserialize<Image>(File.ReadAllBytes(record));
            if (image is null || !image.Layers.All(layer => Directory.Exists(Path.Combine(options.StateDirectory, layer)))) return null;
            File.SetLastWriteTimeUtc(record, DateTime.UtcNow); // its last use
            return image;
        }
        catch (Exception exception) when (exception is JsonException or IOException)
        {
            return null; // damaged, or just removed: it is pulled again
        }
    }

    /// <summary>Removes images that no pod wants, the longest unused first, until so many bytes are free or none is left.</summary>
    /// <returns>How many.</returns>
    public int Collect(IEnumerable<string> wanted, long bytes, DateTimeOffset now)
    {
        var images = Records().Select(record => new KeptImage(record.File, record.Image.Layers, File.GetLastWriteTimeUtc(record.File))).ToList();
        var layers = Layers().Select(layer => new DirectoryInfo(PathOf(layer))).Select(layer => new KeptLayer("images/layers/" + layer.Name, Bytes(layer), layer.LastWriteTimeUtc)).ToList();
        var (gone, with) = ImageGarbagePlan.Decide(images, layers, wanted.Select(Record).ToHashSet(), bytes, now);
        foreach (var record in gone) File.Delete(record);
        foreach (var layer in with)
        {
            // Out of the way at one moment: a layer is there whole or not at all.
            var leaving = Path.Combine(options.StateDirectory, layer + ".gone");
            HostFiles.Rename(Path.Combine(options.StateDirectory, layer), leaving);
            Directory.Delete(leaving, true);
            File.Delete(LayerList.FileOf(PathOf(layer)));
        }
        return gone.Count;
    }

    /// <summary>What every name that was pulled means.</summary>
    private IEnumerable<(string File, Image Image)> Records()
    {
        var records = Path.Combine(options.StateDirectory, "images/names");
        foreach (var file in Directory.Exists(records) ? Directory.EnumerateFiles(records, "*.json") : [])
        {
            Image? image = null;
            try
            {
                image = JsonSerializer.Deserialize<Image>(File.ReadAllBytes(file));
            }
            catch (Exception exception) when (exception is JsonException or IOException)
            {
                // It has no layers that anybody could find by it.
            }
            if (image is not null) yield return (file, image);
        }
    }

    /// <summary>The images that are here, largest first.</summary>
    public IReadOnlyList<Image> Images() => [.. Records().Select(record => record.Image).Where(image => image.Name.Length > 0 && image.Layers.All(layer => Directory.Exists(PathOf(layer)))).OrderByDescending(image => image.Bytes).ThenBy(image => image.Name, StringComparer.Ordinal)];

    /// <summary>Every unpacked layer, relative to the node root.</summary>
    public IReadOnlyList<string> Layers() => [.. new DirectoryInfo(PathOf("images/layers")).EnumerateDirectories("sha256-*").Where(layer => !layer.Name.Contains('.', StringComparison.Ordinal)).Select(layer => "images/layers/" + layer.Name)];

    public string PathOf(string layer) => Path.Combine(options.StateDirectory, layer);

    /// <summary>Directories of layers that were put aside.</summary>
    public IReadOnlyList<string> Aside() => [.. Directory.EnumerateDirectories(PathOf("images/layers"), "sha256-*" + AsideMark + "*")];

    /// <summary>The layer that a directory was put aside from.</summary>
    public static string LayerOf(string aside) => "images/layers/" + Path.GetFileName(aside).Split('.')[0];

    /// <summary>Takes a layer out of use: who runs on it keeps it, who starts is given another.</summary>
    /// <returns>Its directory from now on.</returns>
    public string PutAside(string layer)
    {
        var aside = $"{PathOf(layer)}{AsideMark}{Guid.NewGuid():N}";
        HostFiles.Rename(PathOf(layer), aside);
        File.Delete(LayerList.FileOf(PathOf(layer)));
        return aside;
    }

    /// <summary>Pulls a layer that was put aside, for an image that has it; without the credentials of a pod.</summary>
    /// <returns>Whether nothing is left to do, and what was done or is the matter.</returns>
    public async Task<(bool Done, string How)> RestoreAsync(string layer, CancellationToken cancellationToken)
    {
        if (Directory.Exists(PathOf(layer))) return (true, "it was pulled anew");
        var images = Records().Select(record => record.Image).Where(image => image.Layers.Contains(layer) && image.Name.Length > 0).ToList();
        if (images.Count == 0) return (true, "it is pulled anew when an image needs it");
        var why = "";
        foreach (var image in images)
            try
            {
                var reference = ImageReference.Parse(image.Name);
                await LayerAsync(Registry(reference, PullCredentials.None), reference, Path.GetFileName(layer).Replace('-', ':'), [.. image.Layers.TakeWhile(below => below != layer).Select(PathOf)], cancellationToken);
                return (true, "it was pulled anew");
            }
            catch (Exception exception) when (exception is ImageUnavailableException or HttpRequestException or IOException)
            {
                why = exception.Message;
            }
        return (false, $"it cannot be pulled yet: {why}");
    }

    private static long Bytes(DirectoryInfo layer) => layer.EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint }).Sum(file => file.Length);

    private void Keep(string name, Image image)
    {
        var record = Record(name);
        Directory.CreateDirectory(Path.GetDirectoryName(record)!);
        var made = $"{record}.{Guid.NewGuid():N}";
        File.WriteAllBytes(made, JsonSerializer.SerializeToUtf8Bytes(image));
        File.Move(made, record, true);
    }

    private RegistryClient Registry(ImageReference reference, PullCredentials credentials)
    {
        if (reference.Registry.Length == 0) return new RegistryClient(cluster, options.Server, null);
        bool plain = options.InsecureRegistries.Contains(reference.Registry) || reference.Registry.Split(':')[0] is "localhost" or "127.0.0.1";
        return Uri.TryCreate($"{(plain ? "http" : "https")}://{reference.Registry}/", UriKind.Absolute, out var root)
            ? new RegistryClient(_outside.To(reference.Registry), root, credentials.For(reference.Registry, reference.Repository)) : throw new ImageUnavailableException($"\"{reference.Registry}\" is not a registry's host and port");
    }

    private static string Digest(JsonNode? descriptor) => descriptor?["digest"]?.ToString() is { } digest && digest.StartsWith("sha256:", StringComparison.Ordinal) && digest.Length == 71 && digest[7..].All(char.IsAsciiHexDigitLower)
        ? digest : throw new ImageUnavailableException("the image's manifest has no valid digest");

    /// <summary>Of a layer, packed; 0: the manifest does not say.</summary>
    private static long Bytes(JsonNode? descriptor) => descriptor?["size"] is not { } size ? 0
        : size is JsonValue value && value.TryGetValue(out long bytes) && bytes is >= 0 and <= LargestLayer ? bytes : throw new ImageUnavailableException($"the image's manifest says that a layer has {size.ToJsonString()} bytes");

    /// <summary>How far a layer is.</summary>
    private PulledLayer Pulled(string digest, long bytes)
    {
        var target = PathOf(Relative(digest));
        var blob = new FileInfo(target + ".blob");
        long here = blob.Exists ? blob.Length : 0; // it goes when the directory is there, and not before
        return new PulledLayer(bytes, here, Directory.Exists(target));
    }

    private static string DigestOf(ReadOnlySpan<byte> bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    private async Task<JsonNode> ManifestAsync(RegistryClient registry, string image, ImageReference reference, string wanted, int depth, CancellationToken cancellationToken)
    {
        var bytes = await DocumentAsync(registry, reference, $"manifests/{wanted}", wanted.StartsWith("sha256:", StringComparison.Ordinal) ? wanted : null, cancellationToken);
        var manifest = JsonNode.Parse(bytes)!;
        if (manifest["manifests"] is not JsonArray platforms) return manifest;
        if (depth == MostIndexes) throw new ImageUnavailableException($"image \"{image}\": its index leads to index after index");
        var ours = platforms.FirstOrDefault(entry => entry?["platform"]?["os"]?.ToString() == "linux" && entry["platform"]?["architecture"]?.ToString() == "amd64")
            ?? throw new ImageUnavailableException($"image \"{image}\" has no variant for linux/amd64");
        return await ManifestAsync(registry, image, reference, Digest(ours), depth + 1, cancellationToken);
    }

    private static async Task<byte[]> DocumentAsync(RegistryClient registry, ImageReference reference, string path, string? digest, CancellationToken cancellationToken)
    {
        using var response = await AnswerAsync(registry, reference, path, cancellationToken);
        await using var content = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var kept = new MemoryStream();
        var buffer = new byte[1 << 14];
        for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0; kept.Write(buffer, 0, read))
            if (kept.Length + read > LargestDocument) throw new ImageUnavailableException($"{reference.Repository}: {path} has more than {LargestDocument >> 20} MiB");
        var bytes = kept.ToArray();
        return digest is null || DigestOf(bytes) == digest ? bytes : throw new ImageUnavailableException($"{reference.Repository}: {path} has another digest, {DigestOf(bytes)}");
    }

    private static async Task<HttpResponseMessage> AnswerAsync(RegistryClient registry, ImageReference reference, string path, CancellationToken cancellationToken)
    {
        try
        {
            var response = await registry.GetAsync(reference.Repository, path, path.StartsWith("manifests/", StringComparison.Ordinal) ? ManifestTypes : null, 0, new RegistryTries(), cancellationToken);
            if (response.IsSuccessStatusCode) return response;
            using (response) throw Refused(reference, response.StatusCode);
        }
        catch (HttpRequestException exception) when (reference.Registry.Length > 0 && exception.HttpRequestError == HttpRequestError.SecureConnectionError)
        {
            throw new ImageUnavailableException($"{reference.Registry}: no TLS with the registry ({(exception.InnerException ?? exception).Message}); when its authority is its own, start eyrie-node with --registry-authority {reference.Registry}=FILE, and when it has no TLS, with --insecure-registry {reference.Registry}");
        }
    }

    private static ImageUnavailableException Refused(ImageReference reference, HttpStatusCode code)
    {
        var name = $"{(reference.Registry.Length > 0 ? reference.Registry + "/" : "")}{reference.Repository}{(reference.IsDigest ? "@" : ":")}{reference.Reference}";
        return new ImageUnavailableException(code switch
        {
            HttpStatusCode.NotFound when reference.Registry.Length == 0 => $"image \"{name}\" is not in the cluster's registry; import it with: eyrie image import {name} FOLDER",
            HttpStatusCode.NotFound => $"image \"{name}\" is not in its registry; check its name and tag",
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => $"image \"{name}\": the registry refuses ({(int)code}); check the name and password in the pod's imagePullSecrets for {reference.Registry}",
            HttpStatusCode.TooManyRequests => $"image \"{name}\": the registry asks for patience (429); it is tried again later",
            _ => $"image \"{name}\": the registry answered {(int)code}",
        });
    }

    private static string Relative(string digest) => "images/layers/" + digest.Replace(':', '-');

    /// <summary>The layer is here when this completes; whoever else wants it waits for the same work.</summary>
    /// <param name="beneath">Directories of the layers below it in the image that is pulled, lowest first.</param>
    private async Task LayerAsync(RegistryClient registry, ImageReference reference, string digest, IReadOnlyList<string> beneath, CancellationToken cancellationToken)
    {
        var work = _layers.GetOrAdd(digest, _ => new Lazy<Task>(() => UnpackAsync(registry, reference, digest, beneath, CancellationToken.None)));
        try
        {
            await work.Value.WaitAsync(cancellationToken);
        }
        finally
        {
            if (work.Value.IsCompleted) _layers.TryRemove(KeyValuePair.Create(digest, work)); // what failed is tried anew, what is there is found there
        }
    }

    private async Task UnpackAsync(RegistryClient registry, ImageReference reference, string digest, IReadOnlyList<string> beneath, CancellationToken cancellationToken)
    {
        var target = PathOf(Relative(digest));
        if (Directory.Exists(target))
        {
            Directory.SetLastWriteTimeUtc(target, DateTime.UtcNow); // another image wants it
            return;
        }
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var making = target + ".new";
        if (Directory.Exists(making)) Directory.Delete(making, true);
        Directory.CreateDirectory(making);
        var file = target + ".blob";
        await DownloadAsync(registry, reference, digest, file, cancellationToken);
        await using (var blob = File.OpenRead(file)) await new LayerArchive(making, beneath).UnpackAsync(blob, cancellationToken);
        await LayerList.WriteAsync(making, target, cancellationToken);
        Directory.Move(making, target);
        File.Delete(file);
    }

    /// <summary>Goes on where a cut connection left off; what is complete and has another digest is thrown away.</summary>
    private static async Task DownloadAsync(RegistryClient registry, ImageReference reference, string digest, string file, CancellationToken cancellationToken)
    {
        var tries = new RegistryTries();
        while (true)
            try
            {
                await PartAsync(registry, reference, digest, file, tries, cancellationToken);
                break;
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException && ++tries.Failed < RegistryRetry.Tries)
            {
                await Task.Delay(RegistryRetry.Pause(tries.Failed), cancellationToken);
            }
        await using var read = File.OpenRead(file);
        var found = "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(read, cancellationToken));
        if (found == digest) return;
        File.Delete(file);
        throw new ImageUnavailableException($"layer {digest} of {reference.Repository} has another digest, {found}");
    }

    private static async Task PartAsync(RegistryClient registry, ImageReference reference, string digest, string file, RegistryTries tries, CancellationToken cancellationToken)
    {
        long have = File.Exists(file) ? new FileInfo(file).Length : 0;
        using var response = await registry.GetAsync(reference.Repository, $"blobs/{digest}", null, have, tries, cancellationToken);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable) return; // all of it is here
        if (!response.IsSuccessStatusCode) throw Refused(reference, response.StatusCode);
        await using var content = await response.Content.ReadAsStreamAsync(cancellationToken);
        await using var written = new FileStream(file, response.StatusCode == HttpStatusCode.PartialContent ? FileMode.Append : FileMode.Create);
        await content.CopyToAsync(written, cancellationToken);
    }
}
