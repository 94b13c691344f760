using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Whether a CustomResourceDefinition can be served; finds every mistake. Pure.</summary>
public static partial class DefinitionCheck
{
    private const string Approved = "api-approved.kubernetes.io";
    private static readonly string[] ColumnTypes = ["boolean", "date", "integer", "number", "string"];

    /// <param name="definition">Defaulted.</param>
    /// <param name="stored">What it replaces; null: nothing.</param>
    public static IReadOnlyList<FieldError> Check(JsonObject definition, JsonObject? stored)
    {
        var errors = new List<FieldError>();
        if (definition["spec"] is not JsonObject spec) return [Required("spec")];
        var names = spec["names"] as JsonObject ?? [];
        var (group, plural, scope) = (spec.Text("group") ?? "", names.Text("plural") ?? "", spec.Text("scope") ?? "");
        if (definition.Metadata().Text("name") != $"{plural}.{group}") errors.Add(new FieldError("metadata.name", $"Invalid value: \"{definition.Metadata().Text("name")}\": must be spec.names.plural+\".\"+spec.group"));
        if (group.Length == 0) errors.Add(Required("spec.group"));
        else if (!Subdomain().IsMatch(group) || !group.Contains('.', StringComparison.Ordinal)) errors.Add(new FieldError("spec.group", $"Invalid value: \"{group}\": should be a domain with at least one dot"));
        if ((group.EndsWith(".k8s.io", StringComparison.Ordinal) || group.EndsWith(".kubernetes.io", StringComparison.Ordinal)) && string.IsNullOrEmpty(definition.Metadata()["annotations"]?[Approved]?.ToString()))
            errors.Add(new FieldError($"metadata.annotations[{Approved}]", "Required value: protected groups must have approval annotation", "FieldValueRequired"));
        if (scope is not ("Cluster" or "Namespaced")) errors.Add(scope.Length == 0 ? Required("spec.scope") : Unsupported("spec.scope", scope, "Cluster", "Namespaced"));
        Names(names, errors);
        if (Fields.At(spec, "conversion.strategy")?.ToString() is { } strategy and not "None") errors.Add(new FieldError("spec.conversion.strategy", $"Unsupported value: \"{strategy}\": supported values: \"None\": versions are not converted by webhooks here", "FieldValueNotSupported"));
        if (Definition.Truth(spec, "preserveUnknownFields")) errors.Add(new FieldError("spec.preserveUnknownFields", "Invalid value: true: must be false: set x-kubernetes-preserve-unknown-fields in the schema instead"));
        Versions(definition, stored is null ? [] : Texts(stored), errors);
        if (stored is not null) Unchanged(definition, stored, errors);
        return errors;
    }

