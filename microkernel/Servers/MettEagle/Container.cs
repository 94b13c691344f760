using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>One container. Its slots in MettEagle's space start at <see cref="Slot"/>; its label with the network server is its index.</summary>
public unsafe struct Container
{
    public const int MaxId = 63, SlotsEach = 512, MaxEntries = 400;
    // Slots relative to the base.
    public const int FactorySlot = 0, TaskSlot = 1, HandlerSlot = 2, EntrySlot = 16;

    /// <summary>What the kernel keeps with a container's task, in order; and that a terminal stays with it.</summary>
    public const int KeptOutput = 0, KeptError = 1, KeptInput = 2, KeepTerminal = 1;

    public bool Used;
    /// <summary>Everything of it is there, and it is not being deleted.</summary>
    public bool Made;
    public TaskState State;
    public int Code, ProcessId;
    public bool OutOfMemory;
    public long StartedAt, FinishedAt;
    public int IdLength;
    public fixed byte IdBytes[MaxId + 1];
    /// <summary>The create request, kept until delete: the start description is made from it.</summary>
    public byte* Request;
    public int RequestLength;
    /// <summary>Classes of system calls that the lines held when it starts bring it, for as long as it runs.</summary>
    public CallClass Classes;
    /// <summary>Entries in slot order: line of slot <c>EntrySlot + i</c>; zero length: revoked.</summary>
    public int Entries;
    public int LogFile;
    public LogStream Output, Error;
    /// <summary>It has a terminal: what it writes comes from there, and there is no stderr.</summary>
    public bool Terminal;
    /// <summary>Where those who attach write its stdin, and the other end until it has started; -1: none.</summary>
    public int Input, InputEnd;
    /// <summary>Starting: who asked for it, and the request's number; the client is -1 when it is gone.</summary>
    public int Starter;
    public uint StartRequest;
    /// <summary>Which request waits for the start: Create of a container that is prepared, or Start; and whether a Delete waits for the end of what runs.</summary>
    public int StartType;
    public bool Ending;
}

/// <summary>A pipe that a container writes into, and the line that is not complete yet.</summary>
public unsafe struct LogStream
{
    /// <summary>The end that is read, and, until the container runs, the one that it writes into; -1: none.</summary>
    public int Descriptor, WriteEnd;
    /// <summary>Room for what is not in the log yet (<see cref="LogLines"/>), where that begins (low half) and ends, and up to where the room is not known to be zero.</summary>
    public byte* Line;
    public long Extent;
    public int Touched;
    /// <summary>1: a read is under way, or was.</summary>
    public int Reading;
    /// <summary>Of the line written last: its time in the log, and where it began.</summary>
    public long Time;
    public int TimeOf;
    /// <summary>Lines, or parts of a long one, that the log did not take since it was last said there; and whether a piece of one stands at its end.</summary>
    public int Lost;
    public bool Torn;

    public readonly int Start => (int)Extent;
    public readonly int End => (int)(Extent >> 32);

    /// <summary>Somebody who is attached is behind: nothing is read until they have taken what was.</summary>
    public bool Held;
}

/// <summary>The table of containers; index 0 is none.</summary>
public static unsafe class Containers
{
    public const int Max = 2048;
    public static Container* Table;
    /// <summary>No container had a higher index so far: whoever looks for one need not look further.</summary>
    public static int Highest;

    public static int Slot(int index, int relative) => BootSlot.FirstFree + index * Container.SlotsEach + relative;

    public static int Find(ReadOnlySpan<byte> id)
    {
        for (int i = 1; i <= Highest; i++)
            if (Table[i].Used && new ReadOnlySpan<byte>(Table[i].IdBytes, Table[i].IdLength).SequenceEqual(id)) return i;
        return 0;
    }

    public static int Free()
    {
        for (int i = 1; i < Max; i++)
            if (!Table[i].Used) return i;
        return 0;
    }

    public static ReadOnlySpan<byte> Request(int index) => new(Table[index].Request, Table[index].RequestLength);
    public static ReadOnlySpan<byte> Id(int index) => new(Table[index].IdBytes, Table[index].IdLength);
}

public static unsafe class Memory
{
    public static byte* Allocate(long bytes)
    {
        nint memory = Host.Call(Sys.Mmap, 0, (nint)bytes, 3, 0x4022, -1);
        return memory < 0 ? null : (byte*)memory;
    }

    public static void Free(byte* memory, long bytes)
    {
        if (memory != null) Host.Call(Sys.Munmap, (nint)memory, (nint)bytes);
    }

    /// <summary>Unix time in nanoseconds.</summary>
    public static long Now()
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 0, (nint)time);
        return time[0] * 1_000_000_000 + time[1];
    }
}
