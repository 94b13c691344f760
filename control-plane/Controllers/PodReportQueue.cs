using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What nodes report of their pods on its way to the store: of each pod one write at a time, in order, and of statuses that wait the newest. Belongs to one actor.</summary>
internal sealed class PodReportQueue
{
    private readonly Dictionary<string, List<NodeMessage>> _waiting = []; // by uid; there while one is being written

    /// <summary>Takes a report; true: it is to be written now, otherwise it waits.</summary>
    public bool Take(string uid, NodeMessage message)
    {
        if (!_waiting.TryGetValue(uid, out var waiting))
        {
            _waiting[uid] = [];
            return true;
        }
        if (message.MessageCase == NodeMessage.MessageOneofCase.PodStatus && waiting is [.., { MessageCase: NodeMessage.MessageOneofCase.PodStatus }]) waiting[^1] = message; // complete, and newer
        else waiting.Add(message);
        return false;
    }

    /// <summary>A write has ended: the next of the pod; null: none waits.</summary>
    public NodeMessage? Next(string uid)
    {
        if (!_waiting.TryGetValue(uid, out var waiting)) return null;
        if (waiting is not [var next, ..])
        {
            _waiting.Remove(uid);
            return null;
        }
        waiting.RemoveAt(0);
        return next;
    }

    /// <summary>Writes a report; the conditions that others wrote stay. A pod that is gone, and that was to go, is deleted.</summary>
    public static async Task WriteAsync(IObjects objects, NodeMessage message)
    {
        bool gone = message.MessageCase == NodeMessage.MessageOneofCase.PodGone;
        var (uid, name, status) = gone
            ? (message.PodGone.Uid, new ObjectName(message.PodGone.Namespace, message.PodGone.Name), message.PodGone.StatusJson)
            : (message.PodStatus.Uid, new ObjectName(message.PodStatus.Namespace, message.PodStatus.Name), message.PodStatus.StatusJson);
        try
        {
            await objects.ChangeAsync(Kinds.Pod, name, stored => stored.Uid() == uid && PodReports.Merge(stored, DocumentReader.Read(status)), CancellationToken.None);
            if (gone && await objects.GetAsync(Kinds.Pod, name, CancellationToken.None) is { } pod && pod.IsDeleted())
                await objects.DeleteAsync(Kinds.Pod, name, new DeleteOptions(0, uid), CancellationToken.None);
        }
        catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
        {
            // The pod is gone, or another has its name: the report is about nothing any more.
        }
    }
}
