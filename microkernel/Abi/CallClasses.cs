using System;

namespace Eyrie.Microkernel.Abi;

/// <summary>From a set's entry lines to the classes of system calls that a container reaches. What no line asks for is not there.</summary>
public static class CallClasses
{
    /// <summary>What one line brings; a set has what any of its lines brings.</summary>
    public static CallClass Of(ReadOnlySpan<byte> line)
    {
        if (line.StartsWith("audit "u8)) line = line.Slice(6);
        if (line.StartsWith("connect "u8) || line.StartsWith("listen "u8)) return CallClass.Network;
        if (line.StartsWith("dir "u8)) return EndsWith(line, " read,write"u8) || EndsWith(line, " read,change"u8) ? CallClass.Files : CallClass.None;
        if (line.StartsWith("quota "u8)) return OfQuota(line);
        if (line.StartsWith("gate call "u8) || line.StartsWith("gate serve "u8)) return CallClass.Gates;
        return line.SequenceEqual("processes shared-memory"u8) ? CallClass.SharedMemory : CallClass.None;
    }

    /// <summary>One number counts processes and threads together; two of them count one kind, and the other there is once.</summary>
    private static CallClass OfQuota(ReadOnlySpan<byte> line)
    {
        int word = line.Length;
        while (word > 0 && line[word - 1] != ' ') word--;
        var last = line.Slice(word);
        if (last.StartsWith("threads="u8)) return last.SequenceEqual("threads=1"u8) ? CallClass.Processes : CallClass.Threads;
        return last.SequenceEqual("processes=1"u8) ? CallClass.None : CallClass.Processes | CallClass.Threads;
    }

    private static bool EndsWith(ReadOnlySpan<byte> text, ReadOnlySpan<byte> end) => text.Length >= end.Length && text.Slice(text.Length - end.Length).SequenceEqual(end);
}
