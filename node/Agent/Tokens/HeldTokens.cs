using System.Collections.Concurrent;
using Eyrie.Node.Volumes;
using Grpc.Core;

namespace Eyrie.Node.Tokens;

/// <summary>A token and its time.</summary>
/// <param name="Text">Empty: none is wanted.</param>
public sealed record TimedToken(string Text, DateTimeOffset From, DateTimeOffset Until)
{
    private static readonly TimeSpan LongestUse = TimeSpan.FromHours(24);

    /// <summary>When it is to be made anew: after four fifths of its time, and after a day at the latest, as on a kubelet.</summary>
    public DateTimeOffset RenewAt => From + ((Until - From) * 0.8 is var most && most < LongestUse ? most : LongestUse);
}

/// <summary>The tokens of one pod: asked of the control plane when a container needs them, kept in memory, and made anew before they end.</summary>
public sealed class HeldTokens(Func<TokenNeed, CancellationToken, Task<TimedToken>> ask, TimeProvider clock)
{
    private readonly ConcurrentDictionary<TokenNeed, TimedToken> _known = new();

    /// <summary>null: it was not asked for yet.</summary>
    public string? Find(TokenNeed need) => _known.GetValueOrDefault(need)?.Text;

    /// <summary>Asks for what is missing or due, and forgets what nobody needs any more.</summary>
    /// <returns>Whether anything is new.</returns>
    /// <exception cref="VolumeUnavailableException">The control plane is not there, or refuses; what was known is kept.</exception>
    public async Task<bool> RenewAsync(IReadOnlyCollection<TokenNeed> needs, bool all, CancellationToken cancellationToken)
    {
        if (all) foreach (var over in _known.Keys.Except(needs)) _known.TryRemove(over, out _);
        bool any = false;
        foreach (var need in needs.Where(need => !_known.TryGetValue(need, out var known) || known.RenewAt <= clock.GetUtcNow()))
        {
            try
            {
                _known[need] = await ask(need, cancellationToken);
                any = true;
            }
            catch (RpcException exception)
            {
                throw new VolumeUnavailableException($"no token of the service account{(need.Audience.Length > 0 ? $" for {need.Audience}" : "")}: {exception.Status.Detail}");
            }
        }
        return any;
    }
}
