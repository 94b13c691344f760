using System;
using System.Threading;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>
/// What was read of a stream and is not in its log yet. It stands in the dataspace, and whatever the instant at which the service is killed, its successor neither loses nor repeats any: beyond the end the
/// room holds zeros, so that what a read has left there is seen (but for zeros at its very end); and a line that is being written is known by its time, which is looked for in the log.
/// </summary>
public static unsafe class LogLines
{
    /// <summary>A longer line is written in parts; and the room for those that are read with one.</summary>
    public const int MaxLine = 16384, Space = 2 * MaxLine;
    private const int HeadSpace = 64;

    /// <summary>As read(2), with its result.</summary>
    public static nint Read(ref LogStream stream)
    {
        Volatile.Write(ref stream.Reading, 1);
        nint read = Host.Call(Sys.Read, stream.Descriptor, (nint)(stream.Line + stream.End), MaxLine - (stream.End - stream.Start));
        if (read > 0) Extend(ref stream, stream.End + (int)read);
        Volatile.Write(ref stream.Reading, 0);
        return read;
    }

    private static void Extend(ref LogStream stream, int end)
    {
        if (end > stream.Touched) stream.Touched = end;
        stream.Extent = (long)end << 32 | (uint)stream.Start;
    }

    /// <summary>Writes every line that is complete; last: also one that is not.</summary>
    public static void Write(int file, ref LogStream stream, ReadOnlySpan<byte> name, bool last = false)
    {
        while (Next(stream, last, out int length, out int taken, out bool full))
        {
            stream.Time = Memory.Now();
            stream.TimeOf = stream.Start;
            Put(file, ref stream, name, length, full);
            stream.Extent = (long)stream.End << 32 | (uint)(stream.Start + taken);
        }
        if (last && stream.Lost > 0) TellLost(file, ref stream, name);
        Compact(ref stream);
    }

    private static bool Next(in LogStream stream, bool last, out int length, out int taken, out bool full)
    {
        var rest = new ReadOnlySpan<byte>(stream.Line + stream.Start, stream.End - stream.Start);
        length = rest.IndexOf((byte)'\n');
        full = length >= 0 || rest.Length < MaxLine;
        taken = length + 1;
        if (length >= 0) return true;
        length = taken = rest.Length;
        return rest.Length == MaxLine || (last && rest.Length > 0);
    }

    /// <summary>What is left moves to the front when it does not overlap itself there: until it has, the old place holds.</summary>
    private static void Compact(ref LogStream stream)
    {
        int rest = stream.End - stream.Start;
        if (stream.Start == 0 || rest > stream.Start) return;
        stream.Time = 0;
        new ReadOnlySpan<byte>(stream.Line + stream.Start, rest).CopyTo(new Span<byte>(stream.Line, Space));
        stream.Extent = (long)rest << 32;
        Clean(ref stream);
    }

    private static void Clean(ref LogStream stream)
    {
        new Span<byte>(stream.Line + stream.End, stream.Touched - stream.End).Clear();
        stream.Touched = stream.End;
    }

    public static void Clear(ref LogStream stream)
    {
        stream.Time = 0;
        stream.Extent = 0;
        stream.Lost = 0;
        stream.Torn = false;
        if (stream.Line != null) Clean(ref stream);
    }

    private static int Head(byte* into, in LogStream stream, ReadOnlySpan<byte> name, bool full)
    {
        var text = new TextWriter(new Span<byte>(into, HeadSpace));
        Timestamp.Write(ref text, stream.Time);
        text.Add((byte)' '); text.Add(name); text.Add(full ? " F "u8 : " P "u8);
        return text.Length;
    }

    /// <summary>A full disk takes nothing of a line, or a piece: such lines are counted, and the log says how many are missing as soon as there is room.</summary>
    private static void Put(int file, ref LogStream stream, ReadOnlySpan<byte> name, int length, bool full)
    {
        if (stream.Lost > 0 && !TellLost(file, ref stream, name))
        {
            stream.Lost++;
            return;
        }
        byte* head = stackalloc byte[HeadSpace];
        byte end = (byte)'\n';
        nint* parts = stackalloc nint[6];
        parts[0] = (nint)head; parts[1] = Head(head, stream, name, full);
        parts[2] = (nint)(stream.Line + stream.Start); parts[3] = length;
        parts[4] = (nint)(&end); parts[5] = 1;
        nint written = Host.Call(Sys.Writev, file, (nint)parts, 3);
        if (written == parts[1] + length + 1) return;
        stream.Lost++;
        stream.Torn = written > 0;
    }

