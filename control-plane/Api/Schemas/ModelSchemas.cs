using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Eyrie.ControlPlane.Resources;
using k8s.Models;

namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>Schemas of the standard kinds, from the models package by reflection, with the merge rules of <see cref="MergeRules"/> and a container's <c>permissions</c>.</summary>
public static partial class ModelSchemas
{
    private static readonly Dictionary<string, Type> Models = typeof(V1Pod).Assembly.GetTypes()
        .Where(type => type.IsClass && type.Namespace == typeof(V1Pod).Namespace)
        .GroupBy(type => type.Name).ToDictionary(group => group.Key, group => group.First());

    /// <summary>Fields of a JSON schema that are a schema or something else; the package does not say.</summary>
    private static readonly Dictionary<string, JsonValueKind[]> Alternatives = new() { ["items"] = [JsonValueKind.Array], ["additionalItems"] = [JsonValueKind.True, JsonValueKind.False], ["additionalProperties"] = [JsonValueKind.True, JsonValueKind.False] };

    private static readonly ConcurrentDictionary<Type, Schema> Made = new();

    /// <summary>null: the package has no such kind.</summary>
    public static Schema? Of(ResourceKind kind) => kind == Kinds.PermissionSet ? PermissionSchema.Set : kind == Kinds.PermissionRecord ? PermissionSchema.Record : Of(kind.Model ?? "V1" + kind.Kind);

    /// <summary>By the name of the class, e.g. <c>V1DeleteOptions</c>.</summary>
    public static Schema? Of(string model) => Models.TryGetValue(model, out var type) ? Of(type) : null;

    private static Schema Of(Type model) => Made.GetOrAdd(model, type =>
    {
        var (group, version, kind) = Parts(type);
        return MergeRules.Apply(kind, new Schema
        {
            Type = "object", TypeDescribed = type.Name, Name = string.Join('.', new[] { "io.k8s", group, version, kind }.Where(part => part.Length > 0)), LazyProperties = new(() => Properties(type, kind)),
        });
    });

    /// <summary><c>V1PodSpec</c> is v1, PodSpec; <c>Corev1Event</c> is core, v1, Event.</summary>
    private static (string Group, string Version, string Kind) Parts(Type type)
    {
        var match = ModelName().Match(type.Name);
        return match.Success ? (match.Groups[1].Value.ToLowerInvariant(), match.Groups[2].Value.ToLowerInvariant(), match.Groups[3].Value) : ("", "", type.Name);
    }

    private static Dictionary<string, Schema> Properties(Type model, string kind)
    {
        var properties = model.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Select(property => (property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name, Property: property)).Where(field => field.Name is not null)
            .ToDictionary(field => field.Name!, field => MergeRules.Apply($"{kind}.{field.Name}", OfField(field.Property.PropertyType)) with { FieldDescribed = $"{model.Name}.{field.Property.Name}" });
        if (kind is "Container" or "EphemeralContainer") properties["permissions"] = PermissionSchema.Document with { Own = true };
        if (kind == "DeploymentSpec") properties["guard"] = GuardSchema.Spec with { Own = true };
        if (kind == "DeploymentStatus") properties["guard"] = GuardSchema.Status;
        if (kind == "JSONSchemaProps")
            foreach (var (name, others) in Alternatives) properties[name] = Schema.Anything with { Either = new ObjectOr(new(() => Of(model)), others) };
        return properties;
    }

    private static Schema OfField(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string)) return new Schema { Type = "string" };
        if (type == typeof(byte[])) return new Schema { Type = "string", Format = "byte" };
        if (type == typeof(DateTime)) return new Schema { Type = "string", Format = "date-time" };
        if (type == typeof(ResourceQuantity)) return new Schema { Type = "string", Format = "quantity" };
        if (type == typeof(IntOrString)) return new Schema { Type = "string", Format = "int-or-string" };
        if (type == typeof(bool)) return new Schema { Type = "boolean" };
        if (type == typeof(int)) return new Schema { Type = "integer", Format = "int32" };
        if (type == typeof(long)) return new Schema { Type = "integer", Format = "int64" };
        if (type == typeof(double)) return new Schema { Type = "number", Format = "double" };
        if (IsMap(type)) return new Schema { Type = "object", Values = OfField(type.GetGenericArguments()[1]) };
        if (type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type)) return Schema.List(OfField(type.GetGenericArguments()[0]));
        return IsModel(type) ? Of(type) : new Schema { Type = type == typeof(object) ? "" : "object", PreserveUnknown = true };
    }

    private static bool IsMap(Type type) => type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(IDictionary<,>) || type.GetGenericTypeDefinition() == typeof(Dictionary<,>));

    private static bool IsModel(Type type) => type.IsClass && type.Namespace == typeof(V1Pod).Namespace && type.GetProperties().Any(property => property.IsDefined(typeof(JsonPropertyNameAttribute)));

    [GeneratedRegex("^([A-Z][a-z]+)?([Vv][0-9]+(?:alpha[0-9]+|beta[0-9]+)?)([A-Z].*)$")]
    private static partial Regex ModelName();
}
