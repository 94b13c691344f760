using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>pods/log: the lines of one container, from the node that runs it.</summary>
public sealed class PodLogs(Reads reads, INodeGateway nodes)
{
    public async Task LogAsync(Call call)
    {
        var pod = await reads.FoundAsync(call);
        var query = call.Query;
        long? Number(string name) => query[name].ToString() is not { Length: > 0 } text ? null
            : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && value >= 0 ? value : throw StatusException.Invalid("PodLogOptions", call.Name.Name, [new FieldError(name, $"Invalid value: \"{text}\": must be greater than or equal to 0")]);
        DateTimeOffset? since = Number("sinceSeconds") is { } ago ? DateTimeOffset.UtcNow.AddSeconds(-Math.Min(ago, 1e9)) : null;
        if (query["sinceTime"].ToString() is { Length: > 0 } text)
            since = DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : throw StatusException.BadRequest($"sinceTime must be an RFC 3339 time, not \"{text}\"");
        var options = new LogOptions(PodContainers.Choose(pod, query["container"]), query["follow"] == "true", query["previous"] == "true", Number("tailLines"), query["timestamps"] == "true", since, Number("limitBytes"));
        var node = PodContainers.NodeOf(pod);
        if (PodContainers.Waiting(pod, options.Container!) is { } reason) throw StatusException.BadRequest($"container \"{options.Container}\" in pod \"{call.Name.Name}\" is waiting to start: {reason}");
        if (options.Previous && !PodContainers.RanBefore(pod, options.Container!)) throw StatusException.BadRequest($"previous terminated container \"{options.Container}\" in pod \"{call.Name.Name}\" not found");
        call.GoOn();
        call.Http.Response.ContentType = "text/plain";
        await foreach (var chunk in nodes.LogsAsync(node, pod.Metadata().Text("uid")!, options, call.Http.RequestAborted))
        {
            await call.Http.Response.Body.WriteAsync(chunk, call.Http.RequestAborted);
            await call.Http.Response.Body.FlushAsync(call.Http.RequestAborted);
        }
    }
}

/// <summary>Which container of a pod a request is about. Pure.</summary>
public static class PodContainers
{
    /// <summary>The one that is named, or the default one, or the only one.</summary>
    /// <exception cref="StatusException">400: there is none of that name, or more than one to choose from.</exception>
    public static string Choose(JsonObject pod, string? named)
    {
        var name = pod.Metadata().Text("name");
        var names = Names(pod, "containers").ToList();
        var all = names.Concat(Names(pod, "initContainers")).Concat(Names(pod, "ephemeralContainers"));
        if (!string.IsNullOrEmpty(named)) return all.Contains(named) ? named : throw StatusException.BadRequest($"container {named} is not valid for pod {name}");
        if (pod.Metadata()["annotations"]?["kubectl.kubernetes.io/default-container"]?.ToString() is { } preferred && names.Contains(preferred)) return preferred;
        return names.Count == 1 ? names[0] : throw StatusException.BadRequest($"a container name must be specified for pod {name}, choose one of: [{string.Join(' ', names)}]");
    }

    public static string NodeOf(JsonObject pod) => pod["spec"]?["nodeName"]?.ToString() is { Length: > 0 } node ? node : throw StatusException.BadRequest($"pod {pod.Metadata().Text("name")} does not have a host assigned");

    /// <summary>Why a container has not run yet; null when it has, or its state is not known.</summary>
    public static string? Waiting(JsonObject pod, string container)
    {
        var status = Status(pod, container);
        return status?["lastState"]?["terminated"] is null && status?["state"]?["waiting"] is JsonObject waiting ? waiting.Text("reason") ?? "ContainerCreating" : null;
    }

    /// <summary>Whether there was a run before the newest one.</summary>
    public static bool RanBefore(JsonObject pod, string container) => Status(pod, container)?["lastState"]?["terminated"] is not null;

    private static JsonObject? Status(JsonObject pod, string container) =>
        new[] { "containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses" }.SelectMany(list => (pod["status"]?[list] as JsonArray ?? []).OfType<JsonObject>()).FirstOrDefault(status => status.Text("name") == container);

    private static IEnumerable<string> Names(JsonObject pod, string list) => (pod["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>().Select(container => container.Text("name") ?? "");
}
