using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>Deployments as their actors run them, with a node that does what it is told.</summary>
public sealed class RolloutTests
{
    private static string Web(string image, string strategy, int replicas = 2) => """{"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":REPLICAS,STRATEGY"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"IMAGE"}]}}}}"""
        .Replace("REPLICAS", $"{replicas}", StringComparison.Ordinal).Replace("STRATEGY", strategy, StringComparison.Ordinal).Replace("IMAGE", image, StringComparison.Ordinal);

    private static string Image(JsonObject pod) => pod["spec"]!["containers"]![0]!["image"]!.ToString();

    private static async Task ChangeAsync(RunningControllers running, string document)
    {
        var web = Documents.Json(document);
        web.Metadata().Remove("resourceVersion");
        await running.Objects.UpdateAsync(Kinds.Deployment, web, CancellationToken.None);
    }

    [Fact]
    public async Task Recreate_makes_no_new_pod_before_the_last_old_one_has_ended()
    {
        await using var running = await RunningControllers.StartAsync();
        using var end = new CancellationTokenSource();
        var node = new FakeNode(running, "node-0");
        var living = node.RunAsync(end.Token);
        await running.CreateAsync(Kinds.Deployment, Web("i:1", """ "strategy":{"type":"Recreate"}, """));
        await RunningControllers.UntilAsync("two pods that run", () => running.ListAsync(Kinds.Pod), pods => pods.Count == 2 && pods.All(pod => pod.IsReady()), pods => $"{pods.Count}");
        // Every change of a pod from now on: with any of them there are pods of one version alone.
        var list = await running.Objects.ListAsync(Kinds.Pod, null, CancellationToken.None);
        var there = list.Items.ToDictionary(pod => pod.Name(), Image);
        var mixed = new List<string>();
        var watching = Task.Run(async () =>
        {
            await foreach (var batch in running.Objects.WatchAsync(Kinds.Pod, list.At, end.Token))
                foreach (var change in batch.Changes)
                {
                    if (change.Type == ChangeType.Deleted) there.Remove(change.Name.Name);
                    else there[change.Name.Name] = Image(change.Document);
                    if (there.Values.Distinct().Count() > 1) lock (mixed) mixed.Add($"{change.Type} {change.Name.Name}: {string.Join(' ', there.Values)}");
                }
        });
        node.Hold();
        await ChangeAsync(running, Web("i:2", """ "strategy":{"type":"Recreate"}, """));
        await RunningControllers.UntilAsync("two pods that are to end", () => running.ListAsync(Kinds.ReplicaSet), sets => sets.Any(set => set["status"]?["replicas"].Int() == 0 && set["status"]!["terminatingReplicas"].Int() == 2), sets => string.Join(' ', sets.Select(set => set["status"]?.ToJsonString())));
        await RunningControllers.UntilAsync("a status of the Deployment that knows it", () => running.GetAsync(Kinds.Deployment, "web"), web => web!["status"]!["replicas"].Int() == 0, web => web!["status"]!.ToJsonString());
        node.LetEnd();
        await RunningControllers.UntilAsync("two new pods", () => running.ListAsync(Kinds.Pod), pods => pods.Count == 2 && pods.All(pod => pod.IsReady() && Image(pod) == "i:2"), pods => $"{pods.Count}");
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
        await living;
        Assert.Empty(mixed);
    }

    [Fact]
    public async Task A_set_of_somebody_else_with_the_name_makes_the_deployment_take_another_and_count_the_collision()
    {
        await using var running = await RunningControllers.StartAsync();
        var web = Documents.Json(Web("i:1", ""));
        var taken = DeploymentPlan.NextSet(web);
        await running.CreateAsync(Kinds.ReplicaSet, """{"metadata":{"name":"TAKEN","namespace":"default"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"other"}},"template":{"metadata":{"labels":{"app":"other"}},"spec":{"containers":[{"name":"c","image":"other"}]}}}}""".Replace("TAKEN", taken.Name, StringComparison.Ordinal));
        await running.CreateAsync(Kinds.Deployment, web.ToJsonString());
        await RunningControllers.UntilAsync("its own set", () => running.ListAsync(Kinds.ReplicaSet), sets => sets.Count == 2, sets => string.Join(' ', sets.Select(set => set.Name())));
        await RunningControllers.UntilAsync("two pods", () => running.ListAsync(Kinds.Pod), pods => pods.Count == 2, pods => $"{pods.Count}");
        var owner = (await running.GetAsync(Kinds.Deployment, "web"))!;
        Assert.Equal(1, owner["status"]!["collisionCount"].Int());
        var own = Assert.Single(await running.ListAsync(Kinds.ReplicaSet), set => set.OwnerUid() == owner.Uid());
        Assert.NotEqual(taken.Name, own.Name());
        Assert.Equal(own.Name()["web-".Length..], own["spec"]!["selector"]!["matchLabels"]!["pod-template-hash"]!.ToString());
    }

