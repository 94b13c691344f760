using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.Serialization;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>Objects' actors in their shards, and the form of what goes between control planes.</summary>
public sealed class ShardingTests
{
    private const string Set = """{"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}""";

    /// <summary>An example of each message that may go from one control plane to another.</summary>
    private static readonly IReadOnlyList<IClusterMessage> Crossing = [new Reconcile(new ObjectKey("deployments.apps", new ObjectName("shop", "web"))), new Reconcile(new ObjectKey("namespaces", new ObjectName("", "shop"))), Finish.Instance];

    private static async Task<IReadOnlyList<string>> ActorsAsync(RunningControllers running)
    {
        var region = ClusterSharding.Get(running.Actors).ShardRegion("objects");
        return [.. (await region.Ask<CurrentShardRegionState>(GetShardRegionState.Instance, TimeSpan.FromSeconds(10))).Shards.SelectMany(shard => shard.EntityIds).Select(Uri.UnescapeDataString).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task An_object_has_an_actor_in_a_shard_while_something_happens_to_it_and_none_when_it_is_idle_or_gone()
    {
        await using var running = await RunningControllers.StartAsync(options => options with { IdleAfter = TimeSpan.FromMilliseconds(300) });
        await running.CreateAsync(Kinds.ReplicaSet, Set);
        await RunningControllers.UntilAsync("two pods", () => running.ListAsync(Kinds.Pod), pods => pods.Count == 2, pods => $"{pods.Count}");
        await RunningControllers.UntilAsync("no actor of anything", () => ActorsAsync(running), actors => actors.Count == 0, actors => string.Join(' ', actors));
        await running.Objects.DeleteAsync(Kinds.Pod, ObjectStamp.NameOf((await running.ListAsync(Kinds.Pod))[0]), new DeleteOptions(0), CancellationToken.None);
        await RunningControllers.UntilAsync("two pods again", () => running.ListAsync(Kinds.Pod), pods => pods.Count == 2, pods => $"{pods.Count}");
        await running.DeleteAsync(Kinds.ReplicaSet, "web", "Background");
        await RunningControllers.UntilAsync("no actor of anything", () => ActorsAsync(running), actors => actors.Count == 0, actors => string.Join(' ', actors));
    }

    [Fact]
    public async Task The_actor_of_an_object_that_goes_ends_at_once_and_one_that_waits_for_a_time_stays()
    {
        await using var running = await RunningControllers.StartAsync(options => options with { IdleAfter = TimeSpan.FromMilliseconds(300) });
        await running.CreateAsync(Kinds.CronJob, """{"metadata":{"name":"yearly","namespace":"default"},"spec":{"schedule":"0 0 1 1 *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}}""");
        await running.CreateAsync(Kinds.ReplicaSet, Set);
        await RunningControllers.UntilAsync("the CronJob's actor alone", () => ActorsAsync(running), actors => actors is ["cronjobs.batch/default/yearly"], actors => string.Join(' ', actors));
        await running.DeleteAsync(Kinds.CronJob, "yearly", "Background");
        await RunningControllers.UntilAsync("no actor of anything", () => ActorsAsync(running), actors => actors.Count == 0, actors => string.Join(' ', actors));
    }

    [Fact]
    public async Task Every_message_between_control_planes_has_a_form_and_comes_back_as_it_was()
    {
        await using var running = await RunningControllers.StartAsync();
        var types = typeof(IClusterMessage).Assembly.GetTypes().Where(type => typeof(IClusterMessage).IsAssignableFrom(type) && !type.IsInterface).ToHashSet();
        Assert.Equal(types, Crossing.Select(message => message.GetType()).ToHashSet());
        var serialization = running.Actors.Serialization;
        foreach (var message in Crossing)
        {
            var serializer = Assert.IsType<MessageSerializer>(serialization.FindSerializerFor(message));
            Assert.Equal(message, serialization.Deserialize(serializer.ToBinary(message), serializer.Identifier, serializer.Manifest(message)));
        }
        Assert.Equal("R", serialization.FindSerializerFor(Crossing[0]) is SerializerWithStringManifest found ? found.Manifest(Crossing[0]) : "");
        Assert.Contains("has no serializer", Assert.Throws<NotSupportedException>(() => serialization.FindSerializerFor(new object()).ToBinary(new object())).Message, StringComparison.Ordinal);
        Assert.Throws<FormatException>(() => ObjectKey.Parse("deployments.apps/web"));
    }

    [Fact]
    public void Every_message_of_an_actor_says_whether_it_leaves_its_process()
    {
        var actors = typeof(WorkloadActor).Assembly.GetTypes().Where(type => typeof(ActorBase).IsAssignableFrom(type)).ToList();
        var messages = actors.SelectMany(actor => actor.GetNestedTypes(System.Reflection.BindingFlags.NonPublic)).Where(type => type.GetMethod("<Clone>$") is not null).ToList();
        Assert.True(messages.Count > 25, $"{messages.Count} messages of {actors.Count} actors");
        Assert.DoesNotContain(messages, type => !typeof(ILocalMessage).IsAssignableFrom(type) && !typeof(IClusterMessage).IsAssignableFrom(type));
    }

    [Fact]
    public async Task A_cluster_of_one_listens_nowhere_and_says_why_it_reaches_nobody()
    {
        await using var running = await RunningControllers.StartAsync();
        Assert.Equal("akka.lone://eyrie@localhost:1", Akka.Cluster.Cluster.Get(running.Actors).SelfAddress.ToString());
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => new LoneTransport(running.Actors, Akka.Configuration.Config.Empty).Associate(Address.Parse("akka.tcp://eyrie@127.0.0.1:9")));
        Assert.Contains("this control plane is alone", failure.Message, StringComparison.Ordinal);
    }
}
