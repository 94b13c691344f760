using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers.Nodes;

/// <summary>Writes that a node is there, or is not: its Node object and its Lease.</summary>
internal sealed class NodeRegistration(ObjectCache cache, IObjects objects, TimeProvider clock)
{
    /// <summary>Its Node is made if there is none, and says what the node said.</summary>
    public async Task RegisterAsync(NodeHello hello)
    {
        var name = new ObjectName("", hello.NodeName);
        var node = await objects.GetAsync(Kinds.Node, name, CancellationToken.None) ?? await objects.CreateAsync(Kinds.Node, NodeObjects.New(hello), CancellationToken.None);
        await objects.UpdateStatusAsync(Kinds.Node, NodeObjects.WithStatus(node, hello, clock.GetUtcNow()), CancellationToken.None);
        await RenewAsync(node);
    }

    /// <summary>Its Lease; nothing while there is no Node.</summary>
    public Task RenewAsync(string name) => cache.Get(Kinds.Node, new ObjectName("", name)) is { } node ? RenewAsync(node) : Task.CompletedTask;

    private async Task RenewAsync(JsonObject node)
    {
        var lease = NodeObjects.Lease(node, clock.GetUtcNow());
        var there = await objects.ChangeAsync(Kinds.Lease, new ObjectName(NodeObjects.LeaseNamespace, node.Name()), stored => NodeObjects.Renew(stored, lease), CancellationToken.None);
        if (!there) await objects.CreateAsync(Kinds.Lease, lease, CancellationToken.None);
    }

    /// <summary>A node that says that it is ready and has no session was lost while no control plane ran, if its lease is over as well.</summary>
    public async Task MissedAsync(string node)
    {
        var lease = await objects.GetAsync(Kinds.Lease, new ObjectName(NodeObjects.LeaseNamespace, node), CancellationToken.None);
        if (Views.Time(lease?["spec"]?["renewTime"]?.ToString()) is not { } renewed || renewed.AddSeconds(lease!["spec"]!["leaseDurationSeconds"].Int(40)) < clock.GetUtcNow()) await LostAsync(node);
    }

    public async Task LostAsync(string node)
    {
        if (await objects.GetAsync(Kinds.Node, new ObjectName("", node), CancellationToken.None) is { } document)
            await objects.UpdateStatusAsync(Kinds.Node, NodeObjects.Lost(document, clock.GetUtcNow()), CancellationToken.None);
    }
}
