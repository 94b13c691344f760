using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>What the claims of a pod say about where it may be.</summary>
/// <param name="Nodes">For each claim that has or will have a place, node terms one of which must match.</param>
/// <param name="Problem">Why it can be nowhere, worded as kube-scheduler does; null: it can.</param>
public sealed record VolumeTerms(IReadOnlyList<IReadOnlyList<NodeTerm>> Nodes, string? Problem)
{
    private static readonly VolumeTerms None = new([], null);

    /// <param name="pod">The pod.</param>
    /// <param name="cache">The cluster.</param>
    /// <param name="assumed">Nodes of placements that the cache does not know yet.</param>
    public static VolumeTerms Of(JsonObject pod, ObjectCache cache, AssumedClaims assumed)
    {
        List<IReadOnlyList<NodeTerm>>? terms = null;
        foreach (var name in LocalVolume.ClaimsOf(pod))
        {
            if (cache.Get(Kinds.PersistentVolumeClaim, new ObjectName(pod.Namespace(), name)) is not { } claim) return new VolumeTerms([], $"persistentvolumeclaim \"{name}\" not found");
            if (claim.IsDeleted()) return new VolumeTerms([], $"persistentvolumeclaim \"{name}\" is being deleted");
            if (claim["spec"]?["volumeName"]?.ToString() is { Length: > 0 } volume)
            {
                if (cache.Get(Kinds.PersistentVolume, new ObjectName("", volume)) is { } there) { if (Required(there) is { } required) (terms ??= []).Add(PodReader.Terms(required)); }
                else if (claim.Phase() != "Pending") return new VolumeTerms([], $"persistentvolume \"{volume}\" not found");
                else if (Follow(claim, cache, assumed) is { } made) (terms ??= []).Add(made); // it is being made
            }
            else if (ClaimPlan.Obstacle(claim, cache.All(Kinds.StorageClass)) is not null) return new VolumeTerms([], "pod has unbound immediate PersistentVolumeClaims");
            else if (Follow(claim, cache, assumed) is { } first) (terms ??= []).Add(first);
        }
        return terms is null ? None : new VolumeTerms(terms, null);
    }

    private static JsonArray? Required(JsonObject volume) => volume["spec"]?["nodeAffinity"]?["required"]?["nodeSelectorTerms"] as JsonArray;

    /// <summary>A claim without a volume gets one where the first pod is placed: the others go there too. null: none is placed yet.</summary>
    private static IReadOnlyList<NodeTerm>? Follow(JsonObject claim, ObjectCache cache, AssumedClaims assumed)
    {
        var node = assumed.NodeOf(ObjectStamp.NameOf(claim)) ?? cache.All(Kinds.Pod).Where(pod => pod.NodeName().Length > 0 && !pod.IsOver() && LocalVolume.Uses(pod, claim)).MinBy(pod => pod.Uid(), StringComparer.Ordinal)?.NodeName();
        return node is null ? null : PodReader.Terms(LocalVolume.TermsFor(node));
    }
}

/// <summary>Claims of pods that have been placed and that the cache does not know to be.</summary>
public sealed class AssumedClaims
{
    private readonly Dictionary<ObjectName, (string Uid, string Node)> _nodes = [];

    public string? NodeOf(ObjectName claim) => _nodes.TryGetValue(claim, out var placed) ? placed.Node : null;

    public void Assume(JsonObject pod, string node)
    {
        foreach (var claim in LocalVolume.ClaimsOf(pod)) _nodes.TryAdd(new ObjectName(pod.Namespace(), claim), (pod.Uid(), node));
    }

    /// <summary>The cache knows the pod's place, or the pod has none after all.</summary>
    public void Forget(string uid)
    {
        if (_nodes.Count == 0) return;
        foreach (var claim in _nodes.Where(pair => pair.Value.Uid == uid).Select(pair => pair.Key).ToList()) _nodes.Remove(claim);
    }
}
