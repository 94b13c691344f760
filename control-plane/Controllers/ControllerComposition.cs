using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.Cluster.Tools.Singleton;
using Akka.Hosting;
using Eyrie.ControlPlane.Controllers.Admission;
using Eyrie.ControlPlane.Controllers.Autoscaling;
using Eyrie.ControlPlane.Controllers.Collection;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Controllers.Guards;
using Eyrie.ControlPlane.Controllers.Nodes;
using Eyrie.ControlPlane.Controllers.Recording;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Eyrie.ControlPlane.Controllers;

public sealed record ControllerOptions
{
    /// <summary>Second octet of the cluster's addresses.</summary>
    public required int ClusterOctet { get; init; }
    /// <summary>Secret that a node shows when it connects.</summary>
    public required string NodeToken { get; init; }
    /// <summary>Where the API listens, for pods that are granted it; null: nobody reaches it by its Service.</summary>
    public System.Net.IPEndPoint? Api { get; init; }
    /// <summary>Base address of the Prometheus that custom metrics and rollout guards ask; null: none.</summary>
    public Uri? Prometheus { get; init; }
    /// <summary>Whether the scheduler spreads pods over nodes or packs them onto few.</summary>
    public ScoringStrategy Scoring { get; init; } = ScoringStrategy.LeastAllocated;
    /// <summary>How long an object's actor stays when nothing of the object has changed.</summary>
    public TimeSpan IdleAfter { get; init; } = TimeSpan.FromMinutes(2);
}

public static class ControllerComposition
{
    /// <summary>The objects of the store, with what is asked of all that is made.</summary>
    public static IServiceCollection AddEyrieObjects(this IServiceCollection services) => services.AddSingleton<Objects>().AddSingleton<KnownKinds>()
        .AddSingleton(provider => new AdmittedObjects(provider.GetRequiredService<Objects>(), provider.GetRequiredService<ObjectCache>(), provider.GetRequiredService<KnownKinds>()))
        .AddSingleton<IObjects>(provider => provider.GetRequiredService<AdmittedObjects>()).AddSingleton<IAdmission>(provider => provider.GetRequiredService<AdmittedObjects>());

    /// <summary>The actors, by what they do. Each is one file; the rules they carry are in the Plan files.</summary>
    public static IServiceCollection AddEyrieControllers(this IServiceCollection services, ControllerOptions options)
    {
        services.AddSingleton(options).AddSingleton<ObjectCache>().AddSingleton<PodStatistics>().AddSingleton<NodeGateway>().AddSingleton<INodeGateway>(provider => provider.GetRequiredService<NodeGateway>());
        services.AddSingleton<EventWriter>().AddHostedService(provider => provider.GetRequiredService<EventWriter>()).AddHostedService<EventExpiry>();
        services.AddSingleton<StoredKinds>(provider => () => provider.GetRequiredService<KnownKinds>().Stored);
        services.AddSingleton<RecordWriter>().AddHostedService(provider => provider.GetRequiredService<RecordWriter>());
        services.AddSingleton(new PrometheusQueries(options.Prometheus, new HttpClient())).AddSingleton<MetricSources>();
        services.AddGrpc();
        return services.AddAkka("eyrie", (akka, provider) => akka.AddHocon(ClusterSettings.Hocon, HoconAddMode.Prepend).WithActors((system, registry) => Start(system, registry, provider, options)));
    }

    private static void Start(ActorSystem system, IActorRegistry registry, IServiceProvider provider, ControllerOptions options)
    {
        var objects = provider.GetRequiredService<IObjects>();
        var cache = provider.GetRequiredService<ObjectCache>();
        var events = provider.GetRequiredService<EventWriter>();
        var clock = provider.GetRequiredService<TimeProvider>();
        var records = provider.GetRequiredService<RecordWriter>();
        var statistics = provider.GetRequiredService<PodStatistics>();
        // One actor an object, wherever its shard is; one router a kind tells it what concerns it.
        var context = new WorkloadContext(cache, objects, events, clock, new WorkloadLedgers(), options.IdleAfter);
        var kinds = WorkloadKinds.All.ToDictionary(entry => entry.Kind.ToString());
        var region = ClusterSharding.Get(system).Start("objects", entity => WorkloadActor.Of(ObjectKey.Parse(entity), kinds, context), ClusterShardingSettings.Create(system), new ObjectExtractor(), ShardAllocationStrategy.LeastShardAllocationStrategy(4, 0.1), Finish.Instance);
        foreach (var kind in WorkloadKinds.All) system.ActorOf(Props.Create(() => new WorkloadRouter(kind, cache, region)), kind.Kind.Plural);
        var assumed = new Dictionary<string, PodInfo>();
        var placement = new PlacementOptions { Strategy = options.Scoring };
        Once(system, "scheduler", Props.Create(() => new SchedulerActor(cache, objects, events, clock, placement, assumed)));
        StoredKinds stored = provider.GetRequiredService<StoredKinds>();
        Once(system, "garbage", Props.Create(() => new GarbageActor(cache, objects, stored)));
        Once(system, "namespaces-going", Props.Create(() => new NamespaceActor(cache, objects, stored, clock)));
        Once(system, "ended-pods", Props.Create(() => new PodGarbageActor(cache, objects, clock)));
        Once(system, "node-lifecycle", Props.Create(() => new NodeLifecycleActor(cache, objects, events, clock)));
        Once(system, "autoscalers", Props.Create(() => new AutoscalerActor(cache, objects, events, clock, provider.GetRequiredService<MetricSources>(), stored)));
        Once(system, "guards", Props.Create(() => new GuardActor(cache, objects, events, provider.GetRequiredService<PrometheusQueries>(), clock)));
        registry.Register<NodeSessionsActor>(system.ActorOf(Props.Create(() => new NodeSessionsActor(cache, objects, events, clock, statistics, records, options)), "node-sessions"));
        system.ActorOf(Props.Create(() => new FeedActor(objects, cache, stored)), "feed");
        var cluster = Akka.Cluster.Cluster.Get(system);
        cluster.Join(cluster.SelfAddress);
    }

    /// <summary>An actor of which the cluster has one: on its oldest control plane, as <c>/user/NAME/one</c>.</summary>
    private static void Once(ActorSystem system, string name, Props props) =>
        system.ActorOf(ClusterSingletonManager.Props(props, PoisonPill.Instance, ClusterSingletonManagerSettings.Create(system).WithSingletonName("one")), name);

    public static void MapEyrieNodeSessions(this IEndpointRouteBuilder routes) => routes.MapGrpcService<NodeSessionService>();
}
