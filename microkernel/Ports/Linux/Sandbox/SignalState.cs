using System;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Signals of a thread, a bit each, as /proc/TID/status tells them (proc_pid_status(5)): sent to it alone, to its process, and kept off.</summary>
public struct SignalState
{
    public int Process;
    public ulong Own, Shared, Blocked;

    /// <summary>Signals that this thread was sent and would take.</summary>
    public readonly bool HasOwn => (Own & ~Blocked) != 0;

    /// <summary>Signals that its process was sent and that it would take, of those in the mask.</summary>
    public readonly bool HasShared(ulong mask = ulong.MaxValue) => (Shared & mask & ~Blocked) != 0;

    /// <summary>False: some line is not there; the thread has ended.</summary>
    public static bool Read(ReadOnlySpan<byte> status, out SignalState state)
    {
        const int All = 15;
        state = default;
        int found = 0;
        while (status.Length > 0)
        {
            int end = status.IndexOf((byte)'\n');
            var line = end < 0 ? status : status.Slice(0, end);
            status = end < 0 ? default : status.Slice(end + 1);
            if (Field(line, "Tgid:\t"u8, 10, out ulong process)) { state.Process = (int)process; found |= 1; }
            else if (Field(line, "SigPnd:\t"u8, 16, out ulong own)) { state.Own = own; found |= 2; }
            else if (Field(line, "ShdPnd:\t"u8, 16, out ulong shared)) { state.Shared = shared; found |= 4; }
            else if (Field(line, "SigBlk:\t"u8, 16, out ulong blocked)) { state.Blocked = blocked; found |= 8; }
        }
        return found == All;
    }

    private static bool Field(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name, uint radix, out ulong value)
    {
        value = 0;
        if (!line.StartsWith(name) || line.Length == name.Length) return false;
        for (int i = name.Length; i < line.Length; i++)
        {
            uint digit = line[i] <= '9' ? (uint)(line[i] - '0') : (uint)((line[i] | 32) - 'a' + 10);
            if (digit >= radix) return false;
            value = value * radix + digit;
        }
        return true;
    }
}
