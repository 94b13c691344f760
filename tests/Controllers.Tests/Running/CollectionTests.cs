using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

public sealed class CollectionTests
{
    private const string Web = """{"metadata":{"name":"web","namespace":"HOME"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}""";

    private static async Task<RunningControllers> WithWebAsync(string home = "default")
    {
        var running = await RunningControllers.StartAsync();
        if (home != "default") await running.CreateAsync(Kinds.Namespace, $$$"""{"metadata":{"name":"{{{home}}}"},"spec":{"finalizers":["kubernetes"]}}""");
        await running.CreateAsync(Kinds.Deployment, Web.Replace("HOME", home, StringComparison.Ordinal));
        await PodsAsync(running, home, 2);
        return running;
    }

    private static Task PodsAsync(RunningControllers running, string home, int count) => RunningControllers.UntilAsync($"{count} pods", () => running.ListAsync(Kinds.Pod, home), pods => pods.Count == count, pods => $"{pods.Count}");

    /// <summary>Whatever a controller writes meanwhile: it may just be marking the object as deleted.</summary>
    private static async Task ReleaseAsync(RunningControllers running, ResourceKind kind, JsonObject held, string finalizer)
    {
        var free = Finalizers.Without(held, finalizer);
        free.Metadata().Remove("resourceVersion");
        await running.Objects.UpdateAsync(kind, free, CancellationToken.None);
    }

    [Fact]
    public async Task A_deployment_deleted_in_the_background_takes_its_sets_and_pods_along()
    {
        await using var running = await WithWebAsync();
        await running.DeleteAsync(Kinds.Deployment, "web", "Background");
        Assert.Null(await running.GetAsync(Kinds.Deployment, "web"));
        await PodsAsync(running, "default", 0);
        Assert.Empty(await running.ListAsync(Kinds.ReplicaSet));
    }

    [Fact]
    public async Task In_the_foreground_it_is_the_last_to_go()
    {
        await using var running = await WithWebAsync();
        var pod = (await running.ListAsync(Kinds.Pod))[0];
        pod.Metadata()["finalizers"] = new JsonArray("example.com/held");
        pod.Metadata().Remove("resourceVersion");
        await running.Objects.UpdateAsync(Kinds.Pod, pod, CancellationToken.None);
        await running.DeleteAsync(Kinds.Deployment, "web", "Foreground");
        await PodsAsync(running, "default", 1);
        Assert.NotNull((await running.GetAsync(Kinds.Deployment, "web"))!.Metadata()["deletionTimestamp"]);
        Assert.Single(await running.ListAsync(Kinds.ReplicaSet));
        await ReleaseAsync(running, Kinds.Pod, (await running.ListAsync(Kinds.Pod))[0], "example.com/held");
        await RunningControllers.UntilAsync("the deployment gone", () => running.GetAsync(Kinds.Deployment, "web"), found => found is null);
        Assert.Empty(await running.ListAsync(Kinds.ReplicaSet));
        Assert.Empty(await running.ListAsync(Kinds.Pod));
    }

    [Fact]
    public async Task Orphans_stay_and_belong_to_nobody()
    {
        await using var running = await WithWebAsync();
        await running.DeleteAsync(Kinds.Deployment, "web", "Orphan");
        await RunningControllers.UntilAsync("the deployment gone", () => running.GetAsync(Kinds.Deployment, "web"), found => found is null);
        Assert.Null(Assert.Single(await running.ListAsync(Kinds.ReplicaSet)).Metadata()["ownerReferences"]);
        Assert.Equal(2, (await running.ListAsync(Kinds.Pod)).Count);
    }

    [Fact]
    public async Task A_kind_that_the_feed_does_not_follow_is_collected_as_well()
    {
        await using var running = await RunningControllers.StartAsync();
        var owner = await running.CreateAsync(Kinds.Role, """{"metadata":{"name":"owner","namespace":"default"}}""");
        await running.CreateAsync(Kinds.Lease, $$$"""{"metadata":{"name":"owned","namespace":"default","ownerReferences":[{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","name":"owner","uid":"{{{owner.Uid()}}}"}]}}""");
        await running.CreateAsync(Kinds.Lease, """{"metadata":{"name":"free","namespace":"default"}}""");
        await running.DeleteAsync(Kinds.Role, "owner", "Background");
        await RunningControllers.UntilAsync("the lease gone", () => running.GetAsync(Kinds.Lease, "owned"), found => found is null);
        Assert.NotNull(await running.GetAsync(Kinds.Lease, "free"));
    }

