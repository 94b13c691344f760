using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.CustomResources;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Printing;

/// <summary>The columns that a CustomResourceDefinition asks for. A value of another type than the column's is left out; a date is shown as an age.</summary>
public static class CustomColumns
{
    public static Column Of(PrinterColumn column)
    {
        var path = ColumnPath.Parse(column.Path);
        return new Column(column.Name, column.Type, item => Cell(column.Type, path?.First(item)), column.Priority) { Format = column.Format, Description = column.Description };
    }

    private static JsonNode? Cell(string type, JsonNode? value) => (type, value?.GetValueKind()) switch
    {
        (_, null) => null,
        ("date", JsonValueKind.String) => Words.Age(value!.ToString()),
        ("string", JsonValueKind.Object or JsonValueKind.Array) => value!.ToJsonString(),
        ("string", JsonValueKind.True) => "true", ("string", JsonValueKind.False) => "false", ("string", _) => value!.ToString(),
        ("integer" or "number", JsonValueKind.Number) or ("boolean", JsonValueKind.True or JsonValueKind.False) => value!.DeepClone(),
        _ => null,
    };
}