    /// <returns>Whether it stands in the log.</returns>
    private static bool TellLost(int file, ref LogStream stream, ReadOnlySpan<byte> name)
    {
        const int Longest = HeadSpace + 64;
        byte* line = stackalloc byte[Longest];
        var text = new TextWriter(new Span<byte>(line, Longest));
        if (stream.Torn) text.Add((byte)'\n');
        Timestamp.Write(ref text, Memory.Now());
        text.Add((byte)' '); text.Add(name); text.Add(" F ["u8); text.Add(stream.Lost, 1); text.Add(" lines lost: the node's disk was full]\n"u8);
        nint written = Host.Call(Sys.Write, file, (nint)line, text.Length);
        if (written > 0) stream.Torn = written < text.Length;
        if (written < text.Length) return false;
        stream.Lost = 0;
        return true;
    }

    /// <summary>After a process that was killed: completes what it was about to do.</summary>
    /// <param name="stream">Its stream.</param>
    /// <param name="name">stdout or stderr.</param>
    /// <param name="log">Path of the log beneath the node root.</param>
    /// <param name="file">The log, open for appending.</param>
    public static void Recover(ref LogStream stream, ReadOnlySpan<byte> name, ReadOnlySpan<byte> log, int file)
    {
        int end = stream.End;
        if (stream.Reading != 0)
            for (int at = stream.Start + MaxLine; at > stream.End && end == stream.End; at--)
                if (stream.Line[at - 1] != 0) end = at;
        Extend(ref stream, end);
        stream.Reading = 0;
        Clean(ref stream);
        if (stream.Time == 0 || stream.TimeOf != stream.Start || !Next(stream, true, out int length, out int taken, out bool full)) return;
        long reading = Microkernel.Open(BootSlot.NodeRoot, log, 0);
        byte* space = Memory.Allocate(2 * Space);
        if (reading >= 0 && space != null)
        {
            int head = Head(space, stream, name, full), whole = head + length + 1;
            new ReadOnlySpan<byte>(stream.Line + stream.Start, length).CopyTo(new Span<byte>(space + head, Space));
            space[whole - 1] = (byte)'\n';
            int written = Written((int)reading, new ReadOnlySpan<byte>(space, head), space + Space);
            if (written < whole) Host.Call(Sys.Write, file, (nint)(space + written), whole - written);
            stream.Extent = (long)stream.End << 32 | (uint)(stream.Start + taken);
        }
        if (reading >= 0) Host.Call(Sys.Close, (nint)reading);
        Memory.Free(space, 2 * Space);
    }

    /// <summary>How much of a record that begins with these bytes stands at the end of a file.</summary>
    private static int Written(int file, ReadOnlySpan<byte> head, byte* space)
    {
        const int Tail = MaxLine + 2 * HeadSpace;
        long size = 0;
        byte probe;
        for (long step = 1L << 40; step > 0; step >>= 1)
            if (Host.Call(Sys.Pread, file, (nint)(&probe), 1, (nint)(size + step - 1)) == 1) size += step;
        int read = (int)Host.Call(Sys.Pread, file, (nint)space, Tail, (nint)(size > Tail ? size - Tail : 0));
        for (int at = read - head.Length; at >= 0; at--)
            if (new ReadOnlySpan<byte>(space + at, head.Length).SequenceEqual(head)) return read - at;
        // Cut within its head, or not there.
        for (int length = head.Length - 1; length > 0; length--)
            if (read >= length && new ReadOnlySpan<byte>(space + read - length, length).SequenceEqual(head.Slice(0, length)) && (read == length || space[read - length - 1] == '\n')) return length;
        return 0;
    }
}
