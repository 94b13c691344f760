using System.Text.Json.Nodes;
using Akka.Actor;
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
}

public static class ControllerComposition
{
    /// <summary>The objects of the store, with what is asked of all that is made.</summary>
    public static IServiceCollection AddEyrieObjects(this IServiceCollection services) => services.AddSingleton<Objects>()
        .AddSingleton(provider => new AdmittedObjects(provider.GetRequiredService<Objects>(), provider.GetRequiredService<ObjectCache>()))
        .AddSingleton<IObjects>(provider => provider.GetRequiredService<AdmittedObjects>()).AddSingleton<IAdmission>(provider => provider.GetRequiredService<AdmittedObjects>());

    /// <summary>The actors, by what they do. Each is one file; the rules they carry are in the Plan files.</summary>
    public static IServiceCollection AddEyrieControllers(this IServiceCollection services, ControllerOptions options)
    {
        services.AddSingleton(options).AddSingleton<ObjectCache>().AddSingleton<PodStatistics>().AddSingleton<NodeGateway>().AddSingleton<INodeGateway>(provider => provider.GetRequiredService<NodeGateway>());
        services.AddSingleton<EventWriter>().AddHostedService(provider => provider.GetRequiredService<EventWriter>()).AddHostedService<EventExpiry>();
        services.AddSingleton<KnownKinds>().AddSingleton<StoredKinds>(provider => () => provider.GetRequiredService<KnownKinds>().Stored);
        services.AddSingleton<RecordWriter>().AddHostedService(provider => provider.GetRequiredService<RecordWriter>());
        services.AddSingleton(new PrometheusQueries(options.Prometheus, new HttpClient())).AddSingleton<MetricSources>();
        services.AddGrpc();
        return services.AddAkka("eyrie", (akka, provider) => akka.WithActors((system, registry) => Start(system, registry, provider, options)));
    }

