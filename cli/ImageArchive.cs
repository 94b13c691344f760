using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>An image in a directory: its manifest as it goes to the registry, and where each blob's bytes are.</summary>
public sealed record PackedImage(byte[] Manifest, string MediaType, IReadOnlyDictionary<string, string> Blobs);

/// <summary>Reads images that other tools wrote: an OCI layout (image-spec, image-layout.md) or what <c>docker save</c> makes; each as a directory or a tar of it.</summary>
public static class ImageArchive
{
    public const string ManifestType = "application/vnd.oci.image.manifest.v1+json", ConfigType = "application/vnd.oci.image.config.v1+json", LayerType = "application/vnd.oci.image.layer.v1.tar";

    public static bool IsOne(string directory) => File.Exists(Path.Combine(directory, "oci-layout")) || File.Exists(Path.Combine(directory, "manifest.json"));

    /// <summary>Unpacks a tar (gzip or not) into a directory.</summary>
    /// <exception cref="Failure">The file is no tar.</exception>
    public static async Task ExtractAsync(string file, string directory)
    {
        try
        {
            await using var raw = File.OpenRead(file);
            bool zipped = raw.ReadByte() == 0x1f && raw.ReadByte() == 0x8b;
            raw.Position = 0;
            await using Stream content = zipped ? new System.IO.Compression.GZipStream(raw, System.IO.Compression.CompressionMode.Decompress) : raw;
            await TarFile.ExtractToDirectoryAsync(content, directory, overwriteFiles: false);
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException or FormatException)
        {
            throw new Failure($"{file} is no image archive: {exception.Message}");
        }
    }

    /// <exception cref="Failure">It is neither, or a part is missing or has another digest than its name says.</exception>
    public static PackedImage Read(string directory)
    {
        try
        {
            return File.Exists(Path.Combine(directory, "oci-layout")) ? Layout(directory) : Docker(directory);
        }
        catch (Exception exception) when (exception is System.Text.Json.JsonException or InvalidOperationException or FileNotFoundException or DirectoryNotFoundException or NullReferenceException)
        {
            throw new Failure($"{directory}: the image is damaged: {exception.Message}");
        }
    }

    private static PackedImage Layout(string directory)
    {
        var document = JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "index.json")))!;
        byte[] content = [];
        while (document["manifests"] is JsonArray manifests)
        {
            var chosen = manifests.FirstOrDefault(entry => entry?["platform"] is not JsonObject platform || (platform["os"]?.ToString() == "linux" && platform["architecture"]?.ToString() == "amd64"))
                ?? throw new Failure($"{directory}: there is no image for linux/amd64 in it");
            content = File.ReadAllBytes(Blob(directory, chosen["digest"]!.ToString()));
            document = JsonNode.Parse(content)!;
        }
        var digests = (document["layers"] as JsonArray ?? []).Append(document["config"]).Select(descriptor => descriptor!["digest"]!.ToString()).Distinct();
        return new PackedImage(content, document["mediaType"]?.ToString() ?? ManifestType, digests.ToDictionary(digest => digest, digest => Blob(directory, digest)));
    }

    private static string Blob(string directory, string digest)
    {
        if (!digest.StartsWith("sha256:", StringComparison.Ordinal) || !digest[7..].All(char.IsAsciiHexDigitLower)) throw new Failure($"{directory}: \"{digest}\" is not a sha256 digest");
        var file = Path.Combine(directory, "blobs", "sha256", digest[7..]);
        if (!File.Exists(file)) throw new Failure($"{directory}: blob {digest} is missing");
        return Digest(file) == digest ? file : throw new Failure($"{directory}: blob {digest} has another digest");
    }

    private static PackedImage Docker(string directory)
    {
        var image = JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "manifest.json")))![0]!;
        var blobs = new Dictionary<string, string>();
        JsonObject Descriptor(string type, string name)
        {
            var file = Path.GetFullPath(Path.Combine(directory, name));
            if (!file.StartsWith(Path.GetFullPath(directory) + "/", StringComparison.Ordinal)) throw new Failure($"{directory}: manifest.json names \"{name}\", which leads out of it");
            var digest = Digest(file);
            blobs[digest] = file;
            return new JsonObject { ["mediaType"] = type, ["digest"] = digest, ["size"] = new FileInfo(file).Length };
        }
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2, ["mediaType"] = ManifestType, ["config"] = Descriptor(ConfigType, image["Config"]!.ToString()),
            ["layers"] = new JsonArray([.. image["Layers"]!.AsArray().Select(layer => Descriptor(LayerType, layer!.ToString()))]),
        };
        return new PackedImage(Encoding.UTF8.GetBytes(manifest.ToJsonString()), ManifestType, blobs);
    }

    private static string Digest(string file)
    {
        using var stream = File.OpenRead(file);
        return "sha256:" + Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
