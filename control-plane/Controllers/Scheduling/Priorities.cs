using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>Priority classes, with the two that every cluster has. Pure.</summary>
public static class Priorities
{
    /// <summary>spec.priority; else that of the class it names; else that of the class marked globalDefault; else 0.</summary>
    public static int Of(JsonObject pod, IReadOnlyCollection<JsonObject> classes)
    {
        var spec = pod["spec"] as JsonObject;
        if (spec?["priority"] is JsonValue value && value.TryGetValue(out int priority)) return priority;
        return spec?.Text("priorityClassName") switch
        {
            "system-node-critical" => 2_000_001_000,
            "system-cluster-critical" => 2_000_000_000,
            { Length: > 0 } name => classes.FirstOrDefault(one => one.Name() == name)?["value"].Int() ?? 0,
            _ => classes.FirstOrDefault(one => one["globalDefault"] is JsonValue mark && mark.TryGetValue(out bool marked) && marked)?["value"].Int() ?? 0,
        };
    }
}
