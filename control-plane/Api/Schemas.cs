using System.Collections;
using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Eyrie.ControlPlane.Resources;
using k8s.Models;

namespace Eyrie.ControlPlane.Api;

/// <summary>
/// OpenAPI schemas generated from the models package by reflection, with what Eyrie adds (a container's <c>permissions</c>) and the merge keys of strategic merge
/// patches. The same schemas answer which fields are known.
/// </summary>
public static class Schemas
{
    private static readonly Dictionary<string, Type> Models = typeof(V1Pod).Assembly.GetTypes()
        .Where(type => type.IsClass && type.Namespace == typeof(V1Pod).Namespace)
        .GroupBy(type => type.Name).ToDictionary(group => group.Key, group => group.First());

    /// <summary>Field name and owning type to merge key; as the Kubernetes API types declare (patchMergeKey).</summary>
    private static readonly Dictionary<(string Type, string Field), string> MergeKeys = new()
    {
        [("V1PodSpec", "containers")] = "name", [("V1PodSpec", "initContainers")] = "name", [("V1PodSpec", "ephemeralContainers")] = "name", [("V1PodSpec", "volumes")] = "name",
        [("V1PodSpec", "imagePullSecrets")] = "name", [("V1PodSpec", "hostAliases")] = "ip", [("V1PodSpec", "topologySpreadConstraints")] = "topologyKey",
        [("V1Container", "ports")] = "containerPort", [("V1Container", "env")] = "name", [("V1Container", "volumeMounts")] = "mountPath", [("V1Container", "volumeDevices")] = "devicePath",
        [("V1ServiceSpec", "ports")] = "port", [("V1ObjectMeta", "ownerReferences")] = "uid", [("V1ServiceAccount", "secrets")] = "name",
        [("V1PodStatus", "conditions")] = "type", [("V1DeploymentStatus", "conditions")] = "type", [("V1ReplicaSetStatus", "conditions")] = "type", [("V1NodeStatus", "conditions")] = "type",
        [("V1NodeStatus", "addresses")] = "type", [("V1PodStatus", "podIPs")] = "ip", [("V1ServiceStatus", "conditions")] = "type", [("V1NamespaceStatus", "conditions")] = "type",
    };

    public static Type? ModelOf(ResourceKind kind) =>
        Models.GetValueOrDefault(kind.Model ?? "V1" + kind.Kind);

    /// <summary>The type a field of a model has, by its JSON name; null when there is no such field.</summary>
    public static Type? FieldOf(Type model, string name) => Fields(model).GetValueOrDefault(name);

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<Type, Dictionary<string, Type>> FieldCache = new();

    private static Dictionary<string, Type> Fields(Type model) => FieldCache.GetOrAdd(model, type =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Select(property => (property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name, property.PropertyType))
            .Where(field => field.Name is not null).ToDictionary(field => field.Name!, field => Nullable.GetUnderlyingType(field.PropertyType) ?? field.PropertyType));

    public static string? MergeKey(Type? model, string field) => model is null ? null : MergeKeys.GetValueOrDefault((model.Name, field));

    public static bool IsModel(Type type) => type.IsClass && type.Namespace == typeof(V1Pod).Namespace && type != typeof(ResourceQuantity) && type != typeof(IntOrString) && Fields(type).Count > 0;

