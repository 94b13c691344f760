using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>How a pod of a Job ended, as far as the Job is concerned.</summary>
public enum PodEnd { None, Succeeded, Failed, Ignored }

/// <summary>
/// Counts ended pods once each, whoever removes them when. A pod of a Job has a finalizer. Once it has ended, its uid is written into status.uncountedTerminatedPods; when that is in the store the finalizer is
/// taken off; when that is done too, the uid becomes a number. An index that has succeeded is remembered by itself (status.completedIndexes), and its pod's finalizer comes off when that is in the store. Pure.
/// </summary>
/// <param name="Succeeded">Pods that have succeeded, all told.</param>
/// <param name="Failed">Pods that have failed, all told.</param>
/// <param name="Counted">Those of them that are numbers in the status already.</param>
/// <param name="Uncounted">status.uncountedTerminatedPods as it is to be; null: nothing is open.</param>
/// <param name="Released">Pods whose finalizer may come off.</param>
public sealed record JobTally(int Succeeded, int Failed, (int Succeeded, int Failed) Counted, JsonObject? Uncounted, IReadOnlyList<JsonObject> Released)
{
    /// <param name="job">The Job as it is in the store.</param>
    /// <param name="own">Its pods.</param>
    /// <param name="ends">How each ended.</param>
    /// <param name="isKept">A failed or ignored pod that the next one of its index is yet to be made by.</param>
    public static JobTally Of(JsonObject job, IReadOnlyList<JsonObject> own, Func<JsonObject, PodEnd> ends, Func<JsonObject, bool> isKept)
    {
        var status = job["status"];
        bool indexed = job["spec"]!["completionMode"]?.ToString() == "Indexed";
        var remembered = JobProgress.Parse(status?["completedIndexes"]?.ToString());
        var tracked = own.Where(IsTracked).ToDictionary(pod => pod.Uid());
        var (written, open, counted) = (new Dictionary<string, HashSet<string>>(), new Dictionary<string, List<string>>(), new Dictionary<string, int>());
        foreach (var end in new[] { "succeeded", "failed" })
        {
            written[end] = [.. (status?["uncountedTerminatedPods"]?[end] as JsonArray ?? []).Select(uid => uid!.ToString())];
            open[end] = [.. written[end].Where(tracked.ContainsKey)];
            counted[end] = (status?[end].Int() ?? 0) + written[end].Count - open[end].Count;
        }
        var released = new List<JsonObject>();
        foreach (var (uid, pod) in tracked)
        {
            var end = ends(pod);
            if (written["succeeded"].Contains(uid) || written["failed"].Contains(uid)) { if (!isKept(pod)) released.Add(pod); }
            else if (end == PodEnd.Ignored) { if (!isKept(pod)) released.Add(pod); }
            else if (end == PodEnd.Failed) open["failed"].Add(uid);
            else if (end == PodEnd.Succeeded && !indexed) open["succeeded"].Add(uid);
            else if (end == PodEnd.Succeeded && (JobPlan.Index(pod) is not { } index || remembered.Contains(index) || index >= job["spec"]!["completions"].Int())) released.Add(pod);
        }
        var uncounted = new JsonObject(open.Where(pair => pair.Value.Count > 0).Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)new JsonArray([.. pair.Value.Order(StringComparer.Ordinal).Select(uid => JsonValue.Create(uid))]))));
        return new JobTally(counted["succeeded"] + open["succeeded"].Count, counted["failed"] + open["failed"].Count, (counted["succeeded"], counted["failed"]), uncounted.Count > 0 ? uncounted : null, released);
    }

    public static bool IsTracked(JsonObject pod) => pod.Metadata()["finalizers"] is JsonArray finalizers && finalizers.Any(finalizer => finalizer?.ToString() == Finalizers.JobTracking);

    public static UpdateObject Release(JsonObject pod) => new(Kinds.Pod, Finalizers.Without(pod, Finalizers.JobTracking));
}
