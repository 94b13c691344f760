using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>
/// Deployment: which ReplicaSets there are and how large each is. Pure. Never fewer than replicas - maxUnavailable available pods by our doing,
/// never more than replicas + maxSurge pods.
/// </summary>
public static class DeploymentPlan
{
    public const string HashLabel = "pod-template-hash", RevisionAnnotation = "deployment.kubernetes.io/revision";

    public static IReadOnlyList<WorkloadAction> Decide(JsonObject deployment, IEnumerable<JsonObject> sets, DateTimeOffset now)
    {
        if (deployment.IsDeleted()) return [];
        var actions = new List<WorkloadAction>();
        var own = sets.Where(set => set.OwnerUid() == deployment.Uid() && !set.IsDeleted()).OrderBy(Revision).ToList();
        var spec = deployment["spec"]!.AsObject();
        var hash = Hash(spec["template"]!);
        var current = own.FirstOrDefault(set => set.Metadata()["labels"]?[HashLabel]?.ToString() == hash);
        var old = own.Where(set => set != current).ToList();
        int wanted = spec["replicas"].Int(1);
        bool paused = spec["paused"]?.GetValue<bool>() == true, recreate = spec["strategy"]?["type"]?.ToString() == "Recreate";
        long revision = own.Count == 0 ? 1 : own.Max(Revision) + (current is null || Revision(current) < own.Max(Revision) ? 1 : 0);
        if (!paused)
        {
            if (current is null)
            {
                bool wait = recreate && old.Sum(Size) > 0;
                if (!wait) actions.Add(new CreateObject(Kinds.ReplicaSet, NewSet(deployment, hash, revision, First(spec, old, wanted, recreate))));
            }
            else if (Revision(current) != revision) actions.Add(new UpdateObject(Kinds.ReplicaSet, WithRevision(current, revision)));
            else Roll(spec, current, old, wanted, recreate, actions);
            if (recreate && current is null) actions.AddRange(old.Where(set => Wanted(set) > 0).Select(set => Scale(set, 0)));
            Prune(spec, old, actions);
            if (deployment.Metadata()["annotations"]?[RevisionAnnotation]?.ToString() != Text(revision)) actions.Add(new UpdateObject(Kinds.Deployment, WithRevision(deployment, revision)));
        }
        else if (current is not null && old.Count == 0 && Wanted(current) != wanted) actions.Add(Scale(current, wanted));
        Status(deployment, current, own, wanted, now, actions);
        return actions;
    }

    /// <summary>maxSurge and maxUnavailable as numbers of pods: percentages of replicas, surge rounded up, unavailable down, never both zero.</summary>
    public static (int Surge, int Unavailable) Bounds(JsonObject spec, int wanted)
    {
        int Resolve(JsonNode? value, bool up)
        {
            var text = value?.ToString() ?? "25%";
            if (!text.EndsWith('%')) return int.Parse(text, CultureInfo.InvariantCulture);
            double share = wanted * int.Parse(text[..^1], CultureInfo.InvariantCulture) / 100.0;
            return (int)(up ? Math.Ceiling(share) : Math.Floor(share));
        }
        int surge = Resolve(spec["strategy"]?["rollingUpdate"]?["maxSurge"], true), unavailable = Resolve(spec["strategy"]?["rollingUpdate"]?["maxUnavailable"], false);
        return (surge, surge == 0 && unavailable == 0 ? 1 : unavailable);
    }

    private static int First(JsonObject spec, List<JsonObject> old, int wanted, bool recreate) =>
        recreate ? wanted : Math.Clamp(wanted + Bounds(spec, wanted).Surge - old.Sum(set => Math.Max(Wanted(set), Size(set))), 0, wanted);

