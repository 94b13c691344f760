using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>
/// Moves what a container writes to its log file in CRI format (<c>2006-01-02T15:04:05.000000000Z stdout F line</c>, P for a part of a line too
/// long). Runs in the service, so that logs go on when no node agent is there.
/// </summary>
public static unsafe class LogPump
{
    /// <summary>Makes the pipe.</summary>
    public static bool Pipe(ref LogStream stream)
    {
        int* ends = stackalloc int[2];
        if (Host.Call(Sys.Pipe2, (nint)ends, Sys.Cloexec) < 0) return false;
        Host.Call(Sys.Fcntl, ends[0], 4, Sys.NonBlock);
        stream.Descriptor = ends[0];
        stream.WriteEnd = ends[1];
        return true;
    }

    public static void CloseWriteEnd(ref LogStream stream)
    {
        if (stream.WriteEnd >= 0) Host.Call(Sys.Close, stream.WriteEnd);
        stream.WriteEnd = -1;
    }

    public static void Watch(int index)
    {
        ref var container = ref Containers.Table[index];
        if (container.Output.Descriptor >= 0) Loop.Watch(container.Output.Descriptor, Loop.Log, index * 2);
        if (!container.Terminal && container.Error.Descriptor >= 0) Loop.Watch(container.Error.Descriptor, Loop.Log, index * 2 + 1);
    }

    private static ref LogStream Stream(int token)
    {
        ref var container = ref Containers.Table[token / 2];
        if (token % 2 == 0) return ref container.Output;
        return ref container.Error;
    }

    /// <summary>Everybody who is attached to a stream has what was read of it.</summary>
    public static void Resume(int token)
    {
        ref var stream = ref Stream(token);
        if (!stream.Held) return;
        stream.Held = false;
        if (stream.Descriptor >= 0) Loop.Watch(stream.Descriptor, Loop.Log, token);
    }

    /// <summary>Something can be read from a stream (token: container * 2, + 1 for stderr).</summary>
    public static void Ready(int token)
    {
        if (!Containers.Table[token / 2].Used) return;
        ref var stream = ref Stream(token);
        if (stream.Held || !Pump(token) || !Attachments.Behind(token)) return;
        stream.Held = true;
        Loop.Unwatch(stream.Descriptor);
    }

    /// <summary>Reads what is left after the end of a container, and completes its last line.</summary>
    public static void Drain(int index)
    {
        Pump(index * 2, true);
        Pump(index * 2 + 1, true);
    }

    /// <summary>Reads while there is something, and while nobody attached is behind; of a terminal, whose end waits when there is nothing, once. False: the stream has ended.</summary>
    private static bool Pump(int token, bool rest = false)
    {
        ref var container = ref Containers.Table[token / 2];
        ref var stream = ref Stream(token);
        var name = token % 2 == 0 ? "stdout"u8 : "stderr"u8;
        if (stream.Descriptor < 0) return false;
        while (rest || !Attachments.Behind(token))
        {
            nint read = LogLines.Read(ref stream);
            if (read == -Sys.Eagain || read == -Sys.Eintr) return true;
            if (read <= 0)
            {
                LogLines.Write(container.LogFile, ref stream, name, last: true);
                Unwatch(ref stream);
                if (container.Terminal) container.Input = -1;
                Attachments.Ended(token / 2, token % 2);
                return false;
            }
            Attachments.Show(token, new ReadOnlySpan<byte>(stream.Line + stream.End - (int)read, (int)read));
            LogLines.Write(container.LogFile, ref stream, name);
            if (container.Terminal && !rest) return true;
        }
        return true;
    }

    public static void Close(int index)
    {
        ref var container = ref Containers.Table[index];
        CloseStreams(ref container);
        if (container.LogFile >= 0) Host.Call(Sys.Close, container.LogFile);
    }

    /// <summary>What leads to the container's program: stdin too.</summary>
    public static void CloseStreams(ref Container container)
    {
        Close(ref container.Output);
        Close(ref container.Error);
        if (container.InputEnd >= 0) Host.Call(Sys.Close, container.InputEnd);
        if (container.Input >= 0 && !container.Terminal) Host.Call(Sys.Close, container.Input);
        container.Input = container.InputEnd = -1;
    }

    /// <summary>The kernel has a copy of the pipe for who comes after the service, so that closing it would leave its events, which are there all the time once the other end is closed.</summary>
    private static void Unwatch(ref LogStream stream)
    {
        if (stream.Descriptor < 0) return;
        Loop.Unwatch(stream.Descriptor);
        Host.Call(Sys.Close, stream.Descriptor);
        stream.Descriptor = -1;
    }

    private static void Close(ref LogStream stream)
    {
        CloseWriteEnd(ref stream);
        Unwatch(ref stream);
        LogLines.Clear(ref stream);
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
