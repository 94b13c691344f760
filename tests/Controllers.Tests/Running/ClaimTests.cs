using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Resources;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>Claims with the scheduler and the controllers as they run.</summary>
public sealed class ClaimTests
{
    private static async Task<RunningControllers> StartAsync()
    {
        var running = await RunningControllers.StartAsync();
        await running.Objects.CreateAsync(Kinds.StorageClass, LocalVolume.StorageClass(), CancellationToken.None);
        foreach (var node in new[] { "node-0", "node-1" }) await running.NodeAsync(node, "4");
        return running;
    }

    private static string Pod(string name) => $$$"""{"metadata":{"name":"{{{name}}}","namespace":"default"},"spec":{"containers":[{"name":"a"}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}}]}}""";

    private const string Claim = """{"metadata":{"name":"data","namespace":"default"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}""";

    [Fact]
    public async Task Pods_of_one_claim_are_on_one_node_even_when_they_come_at_once()
    {
        await using var running = await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => running.CreateAsync(Kinds.Pod, Pod($"p{i}"))));
        await RunningControllers.UntilAsync("the reason", () => running.GetAsync(Kinds.Pod, "p0"), pod => pod!["status"]?["conditions"]?[0]?["message"]?.ToString().Contains("persistentvolumeclaim \"data\" not found", StringComparison.Ordinal) == true, pod => pod!.ToJsonString());
        await running.CreateAsync(Kinds.PersistentVolumeClaim, Claim);
        await RunningControllers.UntilAsync("all pods to be placed", () => running.ListAsync(Kinds.Pod), pods => pods.All(pod => pod.NodeName().Length > 0));
        var nodes = (await running.ListAsync(Kinds.Pod)).Select(pod => pod.NodeName()).Distinct().ToList();
        await RunningControllers.UntilAsync("the claim to be bound", () => running.GetAsync(Kinds.PersistentVolumeClaim, "data"), claim => claim!.Phase() == "Bound", claim => claim!.ToJsonString());
        var volume = Assert.Single(await running.ListAsync(Kinds.PersistentVolume, null));
        Assert.Equal(LocalVolume.NodeOf(volume), Assert.Single(nodes));
    }

    [Fact]
    public async Task A_claim_is_there_until_its_pod_is_gone_and_a_volume_until_its_node_has_removed_it()
    {
        await using var running = await StartAsync();
        await running.CreateAsync(Kinds.PersistentVolumeClaim, Claim);
        await running.CreateAsync(Kinds.Pod, Pod("p"));
        await RunningControllers.UntilAsync("the claim to be bound", () => running.GetAsync(Kinds.PersistentVolumeClaim, "data"), claim => claim!.Phase() == "Bound", claim => claim!.ToJsonString());
        await running.DeleteAsync(Kinds.PersistentVolumeClaim, "data", "Background");
        await RunningControllers.UntilAsync("the feed to know that the claim goes", () => Task.FromResult(running.Services.GetRequiredService<ObjectCache>().Get(Kinds.PersistentVolumeClaim, new ObjectName("default", "data"))), claim => claim!.IsDeleted());
        await running.CreateAsync(Kinds.Pod, Pod("late"));
        await RunningControllers.UntilAsync("the late pod to be refused", () => running.GetAsync(Kinds.Pod, "late"), pod => pod!["status"]?["conditions"]?[0]?["message"]?.ToString().Contains("is being deleted", StringComparison.Ordinal) == true, pod => pod!.ToJsonString());
        Assert.NotNull(await running.GetAsync(Kinds.PersistentVolumeClaim, "data"));
        await running.Objects.DeleteAsync(Kinds.Pod, new ObjectName("default", "p"), new DeleteOptions(0), CancellationToken.None);
        await RunningControllers.UntilAsync("the claim to go", () => running.GetAsync(Kinds.PersistentVolumeClaim, "data"), claim => claim is null);
        await RunningControllers.UntilAsync("the volume to be released", () => running.ListAsync(Kinds.PersistentVolume, null), volumes => volumes.Single().Phase() == "Released");
        var volume = (await running.ListAsync(Kinds.PersistentVolume, null)).Single();
        // A node is told to remove it by what the cache knows, and its answer is taken by that.
        await RunningControllers.UntilAsync("the feed to know that it is released", () => Task.FromResult(running.Cache.Get(Kinds.PersistentVolume, ObjectStamp.NameOf(volume))), known => known!.Phase() == "Released", known => known!.ToJsonString());
        Akka.Actor.ActorRefImplicitSenderExtensions.Tell(running.Sessions, new SessionReport("node-0", new Eyrie.Node.Contract.V1.NodeMessage { VolumeGone = new Eyrie.Node.Contract.V1.VolumeGone { Name = volume.Name() } }));
        await RunningControllers.UntilAsync("the volume to go", () => running.ListAsync(Kinds.PersistentVolume, null), volumes => volumes.Count == 0, volumes => volumes[0].ToJsonString());
    }
}
