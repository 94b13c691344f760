using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>An event in the words of events.k8s.io/v1, and back to those of the core group, in which it is stored. Pure.</summary>
public static class EventWords
{
    private static readonly (string Core, string Group)[] Names =
    [
        ("involvedObject", "regarding"), ("message", "note"), ("reportingComponent", "reportingController"), ("source", "deprecatedSource"), ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"), ("count", "deprecatedCount"),
    ];

    public static void ToGroup(JsonObject stored)
    {
        foreach (var (core, group) in Names) Rename(stored, core, group);
        stored["apiVersion"] = Kinds.EventOfGroup.ApiVersion;
    }

    public static void ToCore(JsonObject shown)
    {
        foreach (var (core, group) in Names) Rename(shown, group, core);
        shown["apiVersion"] = Kinds.Event.ApiVersion;
    }

    private static void Rename(JsonObject document, string from, string to)
    {
        if (!document.Remove(from, out var value)) return;
        document[to] = value;
    }
}
