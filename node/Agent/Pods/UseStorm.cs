using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>
/// Uses as they are told: the first of a kind at once, what repeats counted and told once a window. Of one container at most <paramref name="kinds"/> kinds a window are told apart; the rest is a number. Pure, but for its own memory.
/// </summary>
public sealed class UseStorm(int kinds = 20)
{
    private sealed class Kind(CapabilityDenied first)
    {
        public CapabilityDenied First { get; } = first;
        public int Count { get; set; }
    }

    private readonly Dictionary<(string, UseVerdict, string, string, string), Kind> _known = [];
    private readonly Dictionary<string, int> _told = [], _beyond = [];

    /// <returns>What is to be told now; null: it is counted.</returns>
    public CapabilityDenied? Add(CapabilityDenied use)
    {
        var key = (use.ContainerId, use.Verdict, use.Operation, use.MissingEntry, use.Program);
        if (_known.TryGetValue(key, out var kind)) { kind.Count += use.Count; return null; }
        int told = _told.GetValueOrDefault(use.ContainerId);
        if (told >= kinds) { _beyond[use.ContainerId] = _beyond.GetValueOrDefault(use.ContainerId) + use.Count; return null; }
        _told[use.ContainerId] = told + 1;
        _known[key] = new Kind(use);
        return use;
    }

    /// <summary>The end of a window: what repeated in it, and for each container how much was beyond the kinds told apart.</summary>
    public (IReadOnlyList<CapabilityDenied> Repeated, IReadOnlyDictionary<string, int> Beyond) Window()
    {
        var repeated = _known.Where(pair => pair.Value.Count > 0).ToList();
        var beyond = new Dictionary<string, int>(_beyond);
        _beyond.Clear();
        _told.Clear();
        foreach (var (key, _) in _known.Where(pair => pair.Value.Count == 0).ToList()) _known.Remove(key);
        var told = repeated.Select(pair => pair.Value.First with { Count = pair.Value.Count }).ToList();
        foreach (var (key, kind) in repeated)
        {
            kind.Count = 0; // it goes on: counted in the next window too
            _told[key.Item1] = _told.GetValueOrDefault(key.Item1) + 1;
        }
        return (told, beyond);
    }
}
