using Akka.Actor;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Places pods one after the other; a pod that fits nowhere is tried again when a pod or node changes.</summary>
public sealed class SchedulerActor : ReceiveActor
{
    private sealed record Bound(string Uid, Exception? Failure);

    public SchedulerActor(ObjectCache cache, IObjects objects, EventWriter events)
    {
        // Bindings written but not yet seen in the cache: counted as if they were there.
        var assumed = new Dictionary<string, System.Text.Json.Nodes.JsonObject>();
        var told = new Dictionary<string, string>();
        Receive<FeedBatch>(batch =>
        {
            if (batch.Kind != Kinds.Pod && batch.Kind != Kinds.Node) return;
            foreach (var change in batch.Changes)
            {
                if (batch.Kind != Kinds.Pod || (change.Type != ChangeType.Deleted && change.Document.NodeName().Length == 0)) continue;
                assumed.Remove(change.Document.Uid());
                told.Remove(change.Document.Uid());
            }
            Place();
        });
        Receive<Bound>(bound =>
        {
            if (bound.Failure is not null && assumed.Remove(bound.Uid)) Place();
        });

        void Place()
        {
            var pods = cache.All(Kinds.Pod).Select(pod => assumed.GetValueOrDefault(pod.Uid(), pod)).ToList();
            var nodes = cache.All(Kinds.Node);
            foreach (var pod in pods.Where(pod => pod.NodeName().Length == 0 && !pod.IsDeleted() && !pod.IsOver()).OrderBy(pod => pod.Metadata().Text("creationTimestamp"), StringComparer.Ordinal).ToList())
            {
                switch (SchedulerPlan.Decide(pod, nodes, pods))
                {
                    case Bind bind:
                        var placed = (System.Text.Json.Nodes.JsonObject)pod.DeepClone();
                        placed["spec"]!["nodeName"] = bind.Node;
                        assumed[pod.Uid()] = placed;
                        pods.Remove(pod);
                        pods.Add(placed);
                        BindAsync(objects, events, placed, bind.Node).PipeTo(Self);
                        break;
                    case Unschedulable refused when told.GetValueOrDefault(pod.Uid()) != refused.Message:
                        told[pod.Uid()] = refused.Message;
                        events.Write(pod, "Warning", "FailedScheduling", refused.Message, 1);
                        break;
                }
            }
        }
    }

    private static async Task<Bound> BindAsync(IObjects objects, EventWriter events, System.Text.Json.Nodes.JsonObject pod, string node)
    {
        try
        {
            await objects.UpdateAsync(Kinds.Pod, pod, CancellationToken.None);
            events.Write(pod, "Normal", "Scheduled", $"Successfully assigned {pod.Namespace()}/{pod.Name()} to {node}", 1);
            return new Bound(pod.Uid(), null);
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException or StoreUnavailableException)
        {
            return new Bound(pod.Uid(), exception);
        }
    }
}
