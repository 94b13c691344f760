using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Limits as files of a control group of the second version, and back.</summary>
public static class GroupSettings
{
    public const int Count = 6, Swap = 1;
    private const long Period = 100_000, LeastShares = 2, MostShares = 262_144, MostWeight = 10_000;
    /// <summary>Microseconds of a period that a thousandth of a CPU is.</summary>
    public const long QuotaOfMilli = Period / 1000;

    /// <summary>A file of a group and what is written to it; empty: these limits ask for nothing there. Memory is not stretched by swap, and a container that has none left is killed whole.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1, in the order in which they are written.</param>
    /// <param name="limits">The container's.</param>
    /// <param name="kinds">What the host's controllers enforce.</param>
    /// <param name="value">Gets the text.</param>
    public static ReadOnlySpan<byte> Of(int index, in Limits limits, LimitKinds kinds, ref Eyrie.Freestanding.TextWriter value)
    {
        bool memory = limits.MemoryBytes > 0 && (kinds & LimitKinds.Memory) != 0, cpu = (kinds & LimitKinds.Cpu) != 0;
        switch (index)
        {
            case 0 when memory: value.Add(limits.MemoryBytes); return "memory.max"u8;
            case Swap when memory: value.Add("0"u8); return "memory.swap.max"u8;
            case 2 when memory: value.Add("1"u8); return "memory.oom.group"u8;
            case 3 when limits.Processes > 0 && (kinds & LimitKinds.Processes) != 0: value.Add(limits.Processes); return "pids.max"u8;
            case 4 when limits.Shares > 1 && cpu: value.Add(Weight(limits.Shares)); return "cpu.weight"u8;
            case 5 when limits.CpuMilli > 0 && cpu: value.Add(limits.CpuMilli * QuotaOfMilli); value.Add((byte)' '); value.Add(Period); return "cpu.max"u8;
            default: return default;
        }
    }

    /// <summary>Shares of the first version (2 to 262,144) as a weight of the second (1 to 10,000), along a line, as Kubernetes converts them.</summary>
    public static long Weight(long shares)
    {
        long within = shares < LeastShares ? LeastShares : shares > MostShares ? MostShares : shares;
        return 1 + (within - LeastShares) * (MostWeight - 1) / (MostShares - LeastShares);
    }

    /// <summary>The least shares that have this weight.</summary>
    public static long Shares(long weight) => weight <= 1 ? LeastShares : LeastShares + ((weight - 1) * (MostShares - LeastShares) + MostWeight - 2) / (MostWeight - 1);

    /// <summary>Names of controllers, separated by spaces, as limits.</summary>
    public static LimitKinds Kinds(ReadOnlySpan<byte> controllers)
    {
        var kinds = LimitKinds.None;
        int end = controllers.IndexOf((byte)'\n');
        var names = new FieldReader(end < 0 ? controllers : controllers.Slice(0, end));
        for (var name = names.Next(); name.Length > 0; name = names.Next())
        {
            if (name.SequenceEqual("memory"u8)) kinds |= LimitKinds.Memory;
            if (name.SequenceEqual("pids"u8)) kinds |= LimitKinds.Processes;
            if (name.SequenceEqual("cpu"u8)) kinds |= LimitKinds.Cpu;
        }
        return kinds;
    }
}
