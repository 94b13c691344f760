using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>spec.successPolicy of an indexed Job: which indexes, or how many of them, are enough. Pure.</summary>
public static class JobSuccessPolicy
{
    /// <returns>The rule that is met, in the words of kube-controller-manager; null: none.</returns>
    public static string? Met(JsonObject job, IReadOnlySet<int> completed)
    {
        int number = 0;
        foreach (var rule in (job["spec"]?["successPolicy"]?["rules"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var among = rule["succeededIndexes"] is { } indexes ? JobProgress.Parse(indexes.ToString()) : null;
            int done = among is null ? completed.Count : among.Count(completed.Contains);
            if (rule["succeededCount"] is { } count ? done >= count.Int() : among is not null && done == among.Count) return string.Create(CultureInfo.InvariantCulture, $"Matched rules at index {number}");
            number++;
        }
        return null;
    }
}