    [Fact]
    public async Task A_namespace_goes_with_everything_in_it_and_says_what_holds_it()
    {
        await using var running = await WithWebAsync("shop");
        await running.CreateAsync(Kinds.ConfigMap, """{"metadata":{"name":"held","namespace":"shop","finalizers":["example.com/f"]}}""");
        await running.DeleteAsync(Kinds.Namespace, "shop", "Background");
        await RunningControllers.UntilAsync("a condition that names the finalizer", () => running.GetAsync(Kinds.Namespace, "shop"), home => home?.Condition("NamespaceContentRemaining")?.Text("message") == "Some resources are remaining: configmaps. has 1 resource instances", home => home?.ToJsonString() ?? "gone");
        Assert.Equal("Some content in the namespace has finalizers remaining: example.com/f in 1 resource instances", (await running.GetAsync(Kinds.Namespace, "shop"))!.Condition("NamespaceFinalizersRemaining")!.Text("message"));
        await ReleaseAsync(running, Kinds.ConfigMap, (await running.GetAsync(Kinds.ConfigMap, "held", "shop"))!, "example.com/f");
        await RunningControllers.UntilAsync("the namespace gone", () => running.GetAsync(Kinds.Namespace, "shop"), home => home is null, home => home!.ToJsonString());
        Assert.Empty(await running.ListAsync(Kinds.Deployment, "shop"));
    }

    /// <summary>Its pods go first, and their ReplicaSet, which is still there, wants others.</summary>
    [Fact]
    public async Task Nothing_more_is_made_in_a_namespace_that_is_going_neither_by_a_client_nor_by_a_controller()
    {
        await using var running = await WithWebAsync("shop");
        await running.CreateAsync(Kinds.ConfigMap, """{"metadata":{"name":"held","namespace":"shop","finalizers":["example.com/f"]}}""");
        var deleted = await running.DeleteAsync(Kinds.Namespace, "shop", "Background");
        var refused = await Assert.ThrowsAsync<ObjectForbiddenException>(() => running.CreateAsync(Kinds.ConfigMap, """{"metadata":{"name":"late","namespace":"shop"}}"""));
        Assert.Equal("configmaps \"late\" is forbidden: unable to create new content in namespace shop because it is being terminated", refused.Message);
        await ReleaseAsync(running, Kinds.ConfigMap, (await running.GetAsync(Kinds.ConfigMap, "held", "shop"))!, "example.com/f");
        await GoneAsync(running);
        Assert.Empty(await MadeAsync(running, long.Parse(deleted.Metadata().Text("resourceVersion")!, System.Globalization.CultureInfo.InvariantCulture)));
        await Assert.ThrowsAsync<ObjectNotFoundException>(() => running.CreateAsync(Kinds.ConfigMap, """{"metadata":{"name":"late","namespace":"shop"}}"""));
        await running.CreateAsync(Kinds.Namespace, """{"metadata":{"name":"shop"},"spec":{"finalizers":["kubernetes"]}}""");
        await running.CreateAsync(Kinds.ConfigMap, """{"metadata":{"name":"anew","namespace":"shop"}}""");
    }

    /// <summary>While its controllers are making them: what was on its way comes to be and goes, the others do not come to be.</summary>
    [Fact]
    public async Task A_namespace_that_is_deleted_while_a_deployment_fills_it_ends_empty()
    {
        await using var running = await RunningControllers.StartAsync();
        for (int replicas = 20; replicas <= 40; replicas += 10)
        {
            await running.CreateAsync(Kinds.Namespace, """{"metadata":{"name":"shop"},"spec":{"finalizers":["kubernetes"]}}""");
            await running.CreateAsync(Kinds.Deployment, Web.Replace("HOME", "shop", StringComparison.Ordinal).Replace("\"replicas\":2", $"\"replicas\":{replicas}", StringComparison.Ordinal));
            await RunningControllers.UntilAsync("the first pod", () => running.ListAsync(Kinds.Pod, "shop"), pods => pods.Count > 0);
            var deleted = await running.DeleteAsync(Kinds.Namespace, "shop", "Background");
            await GoneAsync(running);
            foreach (var kind in new[] { Kinds.Pod, Kinds.ReplicaSet, Kinds.Deployment }) Assert.Empty(await running.ListAsync(kind, "shop"));
            Assert.InRange((await MadeAsync(running, long.Parse(deleted.Metadata().Text("resourceVersion")!, System.Globalization.CultureInfo.InvariantCulture))).Count, 0, replicas);
        }
    }

