using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>spec.podFailurePolicy of a Job: the first rule that a failed pod matches says what its failure means. Pure.</summary>
public static class PodFailurePolicy
{
    public static (string Action, string Message) Of(JsonObject job, JsonObject pod)
    {
        int number = 0;
        foreach (var rule in (job["spec"]?["podFailurePolicy"]?["rules"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (Matches(rule, pod) is { } why) return (rule.Text("action") ?? "Count", string.Create(CultureInfo.InvariantCulture, $"{why} matching {rule.Text("action")} rule at index {number}"));
            number++;
        }
        return ("Count", "");
    }

    private static string? Matches(JsonObject rule, JsonObject pod)
    {
        if (rule["onExitCodes"] is JsonObject codes)
        {
            var values = (codes["values"] as JsonArray ?? []).Select(value => value.Int()).ToHashSet();
            foreach (var status in (pod["status"]?["containerStatuses"] as JsonArray ?? []).OfType<JsonObject>())
                if ((codes.Text("containerName") is not { } name || name == status.Text("name")) && status["state"]?["terminated"]?["exitCode"].Int() is { } code && code != 0 && values.Contains(code) == (codes.Text("operator") != "NotIn"))
                    return string.Create(CultureInfo.InvariantCulture, $"Container {status.Text("name")} for pod {pod.Namespace()}/{pod.Name()} failed with exit code {code}");
        }
        foreach (var pattern in (rule["onPodConditions"] as JsonArray ?? []).OfType<JsonObject>())
            if (pod.Condition(pattern.Text("type") ?? "")?.Text("status") == (pattern.Text("status") ?? "True")) return $"Pod {pod.Namespace()}/{pod.Name()} has condition {pattern.Text("type")}";
        return null;
    }
}
