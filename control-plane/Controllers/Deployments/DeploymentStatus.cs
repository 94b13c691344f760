using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Guards;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Deployments;

/// <summary>What a Deployment's status says: counts, and the conditions Available and Progressing in the words kubectl waits for. Pure.</summary>
public static class DeploymentStatus
{
    public static JsonObject Of(JsonObject deployment, JsonObject? current, IReadOnlyList<JsonObject> own, int wanted, int collisions, DateTimeOffset now)
    {
        int Sum(string name) => own.Sum(set => set["status"]?[name].Int() ?? 0);
        int total = Sum("replicas"), available = Sum("availableReplicas"), updated = current?["status"]?["replicas"].Int() ?? 0;
        var status = new JsonObject { ["observedGeneration"] = deployment.Metadata()["generation"]?.DeepClone(), ["replicas"] = total, ["updatedReplicas"] = updated, ["readyReplicas"] = Sum("readyReplicas"), ["availableReplicas"] = available };
        if (wanted - available > 0) status["unavailableReplicas"] = wanted - available;
        if (collisions > 0) status["collisionCount"] = collisions;
        bool complete = updated == wanted && total == wanted && available == wanted;
        bool enough = available >= wanted - DeploymentPlan.Bounds(deployment["spec"]!.AsObject(), wanted).Unavailable;
        status["conditions"] = new JsonArray(
            Condition(deployment, "Available", enough ? "True" : "False", enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable", enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", now, false),
            Progress(deployment, status, current?.Name() ?? deployment.Name(), complete, now));
        if (ReplicaFailure.Of(current, own) is { } failure) status["conditions"]!.AsArray().Add(failure);
        // What the guard wrote is the guard's.
        if (deployment.Condition(GuardPlan.Condition) is { } guarded) status["conditions"]!.AsArray().Add(guarded.DeepClone());
        if (deployment["status"]?["guard"] is { } guard) status["guard"] = guard.DeepClone();
        return status;
    }

    /// <summary>When a rollout that does not move is late; null: nothing is awaited.</summary>
    public static DateTimeOffset? Deadline(JsonObject deployment, JsonObject status)
    {
        var progress = (status["conditions"] as JsonArray)?.OfType<JsonObject>().FirstOrDefault(condition => condition.Text("type") == "Progressing");
        return progress?.Text("reason") is "ReplicaSetUpdated" ? Views.Time(progress.Text("lastUpdateTime"))?.AddSeconds(deployment["spec"]!["progressDeadlineSeconds"].Int(600) + 1) : null;
    }

    private static JsonObject Progress(JsonObject deployment, JsonObject status, string set, bool complete, DateTimeOffset now)
    {
        var before = deployment.Condition("Progressing");
        if (deployment["spec"]!["paused"]?.GetValue<bool>() == true) return Condition(deployment, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now, false);
        if (complete) return Condition(deployment, "Progressing", "True", "NewReplicaSetAvailable", $"ReplicaSet \"{set}\" has successfully progressed.", now, false);
        bool resumed = before?.Text("reason") == "DeploymentPaused", changed = deployment["status"]?["observedGeneration"]?.ToString() != deployment.Metadata()["generation"]?.ToString();
        bool moved = resumed || changed || deployment["status"] is not JsonObject old || new[] { "updatedReplicas", "readyReplicas", "availableReplicas", "replicas" }.Any(name => old[name].Int() != status[name].Int());
        int deadline = deployment["spec"]!["progressDeadlineSeconds"].Int(600);
        var guarded = deployment["status"]?["guard"] as JsonObject; // a step that lasts is no rollout that is stuck
        bool late = !moved && before is not null && guarded?.Text("phase") != "Paused" && !(Views.Time(guarded?.Text("since"))?.AddSeconds(deadline) >= now) && (before.Text("reason") == "ProgressDeadlineExceeded"
            || (DateTimeOffset.TryParse(before.Text("lastUpdateTime"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var since) && since.AddSeconds(deadline) < now));
        return late ? Condition(deployment, "Progressing", "False", "ProgressDeadlineExceeded", $"ReplicaSet \"{set}\" has timed out progressing.", now, false)
            : Condition(deployment, "Progressing", "True", "ReplicaSetUpdated", $"ReplicaSet \"{set}\" is progressing.", now, moved);
    }

    private static JsonObject Condition(JsonObject deployment, string type, string word, string reason, string message, DateTimeOffset now, bool touch)
    {
        var before = deployment.Condition(type);
        var time = ObjectStamp.Time(now);
        bool same = before?.Text("status") == word;
        return new JsonObject
        {
            ["type"] = type, ["status"] = word, ["reason"] = reason, ["message"] = message,
            ["lastTransitionTime"] = same ? before!.Text("lastTransitionTime") : time,
            ["lastUpdateTime"] = same && before!.Text("reason") == reason && !touch ? before!.Text("lastUpdateTime") : time,
        };
    }
}