    private static Task GoneAsync(RunningControllers running) => RunningControllers.UntilAsync("the namespace gone", () => running.GetAsync(Kinds.Namespace, "shop"), home => home is null, home => home!.ToJsonString());

    /// <summary>Pods that were made after a revision.</summary>
    private static async Task<IReadOnlyList<string>> MadeAsync(RunningControllers running, long after)
    {
        var last = await running.CreateAsync(Kinds.Pod, """{"metadata":{"name":"last","namespace":"default"},"spec":{"containers":[{"name":"c","image":"i"}]}}""");
        var made = new List<string>();
        await foreach (var batch in running.Objects.WatchAsync(Kinds.Pod, new ControlPlane.Store.Revision(after), CancellationToken.None))
        {
            made.AddRange(batch.Changes.Where(change => change.Type == ChangeType.Added && change.Name.Namespace == "shop").Select(change => change.Name.Name));
            if (batch.Changes.Any(change => change.Document.Uid() == last.Uid())) break;
        }
        await running.DeleteAsync(Kinds.Pod, "last", "Background");
        return made;
    }

    private const string Job = """{"metadata":{"name":"work","namespace":"HOME"},"spec":{"completions":2,"parallelism":1,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}""";

    [Theory]
    [InlineData("Background")]
    [InlineData("Foreground")]
    public async Task A_job_that_goes_takes_along_the_pods_that_wait_to_be_counted(string propagation)
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.Job, Job.Replace("HOME", "default", StringComparison.Ordinal));
        await PodsAsync(running, "default", 1);
        await running.DeleteAsync(Kinds.Job, "work", propagation);
        await PodsAsync(running, "default", 0);
        await RunningControllers.UntilAsync("the job gone", () => running.GetAsync(Kinds.Job, "work"), found => found is null);
    }

    [Fact]
    public async Task A_namespace_with_a_job_goes()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.Namespace, """{"metadata":{"name":"shop"},"spec":{"finalizers":["kubernetes"]}}""");
        await running.CreateAsync(Kinds.Job, Job.Replace("HOME", "shop", StringComparison.Ordinal));
        await PodsAsync(running, "shop", 1);
        await running.DeleteAsync(Kinds.Namespace, "shop", "Background");
        await RunningControllers.UntilAsync("the namespace gone", () => running.GetAsync(Kinds.Namespace, "shop"), home => home is null, home => home!.ToJsonString());
    }

    [Fact]
    public async Task A_pod_that_has_succeeded_and_is_removed_at_once_is_counted_and_not_run_again()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.Job, Job.Replace("HOME", "default", StringComparison.Ordinal));
        var seen = new HashSet<string>();
        for (int i = 0; i < 2; i++)
        {
            await RunningControllers.UntilAsync("a pod", () => running.ListAsync(Kinds.Pod), pods => pods.Any(pod => !seen.Contains(pod.Uid())));
            var next = (await running.ListAsync(Kinds.Pod)).First(pod => !seen.Contains(pod.Uid()));
            seen.Add(next.Uid());
            next["status"] = Documents.Json("""{"phase":"Succeeded"}""");
            next.Metadata().Remove("resourceVersion");
            await running.Objects.UpdateStatusAsync(Kinds.Pod, next, CancellationToken.None);
            await running.Objects.DeleteAsync(Kinds.Pod, ObjectStamp.NameOf(next), new DeleteOptions(0), CancellationToken.None);
        }
        await RunningControllers.UntilAsync("the end", () => running.GetAsync(Kinds.Job, "work"), job => job?["status"] is { } status && job.Condition("Complete") is not null && status["succeeded"].Int() == 2 && status["uncountedTerminatedPods"] is null, job => job!.ToJsonString());
        await PodsAsync(running, "default", 0);
    }
}
