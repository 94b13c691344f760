using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>From records to a v1.PodStatus as Kubernetes words it. Pure.</summary>
public static class PodStatus
{
    /// <summary>There from the first time on that a container's set, read back from the kernel, was not the compiled one: False while one is not.</summary>
    public const string CapabilitiesEqual = "eyrie.dev/CapabilitiesEqual";

    public static JsonObject Of(IReadOnlyList<ContainerRecord> records, string restartPolicy, string quality, string address, string hostAddress, DateTimeOffset started, JsonObject? before, (string Reason, string Message)? failure, DateTimeOffset now)
    {
        var init = records.Where(record => record.Role is ContainerRole.Init or ContainerRole.Sidecar).ToList();
        var added = records.Where(record => record.Role == ContainerRole.Ephemeral).ToList();
        var main = records.Where(record => record.Role == ContainerRole.Main).ToList();
        var phase = failure is not null && !records.Any(record => record.Running || record.Starting) ? "Failed" : Phase(init, main, restartPolicy);
        bool over = phase is "Succeeded" or "Failed";
        var uninitialized = init.Where(record => !Initialized(record)).Select(record => record.Name).ToList();
        var unready = records.Where(record => record.Role is ContainerRole.Sidecar or ContainerRole.Main && !record.Ready).Select(record => record.Name).ToList();
        var notReady = unready.Count == 0 ? null : phase == "Succeeded" ? ("PodCompleted", "") : phase == "Failed" ? ("PodFailed", "") : ((string, string)?)("ContainersNotReady", $"containers with unready status: [{string.Join(' ', unready)}]");
        var notInitialized = uninitialized.Count == 0 || over ? null : ((string, string)?)("ContainersNotInitialized", $"containers with incomplete status: [{string.Join(' ', uninitialized)}]");
        var status = new JsonObject
        {
            ["phase"] = phase, ["hostIP"] = hostAddress, ["hostIPs"] = new JsonArray(new JsonObject { ["ip"] = hostAddress }), ["podIP"] = address, ["podIPs"] = new JsonArray(new JsonObject { ["ip"] = address }),
            ["startTime"] = Time(started), ["qosClass"] = quality,
            ["conditions"] = new JsonArray(
                Condition("PodReadyToStartContainers", null, before, started), Condition("Initialized", notInitialized, before, now), Condition("Ready", notReady, before, now),
                Condition("ContainersReady", notReady, before, now), Condition("PodScheduled", null, before, started)),
            ["containerStatuses"] = new JsonArray([.. main.Select(Container)]),
        };
        if (records.Any(record => record.Mismatch is not null))
        {
            var differing = records.Where(record => record.Mismatch is { Length: > 0 }).Select(record => $"container {record.Name}: {record.Mismatch}").ToList();
            status["conditions"]!.AsArray().Add((JsonNode)Condition(CapabilitiesEqual, differing.Count == 0 ? null : ("CapabilityMismatch", string.Join("; ", differing)), before, now));
        }
        if (failure is ({ } reason, { } message) && reason == ShutdownPlan.Reason) status["conditions"]!.AsArray().Add((JsonNode)Disrupted(message, before, now));
        if (failure is { } why && phase == "Failed") (status["reason"], status["message"]) = (why.Reason, why.Message);
        if (init.Count > 0) status["initContainerStatuses"] = new JsonArray([.. init.Select(Container)]);
        if (added.Count > 0) status["ephemeralContainerStatuses"] = new JsonArray([.. added.Select(Container)]);
        return status;
    }

    /// <summary>The pod was ended though nothing was wrong with it: whoever made it may not count that against it.</summary>
    private static JsonObject Disrupted(string message, JsonObject? before, DateTimeOffset now)
    {
        var condition = Condition("DisruptionTarget", null, before, now);
        (condition["reason"], condition["message"]) = ("TerminationByKubelet", message);
        return condition;
    }

    private static bool Initialized(ContainerRecord record) => record.Role == ContainerRole.Sidecar ? record.Started : record.End?.ExitCode == 0;

    private static string Phase(List<ContainerRecord> init, List<ContainerRecord> main, string policy)
    {
        bool Over(ContainerRecord record) => record is { Running: false, RetryAt: null, End: not null } && !PodPlan.Restarts(policy, record.Role, record.End.ExitCode);
        if (init.Any(record => record.Role == ContainerRole.Init && record.End?.ExitCode is not (null or 0) && Over(record))) return "Failed";
        if (main.All(Over)) return init.Any(record => record is { Role: ContainerRole.Sidecar, Running: true }) ? "Running" : main.All(record => record.End!.ExitCode == 0) ? "Succeeded" : "Failed";
        bool pending = init.Any(record => record.Role == ContainerRole.Sidecar ? !record.Started && record.End is null : record.End?.ExitCode != 0);
        return !pending && main.All(record => record.Running || record.End is not null) ? "Running" : "Pending";
    }

    private static JsonObject Container(ContainerRecord record)
    {
        var status = new JsonObject
        {
            ["name"] = record.Name, ["image"] = record.Image, ["imageID"] = record.ImageId, ["ready"] = record.Role switch { ContainerRole.Init => record.End?.ExitCode == 0, ContainerRole.Ephemeral => false, _ => record.Ready },
            ["started"] = record.Started, ["restartCount"] = record.Restarts, ["containerID"] = record.Runs > 0 ? "metteagle://" + record.Id : "",
        };
        bool current = false;
        if (record.Running) status["state"] = new JsonObject { ["running"] = new JsonObject { ["startedAt"] = Time(record.StartedAt!.Value) } };
        else if (record.Waiting is { } waiting) status["state"] = new JsonObject { ["waiting"] = Waiting(waiting.Reason, waiting.Message) };
        else if (current = record.End is not null) status["state"] = new JsonObject { ["terminated"] = Terminated(record.End!) };
        if (record.End is { } end && !current) status["lastState"] = new JsonObject { ["terminated"] = Terminated(end) };
        else status["lastState"] = new JsonObject();
        return status;
    }

    private static JsonObject Waiting(string reason, string message)
    {
        var waiting = new JsonObject { ["reason"] = reason };
        if (message.Length > 0) waiting["message"] = message;
        return waiting;
    }

    private static JsonObject Terminated(ContainerEnd end)
    {
        var ended = new JsonObject { ["exitCode"] = end.ExitCode, ["reason"] = end.Reason, ["finishedAt"] = Time(end.FinishedAt), ["containerID"] = "metteagle://" + end.Id };
        if (end.Message.Length > 0) ended["message"] = end.Message;
        if (end.StartedAt is { } started) ended["startedAt"] = Time(started);
        return ended;
    }

    private static JsonObject Condition(string type, (string Reason, string Message)? fault, JsonObject? before, DateTimeOffset now)
    {
        var old = (before?["conditions"] as JsonArray)?.FirstOrDefault(condition => condition?["type"]?.ToString() == type);
        var word = fault is null ? "True" : "False";
        var condition = new JsonObject { ["type"] = type, ["status"] = word, ["lastProbeTime"] = null, ["lastTransitionTime"] = old?["status"]?.ToString() == word ? old["lastTransitionTime"]!.ToString() : Time(now) };
        if (fault is { } why)
        {
            condition["reason"] = why.Reason;
            if (why.Message.Length > 0) condition["message"] = why.Message;
        }
        return condition;
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
