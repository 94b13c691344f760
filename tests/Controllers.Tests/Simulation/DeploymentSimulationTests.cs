using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Simulation;

public sealed class DeploymentSimulationTests
{
    private const int Steps = 150;
    private static readonly int Histories = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? 20_000 : 3_000;

    private static RuleBroken? First(DeploymentDecide decide, int histories)
    {
        for (int seed = 0; seed < histories; seed++)
        {
            try
            {
                new DeploymentSimulation(seed, decide).Run(Steps);
            }
            catch (RuleBroken broken)
            {
                return broken;
            }
        }
        return null;
    }

    [Fact]
    public void Whatever_happens_no_rule_is_broken_and_everything_comes_to_rest() 
    {
        if (First(DeploymentPlan.Decide, Histories) is { } broken) Assert.Fail(broken.Message);
    }

    /// <summary>Histories that broke a rule once.</summary>
    [Theory]
    [InlineData(10_171)] // made smaller and undone: the new set made pods while the old one still had its own
    [InlineData(12_819)] // made larger while a set of size 0 still had a pod
    public void What_went_wrong_once_does_not_again(int seed) => new DeploymentSimulation(seed, DeploymentPlan.Decide).Run(Steps);

    [Fact]
    public void A_planner_that_lets_one_more_be_unavailable_is_caught() =>
        Assert.Contains("replicas - maxUnavailable", First(Believing("maxUnavailable"), Histories)?.Message, StringComparison.Ordinal);

    [Fact]
    public void A_planner_that_lets_one_more_be_there_is_caught() =>
        Assert.Contains("replicas + maxSurge", First(Believing("maxSurge"), Histories)?.Message, StringComparison.Ordinal);

    /// <summary>The real plan with an off-by-one: it reads a bound as one more than it is.</summary>
    private static DeploymentDecide Believing(string bound) => (deployment, sets, now) =>
    {
        var copy = (JsonObject)deployment.DeepClone();
        var rolling = copy["spec"]!["strategy"]!["rollingUpdate"]!;
        rolling[bound] = rolling[bound].Int() + 1;
        return [.. DeploymentPlan.Decide(copy, sets, now).Select(action => action is UpdateObject { Document: var document } update && update.Kind == Kinds.Deployment ? update with { Document = Restored(document, deployment) } : action)];
    };

    private static JsonObject Restored(JsonObject document, JsonObject deployment)
    {
        document["spec"] = deployment["spec"]!.DeepClone();
        return document;
    }
}
