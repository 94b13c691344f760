using System.Collections.Concurrent;
using System.Net;

namespace Eyrie.Node.Dns;

/// <summary>
/// Names outside the cluster that grants name. The addresses of an answer are told to the network server before the container hears them, and taken back when the answer's lifetime is over, half a minute at the least:
/// a program may take its time between asking and connecting. Addresses of the host itself and of the cluster are never taken from an answer, whoever gave it.
/// </summary>
/// <param name="ask">The host's resolver.</param>
/// <param name="tell">Tells the network server all lines of <see cref="Pins"/>.</param>
/// <param name="now">The time.</param>
public sealed class HostNames(Func<string, CancellationToken, Task<HostAddresses?>> ask, Func<Task> tell, TimeProvider now) : IDisposable
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(30), Longest = TimeSpan.FromHours(1);
    private readonly ConcurrentDictionary<string, Pinned> _pinned = new();
    private readonly SemaphoreSlim _one = new(1, 1);
    private ITimer? _ends;

    private sealed record Pinned(IReadOnlyDictionary<IPAddress, DateTimeOffset> Addresses, IReadOnlyList<IPAddress> Latest, DateTimeOffset Fresh);

    /// <summary>Lines for the network server: <c>host NAME ADDRESS ...</c>.</summary>
    public IReadOnlyList<string> Pins => [.. _pinned.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, Held: Held(pair.Value))).Where(pair => pair.Held.Count > 0).Select(pair => $"host {pair.Key} {string.Join(' ', pair.Held.Keys.Select(address => address.ToString()).Order(StringComparer.Ordinal))}")];

    private Dictionary<IPAddress, DateTimeOffset> Held(Pinned pinned) => pinned.Addresses.Where(pair => pair.Value > now.GetUtcNow()).ToDictionary();

    /// <summary>Addresses and how many seconds the asker may keep them; empty: there is no such name; null: nobody answered.</summary>
    public async Task<(IReadOnlyList<IPAddress> Addresses, int Seconds)?> ResolveAsync(string name, CancellationToken cancellationToken)
    {
        if (Known(name) is { } known) return known;
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (Known(name) is { } meanwhile) return meanwhile;
            if (await ask(name, cancellationToken) is not { } answer) return null;
            var time = now.GetUtcNow();
            var outside = answer.Addresses.Where(IsOutside).Distinct().ToList();
            var held = _pinned.TryGetValue(name, out var before) ? Held(before) : [];
            foreach (var address in outside) held[address] = time + (answer.Lifetime < Shortest ? Shortest : answer.Lifetime > Longest ? Longest : answer.Lifetime);
            _pinned[name] = new Pinned(held, outside, time + (answer.Lifetime > Longest ? Longest : answer.Lifetime));
            if (outside.Count > 0) await tell();
            Schedule();
            return (outside, (int)Math.Min(answer.Lifetime.TotalSeconds, Longest.TotalSeconds));
        }
        finally
        {
            _one.Release();
        }
    }

    private (IReadOnlyList<IPAddress>, int)? Known(string name) => _pinned.TryGetValue(name, out var pinned) && pinned.Fresh > now.GetUtcNow() ? (pinned.Latest, (int)(pinned.Fresh - now.GetUtcNow()).TotalSeconds) : null;

    /// <summary>Neither this host nor the cluster: not 127/8, 0/8, link-local, multicast or above.</summary>
    public static bool IsOutside(IPAddress address) => address.GetAddressBytes() is [var first, var second, _, _] && first is not (0 or 127) && first < 224 && (first, second) is not (169, 254);

    /// <summary>When the next address ends, the rest is told.</summary>
    private void Schedule()
    {
        _ends?.Dispose();
        var next = _pinned.Values.SelectMany(pinned => pinned.Addresses.Values).Where(end => end > now.GetUtcNow()).DefaultIfEmpty().Min();
        if (next == default) return;
        _ends = now.CreateTimer(_ => _ = EndAsync(), null, next - now.GetUtcNow() + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
    }

    private async Task EndAsync()
    {
        await _one.WaitAsync();
        try
        {
            foreach (var (name, pinned) in _pinned)
                if (Held(pinned) is { Count: 0 }) _pinned.TryRemove(name, out _);
                else _pinned[name] = pinned with { Addresses = Held(pinned) };
            await tell();
            Schedule();
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose()
    {
        _ends?.Dispose();
        _one.Dispose();
    }
}
