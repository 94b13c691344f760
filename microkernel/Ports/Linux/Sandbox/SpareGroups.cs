using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// Groups of the first version whose containers have ended, kept under other names for the next ones: making and removing a group in four hierarchies is a sixth of a start, renaming it is not. A
/// group is kept when it has no processes, none was ever killed in it for want of memory (that counter cannot be set back), and it is given on when next to nothing is charged to it any more.
/// </summary>
public static unsafe class SpareGroups
{
    private const int Most = 16;
    /// <summary>What may still be charged to a group that is given on: files and objects of the host that are freed late. At most this, and this part of the next quota.</summary>
    private const long MostCharged = 1 << 20, PartOfQuota = 32;

    private struct Spare
    {
        public long Number;
        public Limits Limits;
    }

    private static Spare* s_spares; // in the order in which they were kept: the oldest has had most time for what is freed late
    private static int s_count;
    private static long s_last;

    public static bool Initialize() => (s_spares = (Spare*)Node.Allocate(Most * sizeof(Spare))) != null;

    /// <summary>Gives the oldest group the name and the limits of a new one. False: none is there, or it is not fit yet; the caller makes one.</summary>
    public static bool Take(ReadOnlySpan<byte> name, in Limits limits)
    {
        Span<byte> path = stackalloc byte[ControlGroupFiles.MaxPath];
        if (s_count == 0) return false;
        var spare = s_spares[0];
        var kept = Name(path, name, spare.Number);
        long most = limits.MemoryBytes == 0 || limits.MemoryBytes / PartOfQuota > MostCharged ? MostCharged : limits.MemoryBytes / PartOfQuota;
        if (ControlGroupV1.Charged(kept) > most) return false;
        for (int i = 1; i < s_count; i++) s_spares[i - 1] = s_spares[i];
        s_count--;
        if (ControlGroupV1.Change(kept, spare.Limits, limits) >= 0 && ControlGroupV1.Rename(kept, name)) return true;
        ControlGroupV1.RemoveEach(kept);
        return false;
    }

    /// <summary>Keeps a group whose container has ended. False: it is to be removed.</summary>
    public static bool Keep(ReadOnlySpan<byte> name, in Limits limits)
    {
        Span<byte> path = stackalloc byte[ControlGroupFiles.MaxPath];
        if (s_count == Most || !ControlGroupV1.Reset(name)) return false;
        var kept = Name(path, name, ++s_last);
        if (!ControlGroupV1.Rename(name, kept)) { ControlGroupV1.RemoveEach(kept); return false; }
        s_spares[s_count].Number = s_last;
        s_spares[s_count++].Limits = limits;
        return true;
    }

    /// <summary>Removes all of the node's group.</summary>
    public static void Remove(ReadOnlySpan<byte> prefix)
    {
        Span<byte> path = stackalloc byte[ControlGroupFiles.MaxPath];
        while (s_count > 0) ControlGroupV1.RemoveEach(Under(path, prefix, s_spares[--s_count].Number));
    }

    /// <summary>A successor's kernel keeps none: one may have been half taken or half kept. They were numbered as they came, and given on in that order.</summary>
    public static void Forget(ReadOnlySpan<byte> prefix)
    {
        Span<byte> path = stackalloc byte[ControlGroupFiles.MaxPath];
        for (long number = s_last < 3 * Most ? 1 : s_last - 3 * Most; number <= s_last; number++) ControlGroupV1.RemoveEach(Under(path, prefix, number));
        s_count = 0;
    }

    /// <summary>Beside a container's group; no container's name begins with a dot.</summary>
    private static ReadOnlySpan<byte> Name(Span<byte> path, ReadOnlySpan<byte> group, long number)
    {
        int end = group.Length;
        while (end > 0 && group[end - 1] != '/') end--;
        return Under(path, group.Slice(0, end - 1), number);
    }

    private static ReadOnlySpan<byte> Under(Span<byte> path, ReadOnlySpan<byte> prefix, long number)
    {
        var text = new TextWriter(path);
        text.Add(prefix); text.Add("/.spare-"u8); text.Add(number);
        return path.Slice(0, text.Length);
    }
}
