using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Who a thread is to files and to the other end of a Unix socket, as /proc/TID/status tells it (proc_pid_status(5)): effective user and group, further groups, and the bits that its new files have not.</summary>
public unsafe struct CallerIdentity
{
    public const int MaxGroups = 64;

    public uint User, Group, Mask;
    public int GroupCount;
    public fixed uint Groups[MaxGroups];

    /// <summary>That of a thread which waits in a call: only afterwards it can be known that the number was its own all the while.</summary>
    public static bool Of(int thread, out CallerIdentity identity)
    {
        Span<byte> name = stackalloc byte[24];
        Span<byte> text = stackalloc byte[3072];
        var number = new TextWriter(name);
        number.Add(thread);
        return Read(text.Slice(0, ControlGroupFiles.Get("/proc"u8, number.Written, "status"u8, text)), out identity);
    }

    /// <summary>False: some line is not there, since the thread has ended, or there are more groups than are taken.</summary>
    public static bool Read(ReadOnlySpan<byte> status, out CallerIdentity identity)
    {
        const int All = 15;
        identity = default;
        int found = 0;
        while (status.Length > 0)
        {
            int end = status.IndexOf((byte)'\n');
            var line = end < 0 ? status : status.Slice(0, end);
            status = end < 0 ? default : status.Slice(end + 1);
            if (line.StartsWith("Umask:\t"u8)) found |= Number(line.Slice(7), 8, out identity.Mask) ? 1 : 0;
            else if (line.StartsWith("Uid:\t"u8)) found |= Effective(line.Slice(5), out identity.User) ? 2 : 0;
            else if (line.StartsWith("Gid:\t"u8)) found |= Effective(line.Slice(5), out identity.Group) ? 4 : 0;
            else if (line.StartsWith("Groups:\t"u8)) found |= identity.AddGroups(line.Slice(8)) ? 8 : 0;
        }
        return found == All;
    }

    /// <summary>The second of four numbers.</summary>
    private static bool Effective(ReadOnlySpan<byte> fields, out uint value)
    {
        value = 0;
        int first = fields.IndexOf((byte)'\t');
        if (first < 0) return false;
        fields = fields.Slice(first + 1);
        int second = fields.IndexOf((byte)'\t');
        return second >= 0 && Number(fields.Slice(0, second), 10, out value);
    }

    private bool AddGroups(ReadOnlySpan<byte> text)
    {
        var fields = new FieldReader(text);
        for (var field = fields.Next(); field.Length > 0; field = fields.Next())
        {
            if (GroupCount == MaxGroups || !Number(field, 10, out uint group)) return false;
            Groups[GroupCount++] = group;
        }
        return true;
    }

    private static bool Number(ReadOnlySpan<byte> digits, uint radix, out uint value)
    {
        ulong number = 0;
        value = 0;
        if (digits.Length is 0 or > 10) return false;
        for (int i = 0; i < digits.Length; i++)
        {
            uint digit = (uint)(digits[i] - '0');
            if (digit >= radix) return false;
            number = number * radix + digit;
        }
        value = (uint)number;
        return number <= uint.MaxValue;
    }
}
