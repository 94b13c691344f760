using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>The ConfigMaps and Secrets that a pod names, as bytes by key, and the volumes of its claims. What does not exist is null.</summary>
public sealed class PodObjects
{
    private readonly Dictionary<(string Kind, string Name), IReadOnlyDictionary<string, byte[]>> _objects = [];
    private readonly Dictionary<string, string> _types = [], _volumes = [];

    public PodObjects(IEnumerable<ReferencedObject> objects)
    {
        foreach (var found in objects)
        {
            var document = JsonNode.Parse(found.Json)!;
            if (found.Kind == "PersistentVolumeClaim")
            {
                if (document["volumeName"]?.ToString() is { Length: > 0 } volume) _volumes[found.Name] = volume;
                continue;
            }
            bool secret = found.Kind == "Secret";
            var data = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
            foreach (var (key, value) in document["data"] as JsonObject ?? []) data[key] = secret ? Convert.FromBase64String(value!.ToString()) : Encoding.UTF8.GetBytes(value!.ToString());
            foreach (var (key, value) in document["binaryData"] as JsonObject ?? []) data[key] = Convert.FromBase64String(value!.ToString());
            _objects[(found.Kind, found.Name)] = data;
            if (secret) _types[found.Name] = document["type"]?.ToString() ?? "Opaque";
        }
    }

    public IReadOnlyDictionary<string, byte[]>? Find(string kind, string name) => _objects.GetValueOrDefault((kind, name));

    /// <summary>The volume that a claim is bound to; null: none, or there is no such claim.</summary>
    public string? VolumeOf(string claim) => _volumes.GetValueOrDefault(claim);

    public string TypeOf(string secret) => _types.GetValueOrDefault(secret, "");
}

/// <summary>What a pod can be told about itself (downward API): names, labels, addresses, resources. Pure.</summary>
public sealed record PodFacts(JsonObject Pod, string Uid, string Address, string HostAddress, string Node, long NodeCpuMilli, long NodeMemoryBytes, long NodeDiskBytes = 0);
