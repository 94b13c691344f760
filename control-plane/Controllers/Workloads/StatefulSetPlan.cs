using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>
/// StatefulSet: pods with stable names and claims. Ordered: each waits for the ones before it, and they go from the last to the first; parallel: all at once. An update
/// replaces from the last down to the partition, one at a time, each only when all others are available. Pure.
/// </summary>
public static class StatefulSetPlan
{
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject set, IEnumerable<JsonObject> pods, IEnumerable<JsonObject> revisions, Func<ObjectName, JsonObject?> claims, DateTimeOffset now)
    {
        if (set.IsDeleted()) return [];
        var actions = new List<WorkloadAction>();
        var own = pods.Where(pod => pod.OwnerUid() == set.Uid()).Select(pod => (Pod: pod, Ordinal: Ordinal(set, pod))).Where(entry => entry.Ordinal >= 0).OrderBy(entry => entry.Ordinal).ToList();
        var status = set["status"] as JsonObject;
        var history = Revisions.Of(Kinds.StatefulSet, set, revisions, [.. own.Select(entry => Revision(set, entry.Pod)), status?.Text("currentRevision") ?? ""], actions);
        var current = status?.Text("currentRevision") is { Length: > 0 } known ? known : history.Update;
        int start = set["spec"]!["ordinals"]?["start"].Int() ?? 0, wanted = set["spec"]!["replicas"].Int(1), minReady = set["spec"]!["minReadySeconds"].Int();
        var plan = new Step(set, history, current, own, start, start + wanted, minReady, claims, now);
        plan.Decide(actions);
        if (PodView.NextAvailable(own.Select(entry => new PodView(entry.Pod)), minReady, now) is { } next) actions.Add(new LookAgain(next));
        Status(set, history.Update, current, own.ConvertAll(entry => entry.Pod), wanted, minReady, now, actions);
        return actions;
    }

    private sealed record Step(JsonObject Set, Revisions History, string Current, List<(JsonObject Pod, int Ordinal)> Own, int Start, int End, int MinReady, Func<ObjectName, JsonObject?> Claims, DateTimeOffset Now)
    {
        private readonly bool _parallel = Set["spec"]!["podManagementPolicy"]?.ToString() == "Parallel";
        /// <summary>The first ordinal that an update replaces; the partition counts from the first ordinal, as in Kubernetes.</summary>
        private readonly int _partition = Start + (Set["spec"]!["updateStrategy"]?["rollingUpdate"]?["partition"].Int() ?? 0);

        private bool Healthy(JsonObject pod) => !pod.IsDeleted() && pod.Phase() == "Running" && pod.IsAvailable(MinReady, Now);

        public void Decide(List<WorkloadAction> actions)
        {
            int before = actions.Count;
            // A pod that is to go takes its claims along only when they know it: that is written first.
            actions.AddRange(Own.SelectMany(entry => ClaimRetention.Decide(Set, entry.Pod, entry.Ordinal < Start || entry.Ordinal >= End, Claims)));
            if (actions.Count > before) return;
            for (int ordinal = Start; ordinal < End; ordinal++)
            {
                var pod = Own.FirstOrDefault(entry => entry.Ordinal == ordinal).Pod;
                if (pod is null) Create(ordinal, actions);
                else if (pod.IsOver() && !pod.IsDeleted()) actions.Add(Delete(pod)); // made anew under its name
                if (!_parallel && (pod is null || !Healthy(pod))) return;
            }
            var condemned = Own.Where(entry => entry.Ordinal < Start || entry.Ordinal >= End).OrderByDescending(entry => entry.Ordinal).ToList();
            if (_parallel) actions.AddRange(condemned.Where(entry => !entry.Pod.IsDeleted()).Select(entry => Delete(entry.Pod)));
            else if (condemned.Count > 0)
            {
                if (condemned.All(entry => !entry.Pod.IsDeleted())) actions.Add(Delete(condemned[0].Pod));
                return;
            }
            if (actions.Count == before) Update(actions);
        }

        private void Update(List<WorkloadAction> actions)
        {
            if (Set["spec"]!["updateStrategy"]?["type"]?.ToString() == "OnDelete") return;
            foreach (var (pod, ordinal) in Own.Where(entry => entry.Ordinal >= _partition && entry.Ordinal < End).Reverse())
            {
                if (pod.IsDeleted()) return;
                if (Revision(Set, pod) != History.Update)
                {
                    // A broken pod of the old template may go at once; a working one only when every other one works.
                    if (!Healthy(pod) || Own.All(other => Healthy(other.Pod))) actions.Add(Delete(pod));
                    return;
                }
                if (!Healthy(pod)) return;
            }
        }

        private void Create(int ordinal, List<WorkloadAction> actions)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{Set.Name()}-{ordinal}");
            // Below the partition the old template stays.
            var revision = ordinal < _partition ? Current : History.Update;
            var pod = PodTemplates.NewPod(Kinds.StatefulSet, Set, History.Template(revision, Set), name);
            pod.Labelled("statefulset.kubernetes.io/pod-name", name).Labelled("apps.kubernetes.io/pod-index", ordinal.ToString(CultureInfo.InvariantCulture)).Labelled(Revisions.Label, revision);
            var spec = pod["spec"]!.AsObject();
            spec.Remove("$patch");
            spec["hostname"] = name;
            if (Set["spec"]!["serviceName"]?.ToString() is { Length: > 0 } service) spec["subdomain"] = service;
            foreach (var template in (Set["spec"]!["volumeClaimTemplates"] as JsonArray ?? []).OfType<JsonObject>()) Claim(template, name, spec, actions);
            actions.Add(new CreateObject(Kinds.Pod, pod));
        }

        private void Claim(JsonObject template, string pod, JsonObject spec, List<WorkloadAction> actions)
        {
            var volume = template.Name();
            var name = $"{volume}-{pod}";
            if (spec["volumes"] is not JsonArray volumes) spec["volumes"] = volumes = [];
            foreach (var same in volumes.OfType<JsonObject>().Where(other => other.Text("name") == volume).ToList()) volumes.Remove(same);
            volumes.Add(new JsonObject { ["name"] = volume, ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = name } });
            if (Claims(new ObjectName(Set.Namespace(), name)) is not null) return;
            actions.Add(new CreateObject(Kinds.PersistentVolumeClaim, new JsonObject
            {
                ["apiVersion"] = "v1", ["kind"] = "PersistentVolumeClaim",
                ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = Set.Namespace(), ["labels"] = Set["spec"]!["selector"]?["matchLabels"]?.DeepClone() },
                ["spec"] = template["spec"]?.DeepClone(), ["status"] = new JsonObject { ["phase"] = "Pending" },
            }));
        }
    }

    private static DeleteObject Delete(JsonObject pod) => new(Kinds.Pod, ObjectStamp.NameOf(pod), pod.Uid());

    private static string Revision(JsonObject set, JsonObject pod) => pod.Label(Revisions.Label) ?? set.Name();

    private static int Ordinal(JsonObject set, JsonObject pod) =>
        pod.Name().StartsWith(set.Name() + "-", StringComparison.Ordinal) && int.TryParse(pod.Name()[(set.Name().Length + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal) ? ordinal : -1;

    private static void Status(JsonObject set, string update, string current, List<JsonObject> own, int wanted, int minReady, DateTimeOffset now, List<WorkloadAction> actions)
    {
        var live = own.Where(pod => !pod.IsOver()).ToList();
        int updated = live.Count(pod => Revision(set, pod) == update && !pod.IsDeleted()), ready = live.Count(pod => pod.IsReady()), available = live.Count(pod => pod.IsAvailable(minReady, now));
        bool complete = updated == wanted && live.Count == wanted && ready == wanted;
        if (complete) current = update;
        PodTemplates.WriteStatus(Kinds.StatefulSet, set, new JsonObject
        {
            ["observedGeneration"] = set.Metadata()["generation"]?.DeepClone(), ["replicas"] = live.Count, ["readyReplicas"] = ready, ["availableReplicas"] = available, ["updatedReplicas"] = updated,
            ["currentReplicas"] = live.Count(pod => Revision(set, pod) == current && !pod.IsDeleted()), ["currentRevision"] = current, ["updateRevision"] = update, ["collisionCount"] = 0,
        }, actions);
    }
}