    public static Type? ElementOf(Type type) => type != typeof(string) && type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type) && !IsMap(type) ? type.GetGenericArguments()[0] : null;

    public static bool IsMap(Type type) => type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(IDictionary<,>) || type.GetGenericTypeDefinition() == typeof(Dictionary<,>));

    public static string Name(Type type) => type.Name.StartsWith("V1", StringComparison.Ordinal) ? $"io.k8s.api.{type.Name}" : $"io.k8s.{type.Name}";

    /// <summary>components.schemas for some kinds and everything they refer to.</summary>
    public static JsonObject For(IEnumerable<ResourceKind> kinds)
    {
        var schemas = new JsonObject();
        foreach (var kind in kinds)
            if (ModelOf(kind) is { } model)
            {
                Add(schemas, model);
                schemas[Name(model)]!["x-kubernetes-group-version-kind"] = new JsonArray(GroupVersionKind(kind));
            }
        return schemas;
    }

    public static JsonObject GroupVersionKind(ResourceKind kind) => new() { ["group"] = kind.Group, ["version"] = kind.Version, ["kind"] = kind.Kind };

    private static void Add(JsonObject schemas, Type model)
    {
        if (schemas.ContainsKey(Name(model))) return;
        var properties = new JsonObject();
        schemas[Name(model)] = new JsonObject { ["type"] = "object", ["description"] = model.Name[2..], ["properties"] = properties };
        foreach (var (name, type) in Fields(model))
        {
            var schema = Of(schemas, type);
            if (MergeKey(model, name) is { } key) { schema["x-kubernetes-patch-merge-key"] = key; schema["x-kubernetes-patch-strategy"] = "merge"; }
            properties[name] = schema;
        }
        if (model == typeof(V1Container)) properties["permissions"] = PermissionSchema.Document();
    }

    private static JsonObject Of(JsonObject schemas, Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string) || type == typeof(byte[]) || type == typeof(DateTime)) return new JsonObject { ["type"] = "string" };
        if (type == typeof(bool)) return new JsonObject { ["type"] = "boolean" };
        if (type == typeof(int) || type == typeof(long)) return new JsonObject { ["type"] = "integer" };
        if (type == typeof(double)) return new JsonObject { ["type"] = "number" };
        if (type == typeof(ResourceQuantity)) return new JsonObject { ["type"] = "string" };
        if (type == typeof(IntOrString)) return new JsonObject { ["x-kubernetes-int-or-string"] = true };
        if (IsMap(type)) return new JsonObject { ["type"] = "object", ["additionalProperties"] = Of(schemas, type.GetGenericArguments()[1]) };
        if (ElementOf(type) is { } element) return new JsonObject { ["type"] = "array", ["items"] = Of(schemas, element) };
        if (!IsModel(type)) return new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true };
        Add(schemas, type);
        return new JsonObject { ["allOf"] = new JsonArray(new JsonObject { ["$ref"] = "#/components/schemas/" + Name(type) }) };
    }
}

/// <summary>The schema of a container's <c>permissions</c> (DESIGN section 4): a known field to every client.</summary>
public static class PermissionSchema
{
    private static JsonObject Text(string description) => new() { ["type"] = "string", ["description"] = description };

    public static JsonObject Document() => new()
    {
        ["type"] = "object",
        ["description"] = "What the container may do beyond what its other fields already declare. Everything else is denied.",
        ["properties"] = new JsonObject
        {
            ["connect"] = new JsonObject
            {
                ["type"] = "array", ["description"] = "Peers the container may connect to.", ["x-kubernetes-list-type"] = "atomic",
                ["items"] = new JsonObject
                {
                    ["type"] = "object",
                    ["properties"] = new JsonObject
                    {
                        ["service"] = Text("NAME or NAMESPACE/NAME of a Service."), ["cidr"] = Text("IPv4 network, e.g. 10.20.0.0/16."),
                        ["port"] = new JsonObject { ["x-kubernetes-int-or-string"] = true, ["description"] = "Port, 1 to 65535." },
                        ["ports"] = new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["x-kubernetes-int-or-string"] = true }, ["description"] = "Ports or ranges such as 8000-8100." },
                    },
                },
            },
            ["files"] = new JsonObject
            {
                ["type"] = "array", ["description"] = "Paths of the container's own root.", ["x-kubernetes-list-type"] = "atomic",
                ["items"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["path"] = Text("Absolute path."), ["access"] = Text("read or write.") } },
            },
            ["processes"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["max"] = new JsonObject { ["type"] = "integer", ["description"] = "Most processes at once." } } },
            ["clock"] = Text("read or none."),
        },
    };
}