    [Fact]
    public async Task A_more_important_pod_is_nominated_its_victims_are_told_and_what_a_budget_protects_stays()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.NodeAsync("node-0", "2");
        static string Pod(string name, int priority) => """{"metadata":{"name":"NAME","namespace":"default","labels":{"app":"NAME"}},"spec":{"priority":PRIORITY,"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"1"}}}]}}""".Replace("NAME", name, StringComparison.Ordinal).Replace("PRIORITY", $"{priority}", StringComparison.Ordinal);
        await running.CreateAsync(Kinds.Pod, Pod("kept", 1)); // less important than the other, and protected
        await running.CreateAsync(Kinds.Pod, Pod("goes", 5));
        foreach (var name in new[] { "kept", "goes" })
        {
            await RunningControllers.UntilAsync($"{name} on the node", () => running.GetAsync(Kinds.Pod, name), pod => pod!.NodeName() == "node-0");
            await running.Objects.ChangeAsync(Kinds.Pod, new ObjectName("default", name), pod => { pod["status"] = Documents.Json("""{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}"""); return true; }, CancellationToken.None);
        }
        await running.CreateAsync(Kinds.PodDisruptionBudget, """{"metadata":{"name":"kept","namespace":"default"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"kept"}}}}""");
        await RunningControllers.UntilAsync("the budget to be counted", () => running.GetAsync(Kinds.PodDisruptionBudget, "kept"), budget => budget!["status"]?["currentHealthy"].Int() == 1 && budget["status"]!["disruptionsAllowed"].Int() == 0, budget => budget!.ToJsonString());
        await RunningControllers.UntilAsync("the cache to know it", () => Task.FromResult(running.Cache.Get(Kinds.PodDisruptionBudget, new ObjectName("default", "kept"))), budget => budget?["status"]?["currentHealthy"].Int() == 1);
        await running.CreateAsync(Kinds.Pod, Pod("important", 100));
        await RunningControllers.UntilAsync("the nomination", () => running.GetAsync(Kinds.Pod, "important"), pod => pod!["status"]?["nominatedNodeName"]?.ToString() == "node-0", pod => pod!.ToJsonString());
        await RunningControllers.UntilAsync("the victim going", () => running.GetAsync(Kinds.Pod, "goes"), pod => pod!.IsDeleted(), pod => pod!.ToJsonString());
        Assert.Equal("PreemptionByScheduler", (await running.GetAsync(Kinds.Pod, "goes"))!.Condition("DisruptionTarget")!.Text("reason"));
        Assert.False((await running.GetAsync(Kinds.Pod, "kept"))!.IsDeleted());
        Assert.Equal("", (await running.GetAsync(Kinds.Pod, "important"))!.NodeName());
        var uid = (await running.GetAsync(Kinds.Pod, "important"))!.Uid();
        await RunningControllers.UntilAsync("the event of the victim", () => running.ListAsync(Kinds.Event), events => events.Any(happened => happened.Text("reason") == "Preempted" && happened["involvedObject"]!["name"]!.ToString() == "goes" && happened.Text("message") == $"Preempted by pod {uid} on node node-0"), events => string.Join("; ", events.Select(happened => happened.Text("message"))));
        await running.CreateAsync(Kinds.Pod, Pod("late", 10)); // the room that is being made is not for it
        await running.Objects.DeleteAsync(Kinds.Pod, new ObjectName("default", "goes"), new DeleteOptions(0), CancellationToken.None);
        await RunningControllers.UntilAsync("the important pod on the node", () => running.GetAsync(Kinds.Pod, "important"), pod => pod!.NodeName() == "node-0", pod => pod!.ToJsonString());
        await RunningControllers.UntilAsync("the late one to be refused", () => running.GetAsync(Kinds.Pod, "late"), pod => pod!.Condition("PodScheduled")?.Text("status") == "False", pod => pod!.ToJsonString());
        Assert.Equal("", (await running.GetAsync(Kinds.Pod, "late"))!.NodeName());
    }
}
