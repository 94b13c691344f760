using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Printing;

/// <summary>One column of a table. Priority 1 is shown with <c>-o wide</c> only.</summary>
public sealed record Column(string Name, string Type, Func<JsonObject, JsonNode?> Value, int Priority = 0)
{
    public string Format { get; init; } = "";
    /// <summary>Empty: the name says it.</summary>
    public string Description { get; init; } = "";

    public Column(string name, Func<JsonObject, JsonNode?> value) : this(name, "string", value) { }

    public Column Wide => this with { Priority = 1 };
}

/// <summary>Server-side tables (meta.k8s.io/v1 Table) with the columns that people know from kubectl.</summary>
public static class Tables
{
    private static readonly Dictionary<ResourceKind, Column[]> Columns = new Dictionary<ResourceKind, Column[]>[] { CoreColumns.All, WorkloadColumns.All, OtherColumns.All }.SelectMany(part => part).ToDictionary();
    private static readonly Column[] Other = [Cells.Name, Cells.Age];

    /// <param name="kind">Kind of the items.</param>
    /// <param name="items">One row each.</param>
    /// <param name="metadata">Of the table.</param>
    /// <param name="definitions">Whether to name the columns; in a watch only the first table does.</param>
    /// <param name="include">What a row carries of its object: None, Metadata or Object.</param>
    public static JsonObject Of(ResourceKind kind, IEnumerable<JsonObject> items, JsonObject metadata, bool definitions, string include)
    {
        var columns = kind.Custom is { Columns.Count: > 0 } custom ? [Cells.Name, .. custom.Columns.Select(CustomColumns.Of)] : Columns.GetValueOrDefault(kind, Other);
        return new JsonObject
        {
            ["kind"] = "Table", ["apiVersion"] = "meta.k8s.io/v1", ["metadata"] = metadata,
            ["columnDefinitions"] = definitions
                ? new JsonArray([.. columns.Select(column => new JsonObject { ["name"] = column.Name, ["type"] = column.Type, ["format"] = column.Name == "Name" ? "name" : column.Format, ["description"] = column.Description.Length > 0 ? column.Description : column.Name, ["priority"] = column.Priority })])
                : null,
            ["rows"] = new JsonArray([.. items.Select(item => new JsonObject
            {
                ["cells"] = new JsonArray([.. columns.Select(column => column.Value(item))]),
                ["object"] = include switch { "None" => null, "Object" => item.DeepClone(), _ => Shape.Partial(item) },
            })]),
        };
    }
}
