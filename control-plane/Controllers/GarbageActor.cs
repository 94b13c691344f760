using System.Text.Json.Nodes;
using Akka.Actor;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Removes what nobody owns any more, and what is inside a namespace that goes.</summary>
public sealed class GarbageActor : ReceiveActor
{
    private static readonly ResourceKind[] Owners = [Kinds.Deployment, Kinds.ReplicaSet, Kinds.ReplicationController, Kinds.StatefulSet, Kinds.DaemonSet, Kinds.Job, Kinds.CronJob, Kinds.Service],
        Owned = [Kinds.ReplicaSet, Kinds.Pod, Kinds.Job, Kinds.ControllerRevision, Kinds.EndpointSlice, Kinds.Endpoints];
    private static readonly IReadOnlyList<ResourceKind> Contents = [.. Kinds.Served.Where(kind => kind.Namespaced)];

    private sealed record Done;

    public GarbageActor(ObjectCache cache, IObjects objects)
    {
        bool sweeping = false, wanted = false;
        Receive<FeedBatch>(batch =>
        {
            wanted |= batch.Changes.Any(change => change.Type == ChangeType.Deleted || change.Kind == Kinds.Namespace || change.Type == ChangeType.Added);
            Step();
        });
        Receive<Done>(_ => { sweeping = false; Step(); });

        void Step()
        {
            if (!wanted || sweeping) return;
            (wanted, sweeping) = (false, true);
            SweepAsync(cache, objects).PipeTo(Self, success: () => new Done(), failure: _ => new Done());
        }
    }

    private static async Task SweepAsync(ObjectCache cache, IObjects objects)
    {
        var owners = Owners.SelectMany(cache.All).Select(owner => owner.Uid()).ToHashSet();
        foreach (var kind in Owned)
            foreach (var item in cache.All(kind).Where(item => item.OwnerUid() is { } owner && !owners.Contains(owner) && !item.IsDeleted()))
                if (await OwnerIsGoneAsync(objects, item)) await DeleteAsync(objects, kind, item);
        foreach (var home in cache.All(Kinds.Namespace).Where(home => home.IsDeleted())) await EmptyAsync(objects, home);
    }

    /// <summary>The cache may be behind for an owner made just now; the store decides.</summary>
    private static async Task<bool> OwnerIsGoneAsync(IObjects objects, JsonObject item)
    {
        var reference = (item.Metadata()["ownerReferences"] as JsonArray)!.OfType<JsonObject>().First(owner => owner["controller"]?.GetValue<bool>() == true);
        var kind = Kinds.All.FirstOrDefault(kind => kind.Kind == reference.Text("kind"));
        if (kind is null) return false;
        var owner = await objects.GetAsync(kind, new ObjectName(item.Namespace(), reference.Text("name")!), CancellationToken.None);
        return owner is null || owner.Uid() != reference.Text("uid");
    }

    private static async Task EmptyAsync(IObjects objects, JsonObject home)
    {
        int left = 0;
        foreach (var kind in Contents)
            foreach (var item in (await objects.ListAsync(kind, home.Name(), CancellationToken.None)).Items)
            {
                left++;
                if (!item.IsDeleted()) await DeleteAsync(objects, kind, item);
            }
        if (left > 0) return;
        home = (JsonObject)home.DeepClone();
        home["spec"] = new JsonObject();
        await objects.UpdateAsync(Kinds.Namespace, home, CancellationToken.None);
        await objects.DeleteAsync(Kinds.Namespace, new ObjectName("", home.Name()), new DeleteOptions(Uid: home.Uid()), CancellationToken.None);
    }

    private static async Task DeleteAsync(IObjects objects, ResourceKind kind, JsonObject item)
    {
        try
        {
            await objects.DeleteAsync(kind, ObjectStamp.NameOf(item), new DeleteOptions(Uid: item.Uid()), CancellationToken.None);
        }
        catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
        {
            // Gone already, or made anew under the same name: neither is ours to remove.
        }
    }
}