    private static void Roll(JsonObject spec, JsonObject current, List<JsonObject> old, int wanted, bool recreate, List<WorkloadAction> actions)
    {
        if (recreate)
        {
            if (Wanted(current) != wanted) actions.Add(Scale(current, wanted));
            return;
        }
        var (surge, unavailable) = Bounds(spec, wanted);
        int others = old.Sum(set => Math.Max(Wanted(set), Size(set)));
        int up = Math.Min(wanted, wanted + surge - others);
        if (Wanted(current) > wanted) actions.Add(Scale(current, wanted));
        else if (Wanted(current) < up) actions.Add(Scale(current, up));
        // Of the old ones, those not available go first: they serve nobody. Then as many as the new ones that are available make up for.
        int available = old.Append(current).Sum(Available), spare = available - (wanted - unavailable);
        foreach (var set in old.Where(set => Wanted(set) > 0))
        {
            int broken = Math.Max(0, Wanted(set) - Available(set));
            int less = Math.Min(Wanted(set), broken + Math.Max(0, Math.Min(spare, Wanted(set) - broken)));
            spare -= less - Math.Min(less, broken);
            if (less > 0) actions.Add(Scale(set, Wanted(set) - less));
        }
    }

    private static void Prune(JsonObject spec, List<JsonObject> old, List<WorkloadAction> actions)
    {
        var empty = old.Where(set => Wanted(set) == 0 && Size(set) == 0).ToList();
        actions.AddRange(empty.Take(Math.Max(0, empty.Count - spec["revisionHistoryLimit"].Int(10))).Select(set => new DeleteObject(Kinds.ReplicaSet, ObjectStamp.NameOf(set), set.Uid())));
    }

