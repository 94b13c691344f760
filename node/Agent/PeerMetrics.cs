using Eyrie.Microkernel.Client;
using Prometheus;

namespace Eyrie.Node;

/// <summary>
/// Connections of each container by the grant that allowed them. There are as many series as grants in use, and the network server tells at most 64 of a container apart (the rest is <c>other</c>). Where its count begins
/// again, with the container or the server, the series does. Not for several threads.
/// </summary>
public sealed class PeerMetrics(IMetricFactory metrics)
{
    private static readonly string[] Outcomes = ["made", "failed"];

    private sealed record Seen(string Id, Dictionary<string, PeerCounts> Peers);

    private readonly Counter _connections = metrics.CreateCounter("eyrie_container_connections_total", "Connections of a container, and datagrams it sent to an address, by the grant that allowed them; failed: nobody was there, or refused.",
        ["namespace", "pod", "container", "peer", "outcome"]);
    private readonly Dictionary<(string Namespace, string Pod, string Container), Seen> _seen = [];

    /// <summary>What a container's statistics say now.</summary>
    public void Show(RunningContainer container, IReadOnlyList<PeerCounts> peers)
    {
        var key = (container.Namespace, container.Pod, container.Name);
        if (_seen.TryGetValue(key, out var seen) && seen.Id != container.Id) Forget(key);
        if (!_seen.TryGetValue(key, out seen)) _seen[key] = seen = new Seen(container.Id, []);
        var now = peers.ToDictionary(counts => counts.Entry.StartsWith("connect ", StringComparison.Ordinal) ? counts.Entry["connect ".Length..] : counts.Entry);
        foreach (var (peer, last) in seen.Peers.ToList())
            if (!now.TryGetValue(peer, out var counts) || counts.Made < last.Made || counts.Failed < last.Failed) Forget(key, peer);
        foreach (var (peer, counts) in now)
        {
            Series(key, peer, "made").IncTo(counts.Made);
            Series(key, peer, "failed").IncTo(counts.Failed);
            seen.Peers[peer] = counts;
        }
    }

    /// <summary>All others have ended.</summary>
    public void Keep(IEnumerable<RunningContainer> running)
    {
        foreach (var gone in _seen.Keys.Except(running.Select(container => (container.Namespace, container.Pod, container.Name))).ToList()) Forget(gone);
    }

    private Counter.Child Series((string Namespace, string Pod, string Container) key, string peer, string outcome) => _connections.WithLabels(key.Namespace, key.Pod, key.Container, peer, outcome);

    private void Forget((string Namespace, string Pod, string Container) key)
    {
        foreach (var peer in _seen[key].Peers.Keys.ToList()) Forget(key, peer);
        _seen.Remove(key);
    }

    private void Forget((string Namespace, string Pod, string Container) key, string peer)
    {
        foreach (var outcome in Outcomes) _connections.RemoveLabelled(key.Namespace, key.Pod, key.Container, peer, outcome);
        _seen[key].Peers.Remove(peer);
    }
}
