using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>
/// Moves what a container writes to its log file in CRI format (<c>2006-01-02T15:04:05.000000000Z stdout F line</c>, P for a part of a line too
/// long). Runs in the service, so that logs go on when no node agent is there.
/// </summary>
public static unsafe class LogPump
{
    private const int LineSpace = 16384;

    /// <summary>Makes the pipe; the stream keeps the read end, and the write end until <see cref="WriteEnd"/> takes it.</summary>
    public static bool Pipe(ref LogStream stream)
    {
        int* ends = stackalloc int[2];
        if (Host.Call(Sys.Pipe2, (nint)ends, Sys.Cloexec) < 0) return false;
        Host.Call(Sys.Fcntl, ends[0], 4, Sys.NonBlock);
        stream.Descriptor = ends[0];
        stream.PartialLength = -ends[1];
        return true;
    }

    public static int WriteEnd(ref LogStream stream)
    {
        int end = -stream.PartialLength;
        stream.PartialLength = 0;
        return end;
    }

    /// <summary>The start failed: the next one takes the same end.</summary>
    public static void KeepWriteEnd(ref LogStream stream, int end) => stream.PartialLength = -end;

    public static void Watch(int index)
    {
        ref var container = ref Containers.Table[index];
        Loop.Watch(container.Output.Descriptor, Loop.Log, index * 2);
        Loop.Watch(container.Error.Descriptor, Loop.Log, index * 2 + 1);
    }

    /// <summary>Something can be read from a stream (token: container * 2, + 1 for stderr).</summary>
    public static void Ready(int token)
    {
        ref var container = ref Containers.Table[token / 2];
        if (!container.Used) return;
        if (token % 2 == 0) Pump(container.LogFile, ref container.Output, "stdout"u8);
        else Pump(container.LogFile, ref container.Error, "stderr"u8);
    }

    /// <summary>Reads what is left after the end of a container, and completes its last line.</summary>
    public static void Drain(int index)
    {
        Ready(index * 2);
        Ready(index * 2 + 1);
    }

    private static void Pump(int file, ref LogStream stream, ReadOnlySpan<byte> name)
    {
        if (stream.Descriptor < 0) return;
        if (stream.Partial == null && (stream.Partial = Memory.Allocate(LineSpace)) == null) return;
        while (true)
        {
            nint read = Host.Call(Sys.Read, stream.Descriptor, (nint)(stream.Partial + stream.PartialLength), LineSpace - stream.PartialLength);
            if (read == -Sys.Eagain || read == -Sys.Eintr) return;
            if (read <= 0)
            {
                if (stream.PartialLength > 0) Write(file, name, new ReadOnlySpan<byte>(stream.Partial, stream.PartialLength), true);
                Host.Call(Sys.Close, stream.Descriptor);
                stream.Descriptor = -1;
                stream.PartialLength = 0;
                return;
            }
            stream.PartialLength += (int)read;
            Split(file, ref stream, name);
        }
    }

    private static void Split(int file, ref LogStream stream, ReadOnlySpan<byte> name)
    {
        var rest = new ReadOnlySpan<byte>(stream.Partial, stream.PartialLength);
        for (int end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
        {
            Write(file, name, rest.Slice(0, end), true);
            rest = rest.Slice(end + 1);
        }
        if (rest.Length == LineSpace) { Write(file, name, rest, false); rest = default; }
        rest.CopyTo(new Span<byte>(stream.Partial, LineSpace));
        stream.PartialLength = rest.Length;
    }

    private static void Write(int file, ReadOnlySpan<byte> stream, ReadOnlySpan<byte> line, bool full)
    {
        byte* head = stackalloc byte[64];
        var text = new TextWriter(new Span<byte>(head, 64));
        Timestamp.Write(ref text, Memory.Now());
        text.Add((byte)' '); text.Add(stream); text.Add(full ? " F "u8 : " P "u8);
        byte end = (byte)'\n';
        nint* parts = stackalloc nint[6];
        fixed (byte* bytes = line)
        {
            parts[0] = (nint)head; parts[1] = text.Length;
            parts[2] = (nint)bytes; parts[3] = line.Length;
            parts[4] = (nint)(&end); parts[5] = 1;
            Host.Call(Sys.Writev, file, (nint)parts, 3);
        }
    }

    public static void Close(int index)
    {
        ref var container = ref Containers.Table[index];
        Close(ref container.Output);
        Close(ref container.Error);
        if (container.LogFile >= 0) Host.Call(Sys.Close, container.LogFile);
    }

    private static void Close(ref LogStream stream)
    {
        if (stream.PartialLength < 0) Host.Call(Sys.Close, WriteEnd(ref stream));
        if (stream.Descriptor >= 0) Host.Call(Sys.Close, stream.Descriptor);
        Memory.Free(stream.Partial, LineSpace);
    }
}

/// <summary>RFC 3339 in UTC with nanoseconds, from days since 1970 (the civil calendar as Howard Hinnant derives it).</summary>
public static class Timestamp
{
    public static void Write(ref TextWriter text, long nanoseconds)
    {
        long seconds = nanoseconds / 1_000_000_000, days = seconds / 86400, time = seconds % 86400;
        long shifted = days + 719468, era = shifted / 146097, dayOfEra = shifted % 146097;
        long yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
        long dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100), part = (5 * dayOfYear + 2) / 153;
        long month = part < 10 ? part + 3 : part - 9, year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
        text.Add(year, 4); text.Add((byte)'-'); text.Add(month, 2); text.Add((byte)'-'); text.Add(dayOfYear - (153 * part + 2) / 5 + 1, 2);
        text.Add((byte)'T'); text.Add(time / 3600, 2); text.Add((byte)':'); text.Add(time / 60 % 60, 2); text.Add((byte)':'); text.Add(time % 60, 2);
        text.Add((byte)'.'); text.Add(nanoseconds % 1_000_000_000, 9); text.Add((byte)'Z');
    }
}
