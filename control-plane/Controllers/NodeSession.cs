using System.Threading.Channels;
using Eyrie.Manifests.Permissions;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>A connected node: what it said of itself, and what it was told.</summary>
/// <param name="id">Of this connection.</param>
/// <param name="hello">What it said.</param>
/// <param name="outbound">What is told to it.</param>
internal sealed class NodeSession(Guid id, NodeHello hello, ChannelWriter<ControlMessage> outbound)
{
    public Guid Id { get; } = id;
    public NodeHello Hello { get; private set; } = hello;
    public ChannelWriter<ControlMessage> Outbound { get; } = outbound;

    /// <summary>Pods that it was told, by uid, and where their sets let them connect.</summary>
    public Dictionary<string, (DesiredPod Pod, IReadOnlyList<CapabilityEntry.ConnectPods> Grants)> Told { get; } = [];

    /// <summary>The newest table of Services that it resolves with.</summary>
    public long Acknowledged { get; set; }

    /// <summary>What of its hello has changed. Another object: the last may just be being written down.</summary>
    public void Now(NodeStatusReport status)
    {
        var hello = Hello.Clone();
        hello.NotReady = status.NotReady;
        hello.Conditions.Clear();
        hello.Conditions.Add(status.Conditions);
        hello.Images.Clear();
        hello.Images.Add(status.Images);
        Hello = hello;
    }
}
