using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Guards;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers.Deployments;

/// <summary>
/// Deployment: which ReplicaSets there are and how large each is (<see cref="RollingStep"/>), the history of revisions, and the status. Pure. A template that an older set
/// has makes that set the current one again: that is all an undo is.
/// </summary>
public static class DeploymentPlan
{
    public const string HashLabel = "pod-template-hash", RevisionAnnotation = "deployment.kubernetes.io/revision", HistoryAnnotation = "deployment.kubernetes.io/revision-history",
        DesiredAnnotation = "deployment.kubernetes.io/desired-replicas", MostAnnotation = "deployment.kubernetes.io/max-replicas";
    private static readonly string[] OwnAnnotations = ["kubectl.kubernetes.io/last-applied-configuration", RevisionAnnotation, HistoryAnnotation, DesiredAnnotation, MostAnnotation, "deprecated.deployment.rollback.to"];

    /// <param name="deployment">The Deployment.</param>
    /// <param name="sets">ReplicaSets of its namespace: its own, and any that has the name of <see cref="NextSet"/>.</param>
    /// <param name="now">Time, for the progress deadline.</param>
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject deployment, IEnumerable<JsonObject> sets, DateTimeOffset now)
    {
        if (deployment.IsDeleted()) return [];
        var actions = new List<WorkloadAction>();
        var all = sets.Where(set => set.Namespace() == deployment.Namespace()).ToList();
        var own = all.Where(set => set.OwnerUid() == deployment.Uid() && !set.IsDeleted()).OrderBy(Revision).ToList();
        var spec = deployment["spec"]!.AsObject();
        var template = Hash(spec["template"]!);
        int wanted = spec["replicas"].Int(1), collisions = deployment["status"]?["collisionCount"].Int() ?? 0;
        var current = Current(own, spec["template"]!.AsObject(), template);
        if (current is null && all.Any(set => set.Name() == SetName(deployment, template, collisions))) collisions++; // the name is another template's: the next decision takes another name
        else if (spec["paused"]?.GetValue<bool>() == true) Resize(spec, own, wanted, actions);
        else Proceed(deployment, spec, own, current, template, collisions, wanted, actions);
        var status = DeploymentStatus.Of(deployment, current, own, wanted, collisions, now);
        PodTemplates.WriteStatus(Kinds.Deployment, deployment, status, actions);
        if (DeploymentStatus.Deadline(deployment, status) is { } deadline) actions.Add(new LookAgain(deadline));
        return actions;
    }

    /// <summary>maxSurge and maxUnavailable as numbers of pods: percentages of replicas, surge rounded up, unavailable down, never both zero.</summary>
    public static (int Surge, int Unavailable) Bounds(JsonObject spec, int wanted)
    {
        var rolling = spec["strategy"]?["rollingUpdate"];
        int surge = Portion.Of(rolling?["maxSurge"], "25%", wanted, up: true), unavailable = Math.Min(wanted, Portion.Of(rolling?["maxUnavailable"], "25%", wanted, up: false));
        return (surge, surge == 0 && unavailable == 0 ? 1 : unavailable);
    }

    private static void Proceed(JsonObject deployment, JsonObject spec, List<JsonObject> own, JsonObject? current, string template, int collisions, int wanted, List<WorkloadAction> actions)
    {
        bool recreate = spec["strategy"]?["type"]?.ToString() == "Recreate";
        var old = own.Where(set => set != current).ToList();
        long latest = own.Count == 0 ? 0 : own.Max(Revision), revision = current is null || Revision(current) < latest ? latest + 1 : latest;
        var (surge, unavailable) = recreate ? (0, wanted) : Bounds(spec, wanted);
        if (recreate && old.Any(set => !IsGone(set))) actions.AddRange(old.Where(set => Size(set).Wanted > 0).SelectMany(set => Scale(set, 0, wanted, wanted)));
        else if (current is null)
        {
            int size = Math.Min(old.Any(set => Size(set).Most > 0) ? GuardPlan.Most(deployment, wanted) ?? wanted : wanted, RollingStep.Room(old.Select(Size), wanted + surge));
            var made = NewSet(deployment, SetName(deployment, template, collisions), revision, size, wanted, wanted + surge);
            actions.Add(new CreateObject(Kinds.ReplicaSet, made));
            if (size > 0) actions.Add(Scaled(made.Name(), 0, size));
        }
        else if (Revision(current) != revision || current["spec"]?["minReadySeconds"].Int() != spec["minReadySeconds"].Int() || Shared(deployment).Any(note => current.Metadata()["annotations"]?[note.Key]?.ToString() != note.Value))
            actions.Add(new UpdateObject(Kinds.ReplicaSet, Refreshed(current, deployment, revision)));
        else Roll(own, old, current, recreate ? null : GuardPlan.Most(deployment, wanted), wanted, surge, unavailable, actions);
        Prune(spec, old, actions);
        if (deployment.Metadata()["annotations"]?[RevisionAnnotation]?.ToString() != Text(revision)) actions.Add(new UpdateObject(Kinds.Deployment, Annotated(deployment, RevisionAnnotation, Text(revision))));
    }

    private static void Roll(List<JsonObject> own, List<JsonObject> old, JsonObject current, int? most, int wanted, int surge, int unavailable, List<WorkloadAction> actions)
    {
        var active = own.Where(set => Size(set).Wanted > 0).ToList();
        // More replicas since the sets were last sized, in the middle of a rollout: they are shared out first.
        if (active.Count > 1 && active.Any(set => int.TryParse(set.Metadata()["annotations"]?[DesiredAnnotation]?.ToString(), CultureInfo.InvariantCulture, out int before) && before < wanted))
        {
            Write(active, RollingStep.Grow(active.ConvertAll(Size), RollingStep.Room(own.Except(active).Select(Size), wanted + surge)), wanted, wanted + surge, actions); // beside what sets of no size still have
            return;
        }
        var (next, up) = RollingStep.Next(old.ConvertAll(Size), Size(current), wanted, surge, unavailable, old.Any(set => Size(set).Most > 0) ? most : null);
        Write([.. old, current], [.. next, up], wanted, wanted + surge, actions);
    }

    /// <summary>While paused only the number of replicas is followed.</summary>
    private static void Resize(JsonObject spec, List<JsonObject> own, int wanted, List<WorkloadAction> actions)
    {
        var active = own.Where(set => Size(set).Wanted > 0).ToList();
        if (active.Count == 0) active = own.TakeLast(1).ToList();
        int allowed = active.Count > 1 ? wanted + Bounds(spec, wanted).Surge : wanted, total = active.Sum(set => Size(set).Wanted);
        int room = RollingStep.Room(own.Except(active).Select(Size), wanted + Bounds(spec, wanted).Surge);
        if (active.Count == 1) Write(active, [Math.Min(wanted, Math.Max(Size(active[0]).Wanted, room))], wanted, allowed, actions);
        else if (active.All(set => set.Metadata()["annotations"]?[DesiredAnnotation]?.ToString() == Text(wanted))) return;
        else Write(active, total > allowed ? RollingStep.Cut(active.ConvertAll(Size), allowed) : RollingStep.Grow(active.ConvertAll(Size), room), wanted, allowed, actions);
    }

    private static void Write(IReadOnlyList<JsonObject> sets, IReadOnlyList<int> sizes, int wanted, int most, List<WorkloadAction> actions)
    {
        for (int i = 0; i < sets.Count; i++)
            if (Size(sets[i]).Wanted != sizes[i] || (sizes[i] > 0 && sets[i].Metadata()["annotations"]?[DesiredAnnotation]?.ToString() != Text(wanted))) actions.AddRange(Scale(sets[i], sizes[i], wanted, most));
    }

    private static void Prune(JsonObject spec, List<JsonObject> old, List<WorkloadAction> actions)
    {
        var empty = old.Where(set => Size(set) is { Most: 0, Settled: true }).ToList();
        actions.AddRange(empty.Take(Math.Max(0, empty.Count - spec["revisionHistoryLimit"].Int(10))).Select(set => new DeleteObject(Kinds.ReplicaSet, ObjectStamp.NameOf(set), set.Uid())));
    }

    private static SetSize Size(JsonObject set) => new(set["spec"]?["replicas"].Int(1) ?? 1, set["status"]?["replicas"].Int() ?? 0, set["status"]?["availableReplicas"].Int() ?? 0,
        (set["status"]?["observedGeneration"].Int() ?? 0) >= set.Metadata()["generation"].Int());

    /// <summary>No pod of the set is there any more, nor one that is ending: what Recreate waits for.</summary>
    private static bool IsGone(JsonObject set) => Size(set) is { Most: 0, Settled: true } && set["status"]?["terminatingReplicas"].Int() is null or 0;

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>The number in its annotation; 0 without.</summary>
    public static long Revision(JsonObject set) => long.TryParse(set.Metadata()["annotations"]?[RevisionAnnotation]?.ToString(), CultureInfo.InvariantCulture, out long revision) ? revision : 0;

    private static Report Scaled(string set, int before, int now) => new("Normal", "ScalingReplicaSet", string.Create(CultureInfo.InvariantCulture, $"Scaled {(now > before ? "up" : "down")} replica set {set} from {before} to {now}"));

    private static IEnumerable<WorkloadAction> Scale(JsonObject set, int replicas, int wanted, int most)
    {
        var document = Annotated(Annotated(set, DesiredAnnotation, Text(wanted)), MostAnnotation, Text(most));
        document["spec"]!["replicas"] = replicas;
        yield return new UpdateObject(Kinds.ReplicaSet, document);
        if (Size(set).Wanted != replicas) yield return Scaled(set.Name(), Size(set).Wanted, replicas);
    }

    private static JsonObject Annotated(JsonObject document, string name, string value)
    {
        var copy = (JsonObject)document.DeepClone();
        if (copy.Metadata()["annotations"] is not JsonObject) copy.Metadata()["annotations"] = new JsonObject();
        copy.Metadata()["annotations"]![name] = value;
        return copy;
    }

    /// <summary>A set that is current again: a new revision, and the old one remembered.</summary>
    private static JsonObject Refreshed(JsonObject set, JsonObject deployment, long revision)
    {
        var spec = deployment["spec"]!;
        var copy = set;
        if (Revision(set) != revision)
        {
            var history = set.Metadata()["annotations"]?[HistoryAnnotation]?.ToString();
            copy = Annotated(Annotated(set, RevisionAnnotation, Text(revision)), HistoryAnnotation, string.IsNullOrEmpty(history) ? Text(Revision(set)) : $"{history},{Revision(set)}");
        }
        else copy = (JsonObject)set.DeepClone();
        if (spec["minReadySeconds"] is { } ready) copy["spec"]!["minReadySeconds"] = ready.DeepClone();
        else copy["spec"]!.AsObject().Remove("minReadySeconds");
        return Shared(deployment).Aggregate(copy, (made, note) => Annotated(made, note.Key, note.Value));
    }

    /// <summary>Annotations of a Deployment that its current set has too, as its history shows them (kubernetes.io/change-cause); what is about the Deployment alone stays there.</summary>
    private static IEnumerable<(string Key, string Value)> Shared(JsonObject deployment) => (deployment.Metadata()["annotations"] as JsonObject ?? []).Where(pair => !OwnAnnotations.Contains(pair.Key)).Select(pair => (pair.Key, pair.Value?.ToString() ?? ""));

    /// <summary>The ReplicaSet that its template is to have, if it is not there yet.</summary>
    public static ObjectName NextSet(JsonObject deployment) => new(deployment.Namespace(), SetName(deployment, Hash(deployment["spec"]!["template"]!), deployment["status"]?["collisionCount"].Int() ?? 0));

    private static string SetName(JsonObject deployment, string template, int collisions) => $"{deployment.Name()}-{Suffix(template, collisions)}";

    private static string Suffix(string template, int collisions) => collisions == 0 ? template : Letters(Encoding.UTF8.GetBytes($"{template} {collisions}"));

    /// <summary>The set among a Deployment's own that has its template; null: it is not made yet.</summary>
    public static JsonObject? CurrentOf(JsonObject deployment, IEnumerable<JsonObject> sets)
    {
        var own = sets.Where(set => set.OwnerUid() == deployment.Uid() && !set.IsDeleted()).OrderBy(Revision).ToList();
        return Current(own, deployment["spec"]!["template"]!.AsObject(), Hash(deployment["spec"]!["template"]!));
    }

    /// <summary>The set that has the template; one whose label says so is looked at first.</summary>
    private static JsonObject? Current(List<JsonObject> own, JsonObject template, string hash)
    {
        var wanted = (JsonObject)template.DeepClone();
        KeptPermissions.Keep(wanted);
        var compared = Compared(wanted);
        return own.OrderByDescending(set => set.Metadata()["labels"]?[HashLabel]?.ToString() == hash).FirstOrDefault(set => Compared((JsonObject)set["spec"]!["template"]!.DeepClone()) == compared);
    }

    /// <summary>The hash of a template without what only ReplicaSets carry.</summary>
    private static string Compared(JsonObject template)
    {
        (template["metadata"]?["labels"] as JsonObject)?.Remove(HashLabel);
        KeptPermissions.Restore(template);
        return Hash(template);
    }

    private static JsonObject NewSet(JsonObject deployment, string name, long revision, int replicas, int wanted, int most)
    {
        var spec = deployment["spec"]!;
        var hash = name[(deployment.Name().Length + 1)..];
        var template = (JsonObject)spec["template"]!.DeepClone();
        var selector = (JsonObject)spec["selector"]!.DeepClone();
        KeptPermissions.Keep(template);
        if (template["metadata"]?["labels"] is JsonObject labels) labels[HashLabel] = hash;
        if (selector["matchLabels"] is not JsonObject) selector["matchLabels"] = new JsonObject();
        selector["matchLabels"]![HashLabel] = hash;
        var made = new JsonObject { ["replicas"] = replicas, ["selector"] = selector, ["template"] = template };
        if (spec["minReadySeconds"] is { } minReady) made["minReadySeconds"] = minReady.DeepClone();
        return new JsonObject
        {
            ["apiVersion"] = "apps/v1", ["kind"] = "ReplicaSet",
            ["metadata"] = new JsonObject
            {
                ["name"] = name, ["namespace"] = deployment.Namespace(), ["labels"] = template["metadata"]?["labels"]?.DeepClone(),
                ["annotations"] = new JsonObject([.. Shared(deployment).Select(note => KeyValuePair.Create(note.Key, (JsonNode?)note.Value)), new(RevisionAnnotation, Text(revision)), new(DesiredAnnotation, Text(wanted)), new(MostAnnotation, Text(most))]), ["ownerReferences"] = Views.Owner(Kinds.Deployment, deployment),
            },
            ["spec"] = made,
        };
    }

    /// <summary>Ten characters that name a template; the same template always has the same.</summary>
    public static string Hash(JsonNode template) => Letters(Encoding.UTF8.GetBytes(Canonical(template).ToJsonString()));

    private static string Letters(byte[] text)
    {
        const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";
        return string.Concat(SHA256.HashData(text).Take(10).Select(value => Alphabet[value % Alphabet.Length]));
    }

    /// <summary>Fields in order of name, without what says nothing: neither the order they were written in nor the empty <c>resources</c> that typed clients add change anything.</summary>
    private static JsonNode Canonical(JsonNode node) => node switch
    {
        JsonObject map => new JsonObject(map.Where(pair => pair.Value is not null && pair is not { Key: "resources", Value: JsonObject { Count: 0 } }).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)Canonical(pair.Value!)))),
        JsonArray list => new JsonArray([.. list.Select(item => item is null ? null : Canonical(item))]),
        _ => node.DeepClone(),
    };
}
