using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Scheduler;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>From a PodDisruptionBudget object to what preemption sees. Pure.</summary>
public static class Budgets
{
    public static DisruptionBudget Read(JsonObject budget) => new(budget.Namespace(), PodReader.Select(budget["spec"]?["selector"]), budget["status"]?["disruptionsAllowed"].Int() ?? 0)
    {
        Disrupted = (budget["status"]?["disruptedPods"] as JsonObject ?? []).Select(pair => pair.Key).ToList(),
    };
}
