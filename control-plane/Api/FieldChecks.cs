using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Admission;

namespace Eyrie.ControlPlane.Api;

/// <summary>Mistakes of single fields, in the words of kube-apiserver (apimachinery, validation/field). Pure.</summary>
internal static class FieldChecks
{
    public static FieldError Required(string field, string when = "") => new(field, "Required value" + when, "FieldValueRequired");

    public static FieldError Invalid(string field, JsonNode? value, string why) => new(field, $"Invalid value: {value?.ToJsonString() ?? "null"}: {why}");

    public static FieldError Forbidden(string field, string why) => new(field, "Forbidden: " + why, "FieldValueForbidden");

    /// <summary>The objects of a list, whatever else is in it.</summary>
    public static List<JsonObject> Items(JsonNode? list) => (list as JsonArray)?.OfType<JsonObject>().ToList() ?? [];

    public static void NotNegative(JsonObject spec, string path, List<FieldError> errors, params string[] names)
    {
        foreach (var name in names)
            if (spec[name] is JsonValue value && value.TryGetValue(out long number) && number < 0) errors.Add(Invalid(path + name, value, "must be greater than or equal to 0"));
    }

    /// <summary>A field that may be absent is one of these words.</summary>
    public static void OneOf(JsonObject spec, string path, string name, List<FieldError> errors, params string[] words)
    {
        if (spec[name] is { } value && !words.Contains(value.ToString()))
            errors.Add(new FieldError(path + name, $"Unsupported value: {value.ToJsonString()}: supported values: {string.Join(", ", words.Select(word => $"\"{word}\""))}", "FieldValueNotSupported"));
    }

    /// <summary>A field that may be absent is a number or a percentage, neither negative.</summary>
    /// <param name="whole">No more than all of them.</param>
    /// <returns>It is nothing: 0 or 0%; false also where it is absent or wrong.</returns>
    public static bool IsNone(JsonObject spec, string path, string name, List<FieldError> errors, bool whole = false)
    {
        if (spec[name] is not { } value) return false;
        var text = value.ToString();
        bool share = text.EndsWith('%');
        if (value is not JsonValue number || (!share && !number.TryGetValue(out int _)) || !int.TryParse(share ? text[..^1] : text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int amount))
        {
            errors.Add(Invalid(path + name, value, "must be a number or a percentage (e.g. '1%' or '93%')"));
            return false;
        }
        if (amount < 0) errors.Add(Invalid(path + name, value, "must be greater than or equal to 0"));
        else if (whole && share && amount > 100) errors.Add(Invalid(path + name, value, "must not be greater than 100%"));
        return amount == 0;
    }

    /// <summary>A field that may be absent is a number of this range.</summary>
    public static void Between(JsonObject spec, string path, string name, int least, int most, List<FieldError> errors)
    {
        if (spec[name] is not { } value) return;
        if (value.Int(int.MinValue) < least) errors.Add(Invalid(path + name, value, least == 1 ? "must be greater than 0" : $"must be greater than or equal to {least}"));
        else if (value.Int() > most) errors.Add(Invalid(path + name, value, $"must be less than or equal to {most}"));
    }

    /// <summary>A field that may be absent is an amount above nothing.</summary>
    public static void Positive(JsonObject spec, string path, string name, List<FieldError> errors)
    {
        if (spec[name] is { } value && Quantities.Parse(value) is not > 0) errors.Add(Invalid(path + name, value, "must be positive"));
    }
}
