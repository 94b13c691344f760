using System.Text.Json.Nodes;
using Akka.Actor;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>The controllers as the control plane runs them, actors and all, over the store in memory; without nodes.</summary>
public sealed class RunningControllers : IAsyncDisposable
{
    /// <summary>Twice the longest pause of an object whose writes are refused: up to 30 s go by before it is tried again.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private readonly IHost _host;

    private RunningControllers(IHost host) => _host = host;

    public IObjects Objects => _host.Services.GetRequiredService<IObjects>();
    public BreakableStore Store => (BreakableStore)_host.Services.GetRequiredService<IStore>();
    public ObjectCache Cache => _host.Services.GetRequiredService<ObjectCache>();
    public IServiceProvider Services => _host.Services;
    public ActorSystem Actors => _host.Services.GetRequiredService<ActorSystem>();

    public IActorRef Sessions => Akka.Hosting.ActorRegistry.For(Actors).Get<NodeSessionsActor>();

    /// <param name="options">Changes of the usual options.</param>
    public static async Task<RunningControllers> StartAsync(Func<ControllerOptions, ControllerOptions>? options = null)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IStore>(new BreakableStore()).AddSingleton(TimeProvider.System).AddEyrieObjects();
        var usual = new ControllerOptions { ClusterOctet = 64, NodeToken = "token" };
        builder.Services.AddEyrieControllers(options?.Invoke(usual) ?? usual);
        var host = builder.Build();
        var objects = host.Services.GetRequiredService<IObjects>();
        foreach (var name in new[] { "default", "kube-node-lease" }) await objects.CreateAsync(Kinds.Namespace, Documents.Json($$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"finalizers":["kubernetes"]}}"""), CancellationToken.None);
        await host.StartAsync();
        return new RunningControllers(host);
    }

    public Task<JsonObject> CreateAsync(ResourceKind kind, string document) => Objects.CreateAsync(kind, Documents.Json(document), CancellationToken.None);

    public Task<JsonObject?> GetAsync(ResourceKind kind, string name, string home = "default") => Objects.GetAsync(kind, new ObjectName(kind.Namespaced ? home : "", name), CancellationToken.None);

    public Task<JsonObject> DeleteAsync(ResourceKind kind, string name, string propagation, string home = "default") =>
        Objects.DeleteAsync(kind, new ObjectName(kind.Namespaced ? home : "", name), new DeleteOptions(Propagation: propagation), CancellationToken.None);

    public async Task<IReadOnlyList<JsonObject>> ListAsync(ResourceKind kind, string? home = "default") => (await Objects.ListAsync(kind, home, CancellationToken.None)).Items;

    /// <summary>A node that is ready and has no session. It has a lease that does not end: without one it would be marked lost ten seconds after the start.</summary>
    public async Task NodeAsync(string name, string cpu)
    {
        await CreateAsync(Kinds.Lease, $$$"""{"metadata":{"name":"{{{name}}}","namespace":"kube-node-lease"},"spec":{"renewTime":"2100-01-01T00:00:00.000000Z"}}""");
        await CreateAsync(Kinds.Node, $$$$"""{"metadata":{"name":"{{{{name}}}}","labels":{"kubernetes.io/hostname":"{{{{name}}}}"}}}""");
        await Objects.UpdateStatusAsync(Kinds.Node, Documents.Json($$$"""{"metadata":{"name":"{{{name}}}"},"status":{"allocatable":{"cpu":"{{{cpu}}}","memory":"8Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True"}]}}"""), CancellationToken.None);
    }

    /// <summary>Waits until what is seen is as wanted; fails after a minute with what was seen last.</summary>
    public static async Task UntilAsync<T>(string what, Func<Task<T>> see, Func<T, bool> wanted, Func<T, string>? show = null)
    {
        long ends = Environment.TickCount64 + (long)Deadline.TotalMilliseconds;
        while (true)
        {
            var seen = await see();
            if (wanted(seen)) return;
            if (Environment.TickCount64 > ends) throw new TimeoutException($"{what}: not after {Deadline.TotalSeconds} s; seen: {(show is null ? seen?.ToString() : show(seen))}");
            await Task.Delay(10);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