    private static void Status(JsonObject deployment, JsonObject? current, List<JsonObject> own, int wanted, DateTimeOffset now, List<WorkloadAction> actions)
    {
        int total = own.Sum(Size), available = own.Sum(Available), ready = own.Sum(set => set["status"]?["readyReplicas"].Int() ?? 0), updated = current is null ? 0 : Size(current);
        var status = new JsonObject { ["observedGeneration"] = deployment.Metadata()["generation"]?.DeepClone(), ["replicas"] = total, ["updatedReplicas"] = updated, ["readyReplicas"] = ready, ["availableReplicas"] = available };
        if (wanted - available > 0) status["unavailableReplicas"] = wanted - available;
        bool complete = updated == wanted && total == wanted && available == wanted;
        bool enough = available >= wanted - Bounds(deployment["spec"]!.AsObject(), wanted).Unavailable;
        var old = deployment["status"] as JsonObject;
        bool moved = old is null || new[] { "updatedReplicas", "readyReplicas", "availableReplicas", "replicas" }.Any(name => old[name].Int() != status[name].Int());
        var progress = deployment.Condition("Progressing");
        int deadline = deployment["spec"]!["progressDeadlineSeconds"].Int(600);
        bool late = !complete && !moved && progress is not null && DateTimeOffset.TryParse(progress.Text("lastUpdateTime"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var since) && since.AddSeconds(deadline) < now;
        var set = current?.Name() ?? deployment.Name();
        status["conditions"] = new JsonArray(
            Condition(deployment, "Available", enough, enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable", enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", now, false),
            late || (!moved && progress?.Text("reason") == "ProgressDeadlineExceeded" && !complete)
                ? Condition(deployment, "Progressing", false, "ProgressDeadlineExceeded", $"ReplicaSet \"{set}\" has timed out progressing.", now, false)
                : complete ? Condition(deployment, "Progressing", true, "NewReplicaSetAvailable", $"ReplicaSet \"{set}\" has successfully progressed.", now, false)
                : Condition(deployment, "Progressing", true, "ReplicaSetUpdated", $"ReplicaSet \"{set}\" is progressing.", now, moved));
        if (JsonNode.DeepEquals(status, old)) return;
        var document = (JsonObject)deployment.DeepClone();
        document["status"] = status;
        actions.Add(new UpdateObjectStatus(Kinds.Deployment, document));
    }

    private static JsonObject Condition(JsonObject deployment, string type, bool holds, string reason, string message, DateTimeOffset now, bool touch)
    {
        var before = deployment.Condition(type);
        var word = holds ? "True" : "False";
        var time = ObjectStamp.Time(now);
        bool same = before?.Text("status") == word;
        return new JsonObject
        {
            ["type"] = type, ["status"] = word, ["reason"] = reason, ["message"] = message,
            ["lastTransitionTime"] = same ? before!.Text("lastTransitionTime") : time,
            ["lastUpdateTime"] = same && before!.Text("reason") == reason && !touch ? before!.Text("lastUpdateTime") : time,
        };
    }

    private static int Wanted(JsonObject set) => set["spec"]?["replicas"].Int(1) ?? 1;
    private static int Size(JsonObject set) => set["status"]?["replicas"].Int() ?? 0;
    private static int Available(JsonObject set) => set["status"]?["availableReplicas"].Int() ?? 0;
    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static long Revision(JsonObject set) => long.TryParse(set.Metadata()["annotations"]?[RevisionAnnotation]?.ToString(), CultureInfo.InvariantCulture, out long revision) ? revision : 0;

    private static UpdateObject Scale(JsonObject set, int replicas)
    {
        var document = (JsonObject)set.DeepClone();
        document["spec"]!["replicas"] = replicas;
        return new UpdateObject(Kinds.ReplicaSet, document);
    }

    private static JsonObject WithRevision(JsonObject document, long revision)
    {
        var copy = (JsonObject)document.DeepClone();
        if (copy.Metadata()["annotations"] is not JsonObject) copy.Metadata()["annotations"] = new JsonObject();
        copy.Metadata()["annotations"]![RevisionAnnotation] = Text(revision);
        return copy;
    }

    private static JsonObject NewSet(JsonObject deployment, string hash, long revision, int replicas)
    {
        var spec = deployment["spec"]!;
        var template = (JsonObject)spec["template"]!.DeepClone();
        var selector = (JsonObject)spec["selector"]!.DeepClone();
        KeptPermissions.Keep(template);
        if (template["metadata"]?["labels"] is JsonObject labels) labels[HashLabel] = hash;
        if (selector["matchLabels"] is JsonObject match) match[HashLabel] = hash;
        var made = new JsonObject { ["replicas"] = replicas, ["selector"] = selector, ["template"] = template };
        if (spec["minReadySeconds"] is { } minReady) made["minReadySeconds"] = minReady.DeepClone();
        return new JsonObject
        {
            ["apiVersion"] = "apps/v1", ["kind"] = "ReplicaSet",
            ["metadata"] = new JsonObject
            {
                ["name"] = $"{deployment.Name()}-{hash}", ["namespace"] = deployment.Namespace(), ["labels"] = template["metadata"]?["labels"]?.DeepClone(),
                ["annotations"] = new JsonObject { [RevisionAnnotation] = Text(revision) }, ["ownerReferences"] = Views.Owner(Kinds.Deployment, deployment),
            },
            ["spec"] = made,
        };
    }

    /// <summary>Ten characters that name a template; the same template always has the same.</summary>
    public static string Hash(JsonNode template)
    {
        const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes(Canonical(template).ToJsonString()));
        return string.Concat(digest.Take(10).Select(value => Alphabet[value % Alphabet.Length]));
    }

    /// <summary>Fields in order of name, without what says nothing: neither the order they were written in nor the empty <c>resources</c> that typed clients add change anything.</summary>
    private static JsonNode Canonical(JsonNode node) => node switch
    {
        JsonObject map => new JsonObject(map.Where(pair => pair.Value is not null && pair is not { Key: "resources", Value: JsonObject { Count: 0 } }).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)Canonical(pair.Value!)))),
        JsonArray list => new JsonArray([.. list.Select(item => item is null ? null : Canonical(item))]),
        _ => node.DeepClone(),
    };
}
