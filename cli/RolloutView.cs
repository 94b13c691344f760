using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>One Deployment of a rollout as a person follows it.</summary>
/// <param name="Problem">What a pod of it waits for and will not get by waiting, or empty.</param>
public sealed record RolloutLine(string Name, int Wanted, int Updated, int Available, bool Done, string Problem);

/// <summary>From the documents of the cluster to what is shown of a rollout. Pure.</summary>
public static class RolloutView
{
    /// <summary>Reasons of a waiting container that time alone does not heal.</summary>
    private static readonly HashSet<string> Stuck = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError", "CrashLoopBackOff"];

    public static RolloutLine Of(JsonObject deployment, IEnumerable<JsonObject> pods)
    {
        int Number(string name) => deployment["status"]?[name]?.GetValue<int>() ?? 0;
        int wanted = deployment["spec"]?["replicas"]?.GetValue<int>() ?? 1, updated = Number("updatedReplicas"), available = Number("availableReplicas");
        bool observed = deployment["status"]?["observedGeneration"]?.ToString() == deployment["metadata"]!["generation"]?.ToString();
        bool done = observed && updated == wanted && available == wanted && Number("replicas") == wanted;
        return new RolloutLine(deployment["metadata"]!["name"]!.ToString(), wanted, updated, available, done, done ? "" : Problem(deployment, pods));
    }

    private static string Problem(JsonObject deployment, IEnumerable<JsonObject> pods)
    {
        var failed = (deployment["status"]?["conditions"] as JsonArray)?.FirstOrDefault(condition => condition?["reason"]?.ToString() is "ProgressDeadlineExceeded" or "FailedCreate");
        if (failed is not null) return failed["message"]?.ToString() ?? "";
        foreach (var pod in pods.Where(pod => Selected(deployment, pod)))
            foreach (var status in Statuses(pod))
                if (status["state"]?["waiting"] is JsonObject waiting && Stuck.Contains(waiting["reason"]?.ToString() ?? ""))
                    return $"pod {pod["metadata"]!["name"]}, container {status["name"]}: {waiting["reason"]}: {waiting["message"]}";
        var unscheduled = pods.Where(pod => Selected(deployment, pod)).Select(pod => (pod, condition: (pod["status"]?["conditions"] as JsonArray)?.FirstOrDefault(condition => condition?["reason"]?.ToString() == "Unschedulable"))).FirstOrDefault(pair => pair.condition is not null);
        return unscheduled.pod is null ? "" : $"pod {unscheduled.pod["metadata"]!["name"]}: {unscheduled.condition!["message"]}";
    }

    private static IEnumerable<JsonObject> Statuses(JsonObject pod) =>
        new[] { "initContainerStatuses", "containerStatuses" }.SelectMany(list => pod["status"]?[list] as JsonArray ?? []).OfType<JsonObject>();

    private static bool Selected(JsonObject deployment, JsonObject pod) =>
        pod["metadata"]?["namespace"]?.ToString() == deployment["metadata"]?["namespace"]?.ToString() && pod["metadata"]?["deletionTimestamp"] is null
        && deployment["spec"]?["selector"]?["matchLabels"] is JsonObject labels && labels.All(label => pod["metadata"]?["labels"]?[label.Key]?.ToString() == label.Value?.ToString());
}
