using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>The condition ReplicaFailure: pods that a set is to have are refused, by a quota, a limit range or a missing account. It stays until the set has all its pods. Pure.</summary>
public static class ReplicaFailure
{
    public const string Condition = "ReplicaFailure";

    /// <summary>Whether sets of a kind have it.</summary>
    public static bool IsOf(ResourceKind kind) => kind == Kinds.ReplicaSet || kind == Kinds.ReplicationController;

    /// <summary>The set with the condition; null: it has it already.</summary>
    public static JsonObject? Told(JsonObject set, string message, DateTimeOffset now)
    {
        if (set.Condition(Condition) is not null) return null;
        var told = (JsonObject)set.DeepClone();
        if (told["status"] is not JsonObject status) told["status"] = status = new JsonObject { ["replicas"] = 0 };
        var others = (status["conditions"] as JsonArray ?? []).Select(condition => condition?.DeepClone());
        status["conditions"] = new JsonArray([.. others, new JsonObject { ["type"] = Condition, ["status"] = "True", ["reason"] = "FailedCreate", ["message"] = message, ["lastTransitionTime"] = ObjectStamp.Time(now) }]);
        return told;
    }

    /// <summary>What a Deployment's status says of its sets' failures: the current set's, or else any; null: none.</summary>
    public static JsonObject? Of(JsonObject? current, IEnumerable<JsonObject> sets)
    {
        if ((current?.Condition(Condition) ?? sets.Select(set => set.Condition(Condition)).FirstOrDefault(found => found is not null)) is not { } failure) return null;
        var copy = (JsonObject)failure.DeepClone();
        copy["lastUpdateTime"] = copy.Text("lastTransitionTime");
        return copy;
    }
}
