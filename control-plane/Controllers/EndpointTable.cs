using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>The table that every node resolves with, and what it depends on beside Services and pods. Belongs to one actor.</summary>
internal sealed class EndpointTable(ObjectCache cache, System.Net.IPEndPoint? api)
{
    private readonly Dictionary<CapabilityEntry.ConnectPods, int> _granted = []; // how many pods were told that they may connect there
    private readonly Dictionary<ObjectName, string> _closedPods = []; // addresses of pods that accept only whom they name
    private IReadOnlyList<ServicePort> _ports = [];
    private IReadOnlyList<string> _closed = [];

    /// <summary>Nodes whose session ended and is not there again.</summary>
    public HashSet<string> Lost { get; } = [];

    /// <summary>Grows with every other table.</summary>
    public long Revision { get; private set; } = 1;

    /// <summary>Decides anew; true: the table is another.</summary>
    public bool Renew()
    {
        var services = cache.All(Kinds.Service);
        bool leads = _granted.Count > 0 || services.Any(EndpointsPlan.LeadsToPods);
        var ports = EndpointsPlan.Decide(services, leads ? cache.All(Kinds.Pod) : [], Lost, _granted.Keys, api);
        IReadOnlyList<string> closed = [.. _closedPods.Values.Order(StringComparer.Ordinal)];
        if (ports.SequenceEqual(_ports) && closed.SequenceEqual(_closed)) return false;
        (_ports, _closed) = (ports, closed);
        Revision++;
        return true;
    }

    public ControlMessage Message()
    {
        var services = new Services { Revision = Revision };
        services.Ports.AddRange(_ports);
        services.Closed.AddRange(_closed);
        return new ControlMessage { Services = services };
    }

    /// <summary>Counts pods that may connect there. True: somebody may connect where nobody might before.</summary>
    public bool Count(IEnumerable<CapabilityEntry.ConnectPods> grants, int by)
    {
        bool more = false;
        foreach (var grant in grants)
        {
            int now = _granted.GetValueOrDefault(grant) + by;
            more |= by > 0 && now == by;
            if (now > 0) _granted[grant] = now;
            else _granted.Remove(grant);
        }
        return more;
    }

    /// <summary>Which pods are closed is kept pod by pod; a policy, a ceiling and a set may change it of any.</summary>
    public void Close(FeedBatch batch)
    {
        if (batch.Kind == Kinds.NetworkPolicy || batch.Kind == Kinds.Namespace || batch.Kind == Kinds.PermissionSet) CloseAll();
        if (batch.Kind != Kinds.Pod) return;
        var acceptance = new Acceptance(DesiredPods.Around(cache));
        foreach (var change in batch.Changes) Close(change.Name, change.Type == ChangeType.Deleted ? null : change.Document, acceptance);
    }

    public void CloseAll()
    {
        var acceptance = new Acceptance(DesiredPods.Around(cache));
        foreach (var pod in cache.All(Kinds.Pod)) Close(ObjectStamp.NameOf(pod), pod, acceptance);
    }

    private void Close(ObjectName name, JsonObject? pod, Acceptance acceptance)
    {
        if (pod is not null && ClosedPods.IsClosed(pod, acceptance)) _closedPods[name] = pod.PodAddress();
        else _closedPods.Remove(name);
    }
}
