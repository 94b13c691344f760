using System.Net;

namespace Eyrie.Node;

/// <summary>
/// Which endpoint the connections of one client to one entrance go to (sessionAffinity: ClientIP): the one of its last connection, until it has made none for as long as the Service says. Bounded: beyond
/// <paramref name="limit"/> clients those go whose time has passed, and then everybody. Not for several threads.
/// </summary>
public sealed class ClientAffinity(int limit = 10_000)
{
    private readonly Dictionary<(IPEndPoint Entrance, IPAddress Client), (IPEndPoint Endpoint, DateTimeOffset Until)> _kept = [];

    /// <summary>Null: any endpoint will do.</summary>
    public IPEndPoint? Of(IPEndPoint entrance, IPAddress client, DateTimeOffset now) => _kept.TryGetValue((entrance, client), out var kept) && kept.Until > now ? kept.Endpoint : null;

    public void Keep(IPEndPoint entrance, IPAddress client, IPEndPoint endpoint, TimeSpan time, DateTimeOffset now)
    {
        if (_kept.Count >= limit && !_kept.ContainsKey((entrance, client)))
        {
            foreach (var over in _kept.Where(kept => kept.Value.Until <= now).Select(kept => kept.Key).ToList()) _kept.Remove(over);
            if (_kept.Count >= limit) _kept.Clear();
        }
        _kept[(entrance, client)] = (endpoint, now + time);
    }
}
