using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>Documents in the words that people know from kubectl.</summary>
public static class Words
{
    private static IEnumerable<JsonObject> Statuses(JsonObject pod, string list = "containerStatuses") => (pod["status"]?[list] as JsonArray)?.OfType<JsonObject>() ?? [];

    /// <summary>Ready of all containers: <c>1/2</c>.</summary>
    public static string ReadyContainers(JsonObject pod) => $"{Statuses(pod).Count(status => status["ready"]?.GetValue<bool>() == true)}/{(pod["spec"]?["containers"] as JsonArray)?.Count ?? 0}";

    public static int Restarts(JsonObject pod) => Statuses(pod).Sum(status => status["restartCount"]?.GetValue<int>() ?? 0);

    /// <summary>How often containers were restarted, and how long ago the last time: <c>3 (2m ago)</c>.</summary>
    public static JsonNode RestartsAndWhen(JsonObject pod)
    {
        int restarts = Restarts(pod);
        var last = Statuses(pod).Select(status => status["lastState"]?["terminated"]?["finishedAt"]?.ToString()).Where(time => time is not null).Max(StringComparer.Ordinal);
        return restarts == 0 || last is null ? restarts.ToString(CultureInfo.InvariantCulture) : $"{restarts} ({Age(last)} ago)";
    }

    /// <summary>The phase, or what holds the pod up: Running, Terminating, ImagePullBackOff.</summary>
    public static string PodStatus(JsonObject pod)
    {
        if (pod.Metadata()["deletionTimestamp"] is not null) return "Terminating";
        if (Initializing(pod) is { } initializing) return initializing;
        foreach (var status in Statuses(pod))
            if (status["state"]?["waiting"]?["reason"]?.ToString() is { Length: > 0 } waiting) return waiting;
        foreach (var status in Statuses(pod))
            if (status["state"]?["terminated"]?["reason"]?.ToString() is { Length: > 0 } terminated) return terminated;
        return pod["status"]?["reason"]?.ToString() ?? pod["status"]?["phase"]?.ToString() ?? "Unknown";
    }

    /// <summary>How far the init containers are: <c>Init:1/3</c>, <c>Init:Error</c>. null: they are done.</summary>
    private static string? Initializing(JsonObject pod)
    {
        var specs = (pod["spec"]?["initContainers"] as JsonArray ?? []).OfType<JsonObject>().ToList();
        int done = 0;
        foreach (var status in Statuses(pod, "initContainerStatuses"))
        {
            var state = status["state"];
            bool sidecar = specs.FirstOrDefault(spec => spec["name"]?.ToString() == status["name"]?.ToString())?["restartPolicy"]?.ToString() == "Always";
            if (state?["terminated"] is { } ended)
            {
                if (ended["exitCode"]?.GetValue<int>() == 0) { done++; continue; }
                return ended["reason"]?.ToString() is { Length: > 0 } reason ? "Init:" + reason : $"Init:ExitCode:{ended["exitCode"]}";
            }
            if (sidecar && status["started"]?.GetValue<bool>() == true) { done++; continue; }
            if (state?["waiting"]?["reason"]?.ToString() is { Length: > 0 } waiting and not ("PodInitializing" or "ContainerCreating")) return "Init:" + waiting;
            return $"Init:{done}/{specs.Count}";
        }
        return null;
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
        return Length(DateTimeOffset.UtcNow - then);
    }

    /// <summary>A span of time: 45s, 3m12s, 5h, 12d.</summary>
    public static string Length(TimeSpan age)
    {
        return age switch
        {
            { TotalSeconds: < 120 } => $"{(int)Math.Max(0, age.TotalSeconds)}s", { TotalMinutes: < 10 } => age.Seconds == 0 ? $"{(int)age.TotalMinutes}m" : $"{(int)age.TotalMinutes}m{age.Seconds}s",
            { TotalHours: < 3 } => $"{(int)age.TotalMinutes}m", { TotalHours: < 8 } => age.Minutes == 0 ? $"{(int)age.TotalHours}h" : $"{(int)age.TotalHours}h{age.Minutes}m",
            { TotalHours: < 48 } => $"{(int)age.TotalHours}h", _ => $"{(int)age.TotalDays}d",
        };
    }
}
