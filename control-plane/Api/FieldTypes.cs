using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using k8s.Models;

namespace Eyrie.ControlPlane.Api;

/// <summary>Whether every known field of a document has the JSON type that its schema says. All mistakes at once, each with its path. Pure.</summary>
public static class FieldTypes
{
    public static IReadOnlyList<string> Mistakes(ResourceKind kind, JsonObject document)
    {
        var mistakes = new List<string>();
        if (Schemas.ModelOf(kind) is { } model) Model(model, document, "", mistakes);
        return mistakes;
    }

    private static void Model(Type model, JsonObject document, string path, List<string> mistakes)
    {
        foreach (var (name, value) in document)
            if (value is not null && Schemas.FieldOf(model, name) is { } type) Value(type, value, path.Length == 0 ? name : $"{path}.{name}", mistakes);
    }

    private static void Value(Type type, JsonNode value, string path, List<string> mistakes)
    {
        if (Schemas.IsMap(type))
        {
            if (value is not JsonObject map) { mistakes.Add($"{path} must be a map, not {Word(value)}"); return; }
            foreach (var (key, item) in map)
                if (item is not null) Value(type.GetGenericArguments()[1], item, $"{path}.{key}", mistakes);
        }
        else if (Schemas.ElementOf(type) is { } element)
        {
            if (value is not JsonArray list) { mistakes.Add($"{path} must be a list, not {Word(value)}"); return; }
            for (int i = 0; i < list.Count; i++)
                if (list[i] is { } item) Value(element, item, string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]"), mistakes);
        }
        else if (Schemas.IsModel(type))
        {
            if (value is JsonObject inner) Model(type, inner, path, mistakes);
            else mistakes.Add($"{path} must be an object, not {Word(value)}");
        }
        else if (Wanted(type) is { } wanted && !wanted.Fits(value.GetValueKind(), value)) mistakes.Add($"{path} must be {wanted.Word}, not {Word(value)}{(wanted.Word == "a string" && value is JsonValue ? $": write \"{value}\" in quotes" : "")}");
    }

    /// <summary>A scalar's type in words, and what fits it; null: anything does.</summary>
    private static (string Word, Func<JsonValueKind, JsonNode, bool> Fits)? Wanted(Type type)
    {
        if (type == typeof(string) || type == typeof(DateTime) || type == typeof(byte[])) return ("a string", (kind, _) => kind == JsonValueKind.String);
        if (type == typeof(bool)) return ("true or false", (kind, _) => kind is JsonValueKind.True or JsonValueKind.False);
        if (type == typeof(int) || type == typeof(long)) return ("a whole number", (kind, value) => kind == JsonValueKind.Number && long.TryParse(value.ToString(), CultureInfo.InvariantCulture, out _));
        if (type == typeof(double)) return ("a number", (kind, _) => kind == JsonValueKind.Number);
        if (type == typeof(ResourceQuantity) || type == typeof(IntOrString)) return ("a number or a string", (kind, _) => kind is JsonValueKind.Number or JsonValueKind.String);
        return null;
    }

    private static string Word(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.Object => "an object", JsonValueKind.Array => "a list", JsonValueKind.String => $"the string \"{value}\"", JsonValueKind.Number => $"the number {value}", _ => value.ToString(),
    };
}