    /// <summary>Where the schemas carry rules that are kept and not looked at, because a definition that was stored had them.</summary>
    public static IEnumerable<string> Unenforced(JsonObject definition)
    {
        int index = 0;
        foreach (var version in Definition.Versions(definition))
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"spec.versions[{index++}].schema.openAPIV3Schema");
            if (Fields.At(version, "schema.openAPIV3Schema") is not JsonObject schema) continue;
            foreach (var (rule, path, _) in Rules(SchemaReader.Root(schema), at, true))
                if (rule.NotEnforced is { } why) yield return $"{path}: {why}";
        }
    }

    /// <summary>The expressions of every rule.</summary>
    private static HashSet<string> Texts(JsonObject definition) =>
        [.. Definition.Versions(definition).Select(version => Fields.At(version, "schema.openAPIV3Schema")).OfType<JsonObject>().Where(schema => StructuralSchema.Check(schema, "").Count == 0).SelectMany(schema => Rules(SchemaReader.Root(schema), "", true)).Select(found => found.Rule.Rule)];

    /// <summary>Every rule with its place, and whether what was there before can be told for each value that it is about.</summary>
    private static IEnumerable<(ValidationRule Rule, string Path, bool Correlated)> Rules(Schema schema, string path, bool correlated)
    {
        if (schema.Rules is not { } rules) yield break;
        for (int i = 0; i < rules.Validations.Count; i++) yield return (rules.Validations[i], string.Create(CultureInfo.InvariantCulture, $"{path}.x-kubernetes-validations[{i}]"), correlated);
        var inner = schema.Properties.Select(pair => (Schema: pair.Value, Path: $"{path}.properties[{pair.Key}]", Correlated: correlated));
        if (schema.Items is { } items) inner = inner.Append((items, path + ".items", correlated && schema.Merge == MergeKind.Map));
        if (schema.Values is { } values) inner = inner.Append((values, path + ".additionalProperties", correlated));
        foreach (var found in inner.SelectMany(part => Rules(part.Schema, part.Path, part.Correlated))) yield return found;
    }

    private static void Names(JsonObject names, List<FieldError> errors)
    {
        foreach (var name in new[] { "plural", "singular", "kind", "listKind" })
        {
            var value = names.Text(name) ?? "";
            if (value.Length == 0) errors.Add(Required("spec.names." + name));
            else if (value.Length > 63 || !Label().IsMatch(name is "kind" or "listKind" ? value.ToLowerInvariant() : value)) errors.Add(new FieldError("spec.names." + name, $"Invalid value: \"{value}\": must be a DNS-1035 label{(name is "kind" or "listKind" ? " but for its case" : "")}"));
        }
        if (names.Text("kind") is { Length: > 0 } kind && kind == names.Text("listKind")) errors.Add(new FieldError("spec.names.listKind", $"Invalid value: \"{kind}\": kind and listKind may not be the same"));
        foreach (var field in new[] { "shortNames", "categories" })
        {
            var words = Definition.List(names, field);
            for (int i = 0; i < words.Count; i++)
                if (!Label().IsMatch(words[i])) errors.Add(new FieldError($"spec.names.{field}[{i}]", $"Invalid value: \"{words[i]}\": must be a DNS-1035 label"));
        }
    }

    /// <param name="definition">The definition.</param>
    /// <param name="kept">Rules that were there: they stay although nothing here can evaluate them.</param>
    /// <param name="errors">Grows.</param>
    private static void Versions(JsonObject definition, IReadOnlySet<string> kept, List<FieldError> errors)
    {
        var versions = Definition.Versions(definition).ToList();
        if (versions.Count == 0) errors.Add(Required("spec.versions"));
        if (versions.Count(version => Definition.Truth(version, "storage")) != 1) errors.Add(new FieldError("spec.versions", "Invalid value: must have exactly one version marked as storage version"));
        var seen = new HashSet<string>();
        for (int i = 0; i < versions.Count; i++)
        {
            var (version, at) = (versions[i], string.Create(CultureInfo.InvariantCulture, $"spec.versions[{i}]"));
            var name = version.Text("name") ?? "";
            if (!Label().IsMatch(name)) errors.Add(new FieldError(at + ".name", $"Invalid value: \"{name}\": must be a DNS-1035 label"));
            if (!seen.Add(name)) errors.Add(new FieldError(at + ".name", $"Duplicate value: \"{name}\"", "FieldValueDuplicate"));
            if (version["served"] is null) errors.Add(Required(at + ".served"));
            if (version["storage"] is null) errors.Add(Required(at + ".storage"));
            if (Fields.At(version, "schema.openAPIV3Schema") is not JsonObject schema) errors.Add(new FieldError(at + ".schema.openAPIV3Schema", "Required value: schemas are required", "FieldValueRequired"));
            else Structure(schema, at + ".schema.openAPIV3Schema", kept, errors);
            Subresources(version, at, errors);
            Columns(version, at, errors);
        }
        foreach (var gone in (Fields.At(definition, "status.storedVersions") as JsonArray ?? []).Select(version => version?.ToString()).Where(version => !seen.Contains(version ?? "")))
            errors.Add(new FieldError("status.storedVersions", $"Invalid value: \"{gone}\": missing from spec.versions; {gone} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {gone} and removes {gone} from status.storedVersions"));
    }

    private static void Structure(JsonObject schema, string path, IReadOnlySet<string> kept, List<FieldError> errors)
    {
        var structural = StructuralSchema.Check(schema, path);
        errors.AddRange(structural);
        if (structural.Count > 0) return;
        var root = SchemaReader.Root(schema);
        Defaults(root, path, errors);
        foreach (var (rule, at, correlated) in Rules(root, path, true))
        {
            if (rule.NotEnforced is { } why && !kept.Contains(rule.Rule)) errors.Add(new FieldError(at + ".rule", $"Invalid value: \"{rule.Rule}\": compilation failed: {why}"));
            errors.AddRange(rule.Mistakes(correlated).Select(mistake => new FieldError($"{at}.{mistake.Field}", mistake.Mistake, mistake.Mistake.StartsWith("Required", StringComparison.Ordinal) ? "FieldValueRequired" : "FieldValueInvalid")));
        }
    }

    /// <summary>A default must be a value that its own field allows.</summary>
    private static void Defaults(Schema schema, string path, List<FieldError> errors)
    {
        foreach (var (name, field) in schema.Properties)
        {
            if (field.Rules is null) continue;
            var at = $"{path}.properties[{name}]";
            if (field.Rules.Default is { } text && JsonNode.Parse(text) is var value)
            {
                var whole = (value as JsonObject)?.DeepClone().AsObject();
                if (whole is not null) Pruning.Default(field, whole);
                errors.AddRange(ValueCheck.Check(field, whole ?? value, at + ".default"));
                if (whole is not null) errors.AddRange(Pruning.Prune(field, whole).Select(unknown => new FieldError($"{at}.default.{unknown}", "Invalid value: must not have unknown fields")));
            }
            Defaults(field, at, errors);
        }
        if (schema.Items is { } items) Defaults(items, path + ".items", errors);
        if (schema.Values is { } values) Defaults(values, path + ".additionalProperties", errors);
    }

    private static void Subresources(JsonObject version, string at, List<FieldError> errors)
    {
        if (Fields.At(version, "subresources.scale") is not JsonObject scale) return;
        foreach (var (name, under, needed) in new[] { ("specReplicasPath", ".spec.", true), ("statusReplicasPath", ".status.", true), ("labelSelectorPath", "", false) })
        {
            var path = scale.Text(name) ?? "";
            if (path.Length == 0) { if (needed) errors.Add(Required($"{at}.subresources.scale.{name}")); continue; }
            bool fits = under.Length > 0 ? path.StartsWith(under, StringComparison.Ordinal) : path.StartsWith(".spec.", StringComparison.Ordinal) || path.StartsWith(".status.", StringComparison.Ordinal);
            if (!fits || path.Contains('[', StringComparison.Ordinal)) errors.Add(new FieldError($"{at}.subresources.scale.{name}", $"Invalid value: \"{path}\": should be a json path under {(under.Length > 0 ? under.TrimEnd('.') : "either .spec or .status")} without arrays"));
        }
    }

    private static void Columns(JsonObject version, string at, List<FieldError> errors)
    {
        int index = 0;
        foreach (var column in Definition.Items(version, "additionalPrinterColumns"))
        {
            var here = string.Create(CultureInfo.InvariantCulture, $"{at}.additionalPrinterColumns[{index++}]");
            if (string.IsNullOrEmpty(column.Text("name"))) errors.Add(Required(here + ".name"));
            if (column.Text("type") is not { } type || !ColumnTypes.Contains(type)) errors.Add(new FieldError(here + ".type", $"Invalid value: \"{column.Text("type")}\": must be one of {string.Join(',', ColumnTypes)}"));
            if (column.Text("jsonPath") is not { Length: > 0 } path) errors.Add(Required(here + ".jsonPath"));
            else if (ColumnPath.Parse(path) is null) errors.Add(new FieldError(here + ".jsonPath", $"Invalid value: \"{path}\": is an invalid path: it must begin with a point, and name fields, indices, [*] or [?(@.field==\"value\")]"));
        }
    }

    /// <summary>What may not change once objects are there.</summary>
    private static void Unchanged(JsonObject definition, JsonObject stored, List<FieldError> errors)
    {
        foreach (var path in new[] { "spec.group", "spec.names.plural", "spec.scope", "spec.names.kind" })
        {
            var (now, before) = (Definition.Text(definition, path), Definition.Text(stored, path));
            if (now != before && (path is "spec.group" or "spec.names.plural" || Definition.Is(stored, DefinitionStatus.Established))) errors.Add(new FieldError(path, $"Invalid value: \"{now}\": field is immutable"));
        }
    }

    private static FieldError Required(string field) => new(field, "Required value", "FieldValueRequired");

    private static FieldError Unsupported(string field, string value, params string[] supported) => new(field, $"Unsupported value: \"{value}\": supported values: {string.Join(", ", supported.Select(word => $"\"{word}\""))}", "FieldValueNotSupported");

    [GeneratedRegex("^[a-z]([-a-z0-9]*[a-z0-9])?\\z")]
    private static partial Regex Label();

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\z")]
    private static partial Regex Subdomain();
}
