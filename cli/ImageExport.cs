using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>Writes an image of the cluster's registry as an archive that is an OCI layout and, for one platform, what <c>docker load</c> takes as well. Every blob's digest is checked.</summary>
public static class ImageExport
{
    private const string Accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

    public static async Task RunAsync(Cluster cluster, string name, string file)
    {
        var (repository, tag) = Images.Split(name);
        var folder = Directory.CreateTempSubdirectory("eyrie-export-").FullName;
        var made = file + ".new";
        try
        {
            var blobs = Directory.CreateDirectory(Path.Combine(folder, "blobs/sha256")).FullName;
            var (manifest, type) = await ManifestAsync(cluster, repository, tag, name);
            var digest = await BlobsAsync(cluster, repository, manifest, blobs);
            var descriptor = new JsonObject { ["mediaType"] = type, ["digest"] = digest, ["size"] = manifest.Length, ["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = tag } };
            await File.WriteAllTextAsync(Path.Combine(folder, "oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
            await File.WriteAllTextAsync(Path.Combine(folder, "index.json"), new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray(descriptor) }.ToJsonString());
            if (JsonNode.Parse(manifest)!["layers"] is JsonArray layers)
                await File.WriteAllTextAsync(Path.Combine(folder, "manifest.json"), new JsonArray(new JsonObject
                {
                    ["Config"] = Place(JsonNode.Parse(manifest)!["config"]!["digest"]!.ToString()), ["RepoTags"] = new JsonArray($"{repository}:{tag}"), ["Layers"] = new JsonArray([.. layers.Select(layer => (JsonNode)Place(layer!["digest"]!.ToString()))]),
                }).ToJsonString());
            await TarFile.CreateFromDirectoryAsync(folder, made, includeBaseDirectory: false);
            File.Move(made, file, true);
        }
        finally
        {
            Directory.Delete(folder, true);
            File.Delete(made);
        }
    }

    private static string Place(string digest) => "blobs/" + digest.Replace(':', '/');

    private static async Task<(byte[] Manifest, string Type)> ManifestAsync(Cluster cluster, string repository, string reference, string name)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v2/{repository}/manifests/{reference}");
        request.Headers.TryAddWithoutValidation("Accept", Accepted);
        using var response = await cluster.Http.SendAsync(request);
        if (response.StatusCode == System.Net.HttpStatusCode.NotFound) throw new Failure($"image {name} is not in the cluster's registry; eyrie image list says what is");
        if (!response.IsSuccessStatusCode) throw new Failure($"image {name}: the registry answered {(int)response.StatusCode}");
        return (await response.Content.ReadAsByteArrayAsync(), response.Content.Headers.ContentType?.MediaType ?? ImageArchive.ManifestType);
    }

    /// <summary>A manifest or an index with everything that it names.</summary>
    /// <returns>Its own digest.</returns>
    private static async Task<string> BlobsAsync(Cluster cluster, string repository, byte[] manifest, string blobs)
    {
        var own = Convert.ToHexStringLower(SHA256.HashData(manifest));
        await File.WriteAllBytesAsync(Path.Combine(blobs, own), manifest);
        var document = JsonNode.Parse(manifest)!;
        foreach (var platform in document["manifests"] as JsonArray ?? [])
        {
            var digest = platform!["digest"]!.ToString();
            var (bytes, _) = await ManifestAsync(cluster, repository, digest, $"{repository}@{digest}");
            if (await BlobsAsync(cluster, repository, bytes, blobs) != digest) throw new Failure($"{repository}@{digest}: the registry gave something of another digest");
        }
        foreach (var blob in (document["layers"] as JsonArray ?? []).Append(document["config"]).OfType<JsonObject>()) await BlobAsync(cluster, repository, blob["digest"]!.ToString(), blobs);
        return "sha256:" + own;
    }

    private static async Task BlobAsync(Cluster cluster, string repository, string digest, string blobs)
    {
        var file = Path.Combine(blobs, digest["sha256:".Length..]);
        if (File.Exists(file)) return;
        using (var response = await cluster.Http.GetAsync($"/v2/{repository}/blobs/{digest}", HttpCompletionOption.ResponseHeadersRead))
        {
            if (!response.IsSuccessStatusCode) throw new Failure($"{repository}: blob {digest}: the registry answered {(int)response.StatusCode}");
            await using var written = File.Create(file);
            await response.Content.CopyToAsync(written);
        }
        await using var read = File.OpenRead(file);
        if ("sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(read)) != digest) throw new Failure($"{repository}: blob {digest} has another digest: the registry's copy is damaged; import the image again");
    }
}
