using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>Documents in the words that people know from kubectl.</summary>
public static class Words
{
    private static IEnumerable<JsonObject> Statuses(JsonObject pod) => (pod["status"]?["containerStatuses"] as JsonArray)?.OfType<JsonObject>() ?? [];

    /// <summary>Ready of all containers: <c>1/2</c>.</summary>
    public static string ReadyContainers(JsonObject pod) => $"{Statuses(pod).Count(status => status["ready"]?.GetValue<bool>() == true)}/{(pod["spec"]?["containers"] as JsonArray)?.Count ?? 0}";

    public static int Restarts(JsonObject pod) => Statuses(pod).Sum(status => status["restartCount"]?.GetValue<int>() ?? 0);

    /// <summary>The phase, or what holds the pod up: Running, Terminating, ImagePullBackOff.</summary>
    public static string PodStatus(JsonObject pod)
    {
        if (pod.Metadata()["deletionTimestamp"] is not null) return "Terminating";
        foreach (var status in Statuses(pod))
            if (status["state"]?["waiting"]?["reason"]?.ToString() is { Length: > 0 } waiting) return waiting;
        foreach (var status in Statuses(pod))
            if (status["state"]?["terminated"]?["reason"]?.ToString() is { Length: > 0 } terminated) return terminated;
        return pod["status"]?["reason"]?.ToString() ?? pod["status"]?["phase"]?.ToString() ?? "Unknown";
    }

    public static string NodeStatus(JsonObject node)
    {
        var ready = (node["status"]?["conditions"] as JsonArray ?? []).FirstOrDefault(condition => condition?["type"]?.ToString() == "Ready")?["status"]?.ToString() == "True" ? "Ready" : "NotReady";
        return node["spec"]?["unschedulable"]?.GetValue<bool>() == true ? ready + ",SchedulingDisabled" : ready;
    }

    /// <summary>Time since an RFC 3339 instant: 45s, 3m12s, 5h, 12d.</summary>
    public static string Age(string? time)
    {
        if (!DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var then)) return "<unknown>";
        var age = DateTimeOffset.UtcNow - then;
        return age switch
        {
            { TotalSeconds: < 120 } => $"{(int)Math.Max(0, age.TotalSeconds)}s", { TotalMinutes: < 10 } => age.Seconds == 0 ? $"{(int)age.TotalMinutes}m" : $"{(int)age.TotalMinutes}m{age.Seconds}s",
            { TotalHours: < 3 } => $"{(int)age.TotalMinutes}m", { TotalHours: < 8 } => age.Minutes == 0 ? $"{(int)age.TotalHours}h" : $"{(int)age.TotalHours}h{age.Minutes}m",
            { TotalHours: < 48 } => $"{(int)age.TotalHours}h", _ => $"{(int)age.TotalDays}d",
        };
    }
}
