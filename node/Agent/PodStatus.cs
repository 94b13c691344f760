using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>One container's facts, as they stand in a v1.ContainerStatus.</summary>
public sealed class ContainerRecord(string name, string image, bool isInit)
{
    public string Name { get; } = name;
    public string Image { get; } = image;
    public bool IsInit { get; } = isInit;
    public string Id { get; set; } = "";
    public string ImageId { get; set; } = "";
    public bool Running { get; set; }
    public bool Ready { get; set; }
    public int? ExitCode { get; set; }
    public bool OutOfMemory { get; set; }
    public int Restarts { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    public DateTimeOffset? FinishedAt { get; set; }
    public DateTimeOffset? RetryAt { get; set; }
    public int Attempts { get; set; }
    /// <summary>Why it is not running: reason and message.</summary>
    public (string Reason, string Message)? Waiting { get; set; } = ("ContainerCreating", "");

    public ContainerView View() => new(Name, IsInit, Running, ExitCode, Restarts, FinishedAt, RetryAt);
}

/// <summary>From records to a v1.PodStatus as Kubernetes words it. Pure.</summary>
public static class PodStatus
{
    public static JsonObject Of(IReadOnlyList<ContainerRecord> records, string restartPolicy, string quality, string address, string hostAddress, DateTimeOffset started, JsonObject? before, DateTimeOffset now)
    {
        var init = records.Where(record => record.IsInit).ToList();
        var main = records.Where(record => !record.IsInit).ToList();
        bool initialized = init.All(record => record.ExitCode == 0), ready = main.All(record => record is { Running: true, Ready: true });
        var status = new JsonObject
        {
            ["phase"] = Phase(init, main, restartPolicy), ["hostIP"] = hostAddress, ["podIP"] = address, ["podIPs"] = new JsonArray(new JsonObject { ["ip"] = address }), ["startTime"] = Time(started), ["qosClass"] = quality,
            ["conditions"] = new JsonArray(
                Condition("PodScheduled", true, before, started), Condition("Initialized", initialized, before, now),
                Condition("ContainersReady", ready, before, now), Condition("Ready", ready, before, now)),
            ["containerStatuses"] = new JsonArray([.. main.Select(Container)]),
        };
        if (init.Count > 0) status["initContainerStatuses"] = new JsonArray([.. init.Select(Container)]);
        return status;
    }

    private static string Phase(List<ContainerRecord> init, List<ContainerRecord> main, string policy)
    {
        if (init.Any(record => record.ExitCode is not null and not 0) && policy == "Never") return "Failed";
        if (init.Any(record => record.ExitCode != 0)) return "Pending";
        if (main.All(record => record is { Running: false, ExitCode: not null }) && (policy == "Never" || (policy == "OnFailure" && main.All(record => record.ExitCode == 0))))
            return main.All(record => record.ExitCode == 0) ? "Succeeded" : "Failed";
        return main.All(record => record.Running || record.ExitCode is not null || record.Restarts > 0) ? "Running" : "Pending";
    }

    private static JsonObject Container(ContainerRecord record)
    {
        var status = new JsonObject
        {
            ["name"] = record.Name, ["image"] = record.Image, ["imageID"] = record.ImageId, ["ready"] = record.IsInit ? record.ExitCode == 0 : record.Ready, ["started"] = record.Running, ["restartCount"] = record.Restarts,
            ["containerID"] = record.Id.Length > 0 ? "metteagle://" + record.Id : "",
        };
        if (record.Running) status["state"] = new JsonObject { ["running"] = new JsonObject { ["startedAt"] = Time(record.StartedAt!.Value) } };
        else if (record.Waiting is { } waiting) status["state"] = new JsonObject { ["waiting"] = new JsonObject { ["reason"] = waiting.Reason, ["message"] = waiting.Message } };
        else if (record.ExitCode is not null) status["state"] = new JsonObject { ["terminated"] = Terminated(record) };
        if (record.ExitCode is not null && (record.Waiting is not null || record.Running)) status["lastState"] = new JsonObject { ["terminated"] = Terminated(record) };
        return status;
    }

    private static JsonObject Terminated(ContainerRecord record)
    {
        var ended = new JsonObject { ["exitCode"] = record.ExitCode, ["reason"] = record.OutOfMemory ? "OOMKilled" : record.ExitCode == 0 ? "Completed" : "Error" };
        if (record.StartedAt is { } started) ended["startedAt"] = Time(started);
        if (record.FinishedAt is { } finished) ended["finishedAt"] = Time(finished);
        return ended;
    }

    private static JsonObject Condition(string type, bool holds, JsonObject? before, DateTimeOffset now)
    {
        var old = (before?["conditions"] as JsonArray)?.FirstOrDefault(condition => condition?["type"]?.ToString() == type);
        var word = holds ? "True" : "False";
        return new JsonObject { ["type"] = type, ["status"] = word, ["lastProbeTime"] = null, ["lastTransitionTime"] = old?["status"]?.ToString() == word ? old["lastTransitionTime"]!.ToString() : Time(now) };
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
