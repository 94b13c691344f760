using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Bytes that were read from and written to block devices, as the host's texts tell them.</summary>
public static class DiskAccounts
{
    /// <summary>io.stat of a control group of the second version: a line for each device, <c>MAJOR:MINOR rbytes=N wbytes=N ...</c>.</summary>
    public static void AddDevices(ReadOnlySpan<byte> text, ref Usage used)
    {
        for (var line = Line(ref text); line.Length > 0 || text.Length > 0; line = Line(ref text))
        {
            var fields = new FieldReader(line);
            for (var field = fields.Next(); field.Length > 0; field = fields.Next())
            {
                used.DiskReadBytes += After(field, "rbytes="u8);
                used.DiskWrittenBytes += After(field, "wbytes="u8);
            }
        }
    }

    /// <summary>/proc/PID/io (proc_pid_io(5)) of a process, its threads, and those of its children that it has waited for.</summary>
    public static void AddProcess(ReadOnlySpan<byte> text, ref Usage used)
    {
        for (var line = Line(ref text); line.Length > 0 || text.Length > 0; line = Line(ref text))
        {
            used.DiskReadBytes += After(line, "read_bytes: "u8);
            used.DiskWrittenBytes += After(line, "write_bytes: "u8);
        }
    }

    private static ReadOnlySpan<byte> Line(ref ReadOnlySpan<byte> text)
    {
        int end = text.IndexOf((byte)'\n');
        var line = end < 0 ? text : text.Slice(0, end);
        text = end < 0 ? default : text.Slice(end + 1);
        return line;
    }

    private static long After(ReadOnlySpan<byte> field, ReadOnlySpan<byte> name)
    {
        long value = field.StartsWith(name) ? FieldReader.Number(field.Slice(name.Length)) : 0;
        return value < 0 ? 0 : value;
    }
}
