using System.Text.Json.Nodes;
using System.Threading.Channels;
using Akka.Actor;
using Eyrie.ControlPlane.Controllers;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>A node that says of every pod that it runs, ends those that are to end, and connects again when its session is ended.</summary>
public sealed class FakeNode(RunningControllers running, string name)
{
    private readonly List<NodeMessage> _held = [];
    private bool _holding;

    public int Sessions { get; private set; }

    /// <summary>Pods that are to end do not, until <see cref="LetEnd"/>.</summary>
    public void Hold()
    {
        lock (_held) _holding = true;
    }

    public void LetEnd()
    {
        lock (_held)
        {
            _holding = false;
            foreach (var gone in _held) running.Sessions.Tell(new SessionReport(name, gone));
            _held.Clear();
        }
    }

    public async Task RunAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            Sessions++;
            var (session, outbound) = (Guid.NewGuid(), Channel.CreateUnbounded<ControlMessage>());
            running.Sessions.Tell(new SessionOpened(session, new NodeHello { NodeName = name, CpuMilli = 4000, MemoryBytes = 1L << 33, MaxPods = 200, Architecture = "amd64", PodRange = "127.64.16.0/22" }, outbound.Writer));
            try
            {
                await foreach (var message in outbound.Reader.ReadAllAsync(end)) Answer(message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            running.Sessions.Tell(new SessionClosed(session, name));
        }
    }

    private void Answer(ControlMessage message)
    {
        if (message.MessageCase == ControlMessage.MessageOneofCase.Services) running.Sessions.Tell(new SessionReport(name, new NodeMessage { ServicesApplied = new ServicesApplied { Revision = message.Services.Revision } }));
        if (message.MessageCase != ControlMessage.MessageOneofCase.Desired) return;
        var pod = JsonNode.Parse(message.Desired.PodJson)!.AsObject();
        var status = $$"""{"phase":"Running","podIP":"127.64.16.9","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}""";
        if (!message.Desired.Terminating)
        {
            running.Sessions.Tell(new SessionReport(name, new NodeMessage { PodStatus = new PodStatusReport { Uid = message.Desired.Uid, Namespace = pod.Namespace(), Name = pod.Name(), StatusJson = status } }));
            return;
        }
        var gone = new NodeMessage { PodGone = new PodGone { Uid = message.Desired.Uid, Namespace = pod.Namespace(), Name = pod.Name(), StatusJson = status } };
        lock (_held)
        {
            if (_holding) { _held.Add(gone); return; }
        }
        running.Sessions.Tell(new SessionReport(name, gone));
    }
}
