using Akka.Actor;
using Akka.Hosting;
using Eyrie.ControlPlane.Controllers.Scheduling;
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
}

public static class ControllerComposition
{
    /// <summary>The actors, by what they do. Each is one file; the rules they carry are in the Plan files.</summary>
    public static IServiceCollection AddEyrieControllers(this IServiceCollection services, ControllerOptions options)
    {
        services.AddSingleton(options).AddSingleton<ObjectCache>().AddSingleton<NodeGateway>().AddSingleton<INodeGateway>(provider => provider.GetRequiredService<NodeGateway>());
        services.AddSingleton<EventWriter>().AddHostedService(provider => provider.GetRequiredService<EventWriter>()).AddHostedService<EventExpiry>();
        services.AddGrpc();
        return services.AddAkka("eyrie", (akka, provider) => akka.WithActors((system, registry) => Start(system, registry, provider, options)));
    }

    private static void Start(ActorSystem system, IActorRegistry registry, IServiceProvider provider, ControllerOptions options)
    {
        var objects = provider.GetRequiredService<IObjects>();
        var cache = provider.GetRequiredService<ObjectCache>();
        var events = provider.GetRequiredService<EventWriter>();
        var clock = provider.GetRequiredService<TimeProvider>();
        Decide deployment = (name, known, now) => known.Get(Kinds.Deployment, name) is { } item ? DeploymentPlan.Decide(item, known.All(Kinds.ReplicaSet), now) : [];
        Decide replicaSet = (name, known, now) => known.Get(Kinds.ReplicaSet, name) is { } item ? ReplicaSetPlan.Decide(item, known.All(Kinds.Pod), now) : [];
        var deployments = system.ActorOf(Props.Create(() => new WorkloadController(Kinds.Deployment, Kinds.ReplicaSet, deployment, cache, objects, clock)), "deployments");
        var replicaSets = system.ActorOf(Props.Create(() => new WorkloadController(Kinds.ReplicaSet, Kinds.Pod, replicaSet, cache, objects, clock)), "replicasets");
        Decide endpoints = (name, known, _) => known.Get(Kinds.Service, name) is { } item ? EndpointObjectsPlan.Decide(item, known.All(Kinds.Pod), known.All(Kinds.EndpointSlice), known.Get(Kinds.Endpoints, name)) : [];
        var services = system.ActorOf(Props.Create(() => new WorkloadController(Kinds.Service, Kinds.EndpointSlice, endpoints, cache, objects, clock, SelectedBy)), "services");
        var scheduler = system.ActorOf(Props.Create(() => new SchedulerActor(cache, objects, events, clock, new PlacementOptions(0, 0))), "scheduler");
        var garbage = system.ActorOf(Props.Create(() => new GarbageActor(cache, objects)), "garbage");
        var sessions = system.ActorOf(Props.Create(() => new NodeSessionsActor(cache, objects, events, clock, options)), "node-sessions");
        registry.Register<NodeSessionsActor>(sessions);
        IReadOnlyList<IActorRef> listeners = [deployments, replicaSets, services, scheduler, garbage, sessions];
        system.ActorOf(Props.Create(() => new FeedActor(objects, cache, listeners)), "feed");
    }

    /// <summary>The Services whose selectors a pod matches, or matched.</summary>
    private static IEnumerable<ObjectName> SelectedBy(ObjectChange change, ObjectCache cache) => change.Kind != Kinds.Pod ? [] : cache.All(Kinds.Service)
        .Where(service => service.Namespace() == change.Name.Namespace && service["spec"]?["selector"] is System.Text.Json.Nodes.JsonObject selector
            && (Views.Selects(selector, change.Document) || (change.Previous is { } before && Views.Selects(selector, before)))).Select(ObjectStamp.NameOf);

    public static void MapEyrieNodeSessions(this IEndpointRouteBuilder routes) => routes.MapGrpcService<NodeSessionService>();
}
