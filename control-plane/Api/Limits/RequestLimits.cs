using System.Collections.Concurrent;
using Eyrie.ControlPlane.Api.Access;

namespace Eyrie.ControlPlane.Api.Limits;

/// <summary>How much of the server one user may have.</summary>
public sealed record LimitOptions
{
    /// <summary>Requests answered at the same moment, of all users.</summary>
    public int Seats { get; init; } = 16 * Environment.ProcessorCount;
    /// <summary>Of one user; the rest stays for others.</summary>
    public int SeatsPerUser { get; init; } = 12 * Environment.ProcessorCount;
    /// <summary>Requests of one user that are open: being sent, waiting or being answered. Beyond: 429.</summary>
    public int OpenPerUser { get; init; } = 1000;
    /// <summary>Watches, logs that are followed and streams of one user. Beyond: 429.</summary>
    public int LongRunningPerUser { get; init; } = 10_000;
    /// <summary>How long a request may take that is neither a watch nor a stream, from its first line to its answer. Beyond: 504.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>Keeps a slow or abusive client from starving the others: every user is a flow of <see cref="FairSeats"/>, with bounds of its own.</summary>
public sealed class RequestLimits(LimitOptions options)
{
    /// <summary>Lists read and write much: they weigh as several requests.</summary>
    private const int ListWidth = 3;

    public TimeSpan Deadline => options.Deadline;

    private readonly FairSeats _seats = new(options.Seats, options.SeatsPerUser);
    private readonly ConcurrentDictionary<string, int> _open = new(), _long = new();

    /// <exception cref="StatusException">429: the user has too many requests open.</exception>
    public Admitted Enter(Subject subject)
    {
        if (!Count(_open, subject.Name, options.OpenPerUser)) throw TooMany($"more than {options.OpenPerUser} requests of {subject.Name} are open");
        return new Admitted(this, subject.Name);
    }

    private static bool Count(ConcurrentDictionary<string, int> counts, string user, int most)
    {
        if (counts.AddOrUpdate(user, 1, (_, count) => count + 1) <= most) return true;
        Discount(counts, user);
        return false;
    }

    private static void Discount(ConcurrentDictionary<string, int> counts, string user)
    {
        if (counts.AddOrUpdate(user, 0, (_, count) => count - 1) == 0) counts.TryRemove(KeyValuePair.Create(user, 0));
    }

    private static StatusException TooMany(string reason) => new(429, "TooManyRequests", $"too many requests, please try again later: {reason}") { Details = new System.Text.Json.Nodes.JsonObject { ["retryAfterSeconds"] = 1 } };

    /// <summary>One request that was let in; dispose it when it has been answered.</summary>
    public sealed class Admitted(RequestLimits owner, string user) : IDisposable
    {
        private IDisposable? _seat;
        private bool _long;

        /// <summary>Waits for the request's turn.</summary>
        public async Task SeatAsync(bool list, CancellationToken cancellationToken) => _seat = await owner._seats.TakeAsync(user, list ? ListWidth : 1, cancellationToken);

        /// <summary>From now on the request only waits for what happens: it gives up its seat and counts as a watch or stream.</summary>
        /// <exception cref="StatusException">429: the user has too many of these.</exception>
        public void GoOn()
        {
            if (_long) return;
            if (!Count(owner._long, user, owner.LongRunning)) throw TooMany($"more than {owner.LongRunning} watches and streams of {user} are open");
            _long = true;
            Discount(owner._open, user);
            _seat?.Dispose();
        }

        public void Dispose()
        {
            _seat?.Dispose();
            Discount(_long ? owner._long : owner._open, user);
        }
    }

    private int LongRunning => options.LongRunningPerUser;
}
