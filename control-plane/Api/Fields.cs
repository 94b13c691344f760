using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Api;

/// <summary>Fields by paths of names with dots between, e.g. <c>spec.replicas</c>. An empty path is nothing.</summary>
public static class Fields
{
    public static JsonNode? At(JsonNode? document, string path)
    {
        if (path.Length == 0) return null;
        foreach (var part in path.Split('.')) document = document is JsonObject map ? map[part] : null;
        return document;
    }

    /// <summary>Sets a field; objects on the way are made.</summary>
    public static void Set(JsonObject document, string path, JsonNode? value)
    {
        var parts = path.Split('.');
        foreach (var part in parts[..^1])
        {
            if (document[part] is not JsonObject inner) document[part] = inner = [];
            document = inner;
        }
        document[parts[^1]] = value;
    }
}