    private static void Start(ActorSystem system, IActorRegistry registry, IServiceProvider provider, ControllerOptions options)
    {
        var objects = provider.GetRequiredService<IObjects>();
        var cache = provider.GetRequiredService<ObjectCache>();
        var events = provider.GetRequiredService<EventWriter>();
        var clock = provider.GetRequiredService<TimeProvider>();
        var records = provider.GetRequiredService<RecordWriter>();
        var statistics = provider.GetRequiredService<PodStatistics>();
        // One child actor an object; a change of what it owns concerns it too.
        IActorRef Workload(ResourceKind kind, ResourceKind? owned, string name, Func<JsonObject, ObjectCache, DateTimeOffset, IReadOnlyList<WorkloadAction>> plan, Func<ObjectChange, ObjectCache, IEnumerable<ObjectName>>? concerns = null)
        {
            Decide decide = (item, known, now) => known.Get(kind, item) is { } document ? plan(document, known, now) : [];
            var ledgers = new Dictionary<ObjectName, WorkloadActor.Ledger>();
            return system.ActorOf(Props.Create(() => new WorkloadController(kind, owned, decide, cache, objects, events, clock, concerns, ledgers)), name);
        }
        IReadOnlyList<IActorRef> workloads =
        [
            Workload(Kinds.Deployment, Kinds.ReplicaSet, "deployments", (item, known, now) => DeploymentPlan.Decide(item, [.. known.OwnedBy(Kinds.ReplicaSet, item.Uid()), .. Namesake(item, known)], now)),
            Workload(Kinds.ReplicaSet, Kinds.Pod, "replicasets", (item, known, now) => ReplicaSetPlan.Decide(item, known.PodsOwnedBy(item.Uid()), now)),
            Workload(Kinds.ReplicationController, Kinds.Pod, "replicationcontrollers", (item, known, now) => ReplicaSetPlan.Decide(item, known.PodsOwnedBy(item.Uid()), now, Kinds.ReplicationController)),
            Workload(Kinds.StatefulSet, Kinds.Pod, "statefulsets", (item, known, now) => StatefulSetPlan.Decide(item, known.OwnedBy(Kinds.Pod, item.Uid()), known.OwnedBy(Kinds.ControllerRevision, item.Uid()), name => known.Get(Kinds.PersistentVolumeClaim, name) is not null, now)),
            Workload(Kinds.DaemonSet, Kinds.Pod, "daemonsets", (item, known, now) => DaemonSetPlan.Decide(item, known.OwnedBy(Kinds.Pod, item.Uid()), known.All(Kinds.Node), known.OwnedBy(Kinds.ControllerRevision, item.Uid()), now),
                (change, known) => change.Kind == Kinds.Node ? known.All(Kinds.DaemonSet).Select(ObjectStamp.NameOf) : []),
            Workload(Kinds.Job, Kinds.Pod, "jobs", (item, known, now) => JobPlan.Decide(item, known.OwnedBy(Kinds.Pod, item.Uid()), now)),
            Workload(Kinds.CronJob, Kinds.Job, "cronjobs", (item, known, now) => CronJobPlan.Decide(item, known.OwnedBy(Kinds.Job, item.Uid()), now)),
            Workload(Kinds.Service, Kinds.EndpointSlice, "services", (item, known, _) => EndpointObjectsPlan.Decide(item, known.All(Kinds.Pod), known.OwnedBy(Kinds.EndpointSlice, item.Uid()), known.Get(Kinds.Endpoints, ObjectStamp.NameOf(item))), SelectedBy),
            Workload(Kinds.PersistentVolumeClaim, null, "claims", (item, known, _) => ClaimPlan.Decide(item, ClaimPlan.Around(item, known)), ClaimPlan.Concerned),
            Workload(Kinds.PersistentVolume, null, "volumes", (item, known, _) => VolumePlan.Decide(item, known), VolumePlan.Concerned),
            Workload(Kinds.PodDisruptionBudget, null, "disruptionbudgets", (item, known, now) => DisruptionBudgetPlan.Decide(item, known.All(Kinds.Pod), known.Get, now), DisruptionBudgetPlan.Concerned),
            Workload(Kinds.ResourceQuota, null, "quotas", QuotaPlan.Decide, QuotaPlan.Concerned),
            Workload(Kinds.Namespace, null, "service-accounts", (item, known, _) => ServiceAccountPlan.Decide(item, known.Get(Kinds.ServiceAccount, new ObjectName(item.Name(), "default"))), (change, _) => ServiceAccountPlan.Concerned(change)),
            Workload(Kinds.PermissionRecord, null, "permissionrecords", (item, known, now) => RecordPlan.Decide(item, known.All(Kinds.Pod), now), RecordPlan.Concerned),
        ];
        var assumed = new Dictionary<string, PodInfo>();
        var scheduler = system.ActorOf(Props.Create(() => new SchedulerActor(cache, objects, events, clock, new PlacementOptions(0, 0), assumed)), "scheduler");
        StoredKinds kinds = provider.GetRequiredService<StoredKinds>();
        IReadOnlyList<IActorRef> caretakers =
        [
            system.ActorOf(Props.Create(() => new GarbageActor(cache, objects, kinds)), "garbage"), system.ActorOf(Props.Create(() => new NamespaceActor(cache, objects, kinds, clock)), "namespaces"),
            system.ActorOf(Props.Create(() => new PodGarbageActor(cache, objects, clock)), "ended-pods"), system.ActorOf(Props.Create(() => new NodeLifecycleActor(cache, objects, events, clock)), "node-lifecycle"),
            system.ActorOf(Props.Create(() => new AutoscalerActor(cache, objects, events, clock, provider.GetRequiredService<MetricSources>(), kinds)), "autoscalers"),
            system.ActorOf(Props.Create(() => new GuardActor(cache, objects, events, provider.GetRequiredService<PrometheusQueries>(), clock)), "guards"),
        ];
        var sessions = system.ActorOf(Props.Create(() => new NodeSessionsActor(cache, objects, events, clock, statistics, records, options)), "node-sessions");
        registry.Register<NodeSessionsActor>(sessions);
        IReadOnlyList<IActorRef> listeners = [.. workloads, scheduler, .. caretakers, sessions];
        system.ActorOf(Props.Create(() => new FeedActor(objects, cache, listeners)), "feed");
    }

    /// <summary>A ReplicaSet of another owner that has the name the next one of a Deployment would have.</summary>
    private static IEnumerable<JsonObject> Namesake(JsonObject deployment, ObjectCache cache) =>
        cache.Get(Kinds.ReplicaSet, DeploymentPlan.NextSet(deployment)) is { } there && there.OwnerUid() != deployment.Uid() ? [there] : [];

    /// <summary>The Services whose selectors a pod matches, or matched.</summary>
    private static IEnumerable<ObjectName> SelectedBy(ObjectChange change, ObjectCache cache) => change.Kind != Kinds.Pod ? [] : cache.All(Kinds.Service)
        .Where(service => service.Namespace() == change.Name.Namespace && service["spec"]?["selector"] is JsonObject selector
            && (Views.Selects(selector, change.Document) || (change.Previous is { } before && Views.Selects(selector, before)))).Select(ObjectStamp.NameOf);

    public static void MapEyrieNodeSessions(this IEndpointRouteBuilder routes) => routes.MapGrpcService<NodeSessionService>();
}
