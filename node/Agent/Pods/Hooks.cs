using System.Text.Json.Nodes;
using Eyrie.Node.Probes;

namespace Eyrie.Node;

/// <summary>Lifecycle hooks of a container: postStart and preStop, as exec, httpGet or sleep.</summary>
public static class Hooks
{
    public static JsonObject? Of(JsonObject container, string name) => container["lifecycle"]?[name] as JsonObject;

    public static async Task<ProbeOutcome> RunAsync(JsonObject hook, ProbeChecks checks, CancellationToken cancellationToken)
    {
        if (hook["sleep"]?["seconds"] is JsonValue value && value.TryGetValue(out long seconds))
        {
            await Task.Delay(TimeSpan.FromSeconds(seconds), cancellationToken);
            return new ProbeOutcome(true, "");
        }
        return await checks.AskAsync(hook, cancellationToken);
    }
}
