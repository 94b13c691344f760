using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>CPU time and memory of one thing at one moment. <see cref="At"/> is monotonic: clocks that jump change nothing.</summary>
public readonly record struct UsageSample(TimeSpan At, TimeSpan Cpu, long MemoryWorkingSetBytes);

/// <summary>Rates from samples: each is measured against the one before. Pure but for what it remembers.</summary>
public sealed class UsageWindow
{
    private Dictionary<string, UsageSample> _before = [];

    /// <summary>What each key used since its last sample; of one that is new, since <paramref name="begun"/> says it began.</summary>
    /// <param name="samples">Those that are there now; what is not among them is forgotten.</param>
    /// <param name="begun">When a key began, on the clock of the samples.</param>
    public IReadOnlyDictionary<string, Usage> Take(IReadOnlyDictionary<string, UsageSample> samples, Func<string, TimeSpan> begun)
    {
        var used = samples.ToDictionary(pair => pair.Key, pair => Between(_before.TryGetValue(pair.Key, out var before) ? before : new UsageSample(begun(pair.Key), TimeSpan.Zero, 0), pair.Value));
        _before = samples.ToDictionary();
        return used;
    }

    /// <summary>The mean rate between two samples. A counter that went back began anew: then what it shows is what was used.</summary>
    public static Usage Between(UsageSample before, UsageSample now)
    {
        var window = now.At - before.At;
        var cpu = now.Cpu >= before.Cpu ? now.Cpu - before.Cpu : now.Cpu;
        return new Usage
        {
            CpuNanocores = window > TimeSpan.Zero ? (long)(cpu / window * 1e9) : 0, MemoryWorkingSetBytes = now.MemoryWorkingSetBytes, WindowMilliseconds = Math.Max(0, (long)window.TotalMilliseconds),
        };
    }
}
