using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Resources;
using Xunit;
using Xunit.Abstractions;

namespace Eyrie.Controllers.Tests.Simulation;

/// <summary>
/// Thousands of random histories of all workloads together. The first seed is 0 and EYRIE_SEED another; a failure prints its own. That the rules are really looked at is shown by plans with an off-by-one.
/// </summary>
[Collection(nameof(Alone))]
public sealed class ClusterSimulationTests(ITestOutputHelper output)
{
    private const int Steps = 260;
    private static readonly int First = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), out int seed) ? seed : 0, Histories = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? 20_000 : 2_000;

    private static readonly Func<SimulatedCluster, Subject>[] Everything = [cluster => new RollingSubject(cluster), cluster => new RecreateSubject(cluster), cluster => new StatefulSubject(cluster), cluster => new DaemonSubject(cluster), cluster => new JobSubject(cluster), cluster => new ServiceSubject(cluster)];

    private static void Run(int seed, IReadOnlyDictionary<ResourceKind, Decide>? mutants = null, params Func<SimulatedCluster, Subject>[] subjects) => new SimulatedCluster(seed, mutants ?? new Dictionary<ResourceKind, Decide>(), subjects.Length > 0 ? subjects : Everything).Run(Steps);

    /// <summary>The broken rule of the lowest seed, if any.</summary>
    private string? Broken(ResourceKind? kind = null, Decide? mutant = null, params Func<SimulatedCluster, Subject>[] subjects)
    {
        var mutants = mutant is null ? new Dictionary<ResourceKind, Decide>() : new Dictionary<ResourceKind, Decide> { [kind!] = mutant };
        output.WriteLine($"histories of the seeds {First} to {First + Histories - 1}");
        RuleBroken? broken = null;
        Parallel.For(First, First + Histories, (seed, state) =>
        {
            try
            {
                Run(seed, mutants, subjects);
            }
            catch (RuleBroken found)
            {
                Interlocked.CompareExchange(ref broken, found, null);
                state.Stop();
            }
        });
        if (broken is not null) output.WriteLine(broken.Message);
        return broken?.Message;
    }

    /// <summary>Histories that broke a rule once.</summary>
    [Theory]
    [InlineData(761)]
    [InlineData(1_943)]
    public void What_went_wrong_once_does_not_again(int seed) => Run(seed);

    [Fact]
    public void Whatever_happens_no_rule_is_broken_and_everything_comes_to_rest()
    {
        if (Broken() is { } broken) Assert.Fail(broken);
    }

    private static Decide Real(ResourceKind kind) => WorkloadKinds.All.Single(entry => entry.Kind == kind).Decide;

    /// <summary>The real plan, which reads another spec than there is.</summary>
    private static Decide Believing(ResourceKind kind, Action<JsonObject> lie) => (item, known, now) =>
    {
        var copy = (JsonObject)item.DeepClone();
        lie(copy["spec"]!.AsObject());
        return [.. Real(kind)(copy, known, now).Select(action => action is UpdateObject { Document: var document } update && update.Kind == kind && document["spec"] is not null ? Restored(update, item) : action)];
    };

    private static UpdateObject Restored(UpdateObject update, JsonObject item)
    {
        if (update.Kind != Kinds.Job) update.Document["spec"] = item["spec"]!.DeepClone();
        return update;
    }

    private static void Rolling(JsonObject spec, string bound, Func<JsonObject, int> value)
    {
        if (spec["strategy"]?["rollingUpdate"] is JsonObject rolling) rolling[bound] = value(spec);
    }

    [Fact]
    public void A_deployment_that_lets_one_more_be_unavailable_is_caught() => Assert.Contains("replicas - maxUnavailable",
        Broken(Kinds.Deployment, Believing(Kinds.Deployment, spec => Rolling(spec, "maxUnavailable", own => RollingSubject.Bounds(own, own["replicas"].Int()).Unavailable + 1)), cluster => new RollingSubject(cluster)), StringComparison.Ordinal);

    [Fact]
    public void A_deployment_that_lets_one_more_be_there_is_caught() => Assert.Contains("replicas + maxSurge",
        Broken(Kinds.Deployment, Believing(Kinds.Deployment, spec => Rolling(spec, "maxSurge", own => RollingSubject.Bounds(own, own["replicas"].Int()).Surge + 1)), cluster => new RollingSubject(cluster)), StringComparison.Ordinal);

    [Fact]
    public void A_percentage_of_unavailable_pods_that_is_rounded_up_is_caught() => Assert.Contains("replicas - maxUnavailable",
        Broken(Kinds.Deployment, Believing(Kinds.Deployment, spec => Rolling(spec, "maxUnavailable", own => Portion.Of(own["strategy"]!["rollingUpdate"]!["maxUnavailable"], "0", own["replicas"].Int(), up: true))), cluster => new RollingSubject(cluster)), StringComparison.Ordinal);

    [Fact]
    public void A_recreation_that_does_not_wait_for_pods_that_end_is_caught() => Assert.Contains("(Recreate)", Broken(Kinds.Deployment, (item, known, now) => DeploymentPlan.Decide(item, known.OwnedBy(Kinds.ReplicaSet, item.Uid()).Select(set =>
    {
        var copy = (JsonObject)set.DeepClone();
        (copy["status"] as JsonObject)?.Remove("terminatingReplicas");
        return copy;
    }), now), cluster => new RecreateSubject(cluster)), StringComparison.Ordinal);

    /// <summary>What the plan believes of the pods of an object, in place of what is known.</summary>
    private static ObjectCache Pods(ObjectCache known, JsonObject owner, Func<List<JsonObject>, IEnumerable<JsonObject>> believed)
    {
        var cache = new ObjectCache();
        foreach (var kind in SimulatedCluster.Watched)
        {
            IEnumerable<JsonObject> items = known.All(kind);
            if (kind == Kinds.Pod) items = [.. items.Where(pod => pod.OwnerUid() != owner.Uid()), .. believed([.. items.Where(pod => pod.OwnerUid() == owner.Uid())])];
            cache.Apply(kind, [.. items.Select(item => new ObjectChange(ChangeType.Added, kind, ObjectStamp.NameOf(item), item, (JsonObject?)null))], known.At(kind));
        }
        return cache;
    }

    /// <summary>One that does not work is taken to.</summary>
    private static IEnumerable<JsonObject> Rosy(List<JsonObject> pods)
    {
        var blind = pods.FirstOrDefault(pod => !pod.IsDeleted() && !pod.IsOver() && !pod.IsReady());
        return pods.Select(pod =>
        {
            if (pod != blind) return pod;
            var copy = (JsonObject)pod.DeepClone();
            copy["status"] = Documents.Json("""{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2020-01-01T00:00:00Z"}]}""");
            return copy;
        });
    }

    [Fact]
    public void A_stateful_set_that_overlooks_one_that_does_not_work_is_caught() => Assert.Matches("one at a time|order",
        Broken(Kinds.StatefulSet, (item, known, now) => Real(Kinds.StatefulSet)(item, Pods(known, item, Rosy), now), cluster => new StatefulSubject(cluster)));

    [Fact]
    public void A_stateful_set_whose_partition_is_one_too_low_is_caught() => Assert.Contains("below the partition", Broken(Kinds.StatefulSet, Believing(Kinds.StatefulSet, spec =>
        spec["updateStrategy"]!["rollingUpdate"]!["partition"] = Math.Max(0, spec["updateStrategy"]!["rollingUpdate"]!["partition"].Int() - 1)), cluster => new StatefulSubject(cluster)), StringComparison.Ordinal);

    [Theory]
    [InlineData("maxUnavailable", "(maxUnavailable of ")]
    [InlineData("maxSurge", "(maxSurge)")]
    public void A_daemon_set_that_takes_one_more_than_it_may_is_caught(string bound, string rule) => Assert.Contains(rule, Broken(Kinds.DaemonSet, Believing(Kinds.DaemonSet, spec =>
    {
        var rolling = spec["updateStrategy"]!["rollingUpdate"]!;
        if (rolling[bound] is JsonValue value && value.ToString() != "0") rolling[bound] = (value.ToString().EndsWith('%') ? 2 : value.Int()) + 1;
    }), cluster => new DaemonSubject(cluster)), StringComparison.Ordinal);

    [Theory]
    [InlineData("parallelism", "(parallelism)")]
    [InlineData("completions", "(completions)")]
    public void A_job_that_runs_one_more_than_it_may_is_caught(string bound, string rule) => Assert.Contains(rule, Broken(Kinds.Job, Believing(Kinds.Job, spec =>
    {
        if (spec["selector"] is not null && (bound != "completions" || spec["completionMode"]!.ToString() == "NonIndexed")) spec[bound] = spec[bound].Int() + 1;
    }), cluster => new JobSubject(cluster)), StringComparison.Ordinal);

    [Fact]
    public void A_job_that_overlooks_pods_that_have_succeeded_is_caught() => Assert.Matches("each index once|completions", Broken(Kinds.Job, (item, known, now) =>
        Real(Kinds.Job)(item, Pods(known, item, pods => pods.Where(pod => pod.Phase() != "Succeeded")), now), cluster => new JobSubject(cluster)));
}
