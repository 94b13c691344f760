using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Files of control groups: a path of the hierarchy's root, a group and a file; numbers and short texts read and written in one piece.</summary>
public static unsafe class ControlGroupFiles
{
    public const int MaxPath = 320;

    /// <summary>Joins three parts with slashes; empty ones are left out. Zero-terminated.</summary>
    private static void Path(Span<byte> buffer, ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file)
    {
        var path = new TextWriter(buffer.Slice(0, buffer.Length - 1));
        path.Add(root);
        if (name.Length > 0) { path.Add((byte)'/'); path.Add(name); }
        if (file.Length > 0) { path.Add((byte)'/'); path.Add(file); }
        buffer[path.Length] = 0;
    }

    public static nint MakeDirectory(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name)
    {
        Span<byte> path = stackalloc byte[MaxPath];
        Path(path, root, name, default);
        fixed (byte* p = path) return Host.Call(Sys.Mkdirat, -100, (nint)p, 0x1ED);
    }

    public static nint RemoveDirectory(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name)
    {
        Span<byte> path = stackalloc byte[MaxPath];
        Path(path, root, name, default);
        fixed (byte* p = path) return Host.Call(Sys.Unlinkat, -100, (nint)p, 0x200);
    }

    public static nint Rename(ReadOnlySpan<byte> root, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        Span<byte> old = stackalloc byte[MaxPath], now = stackalloc byte[MaxPath];
        Path(old, root, from, default);
        Path(now, root, to, default);
        fixed (byte* o = old)
        fixed (byte* n = now) return Host.Call(Sys.Renameat2, -100, (nint)o, -100, (nint)n, 0);
    }

    public static nint Open(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file, nint flags)
    {
        Span<byte> path = stackalloc byte[MaxPath];
        Path(path, root, name, file);
        fixed (byte* p = path) return Host.Call(Sys.Openat, Node.HostRoot, (nint)(p + 1), flags | Sys.Cloexec); // the path without its slash, whatever root the calling process has by now
    }

    /// <summary>Negative errno, or more than zero.</summary>
    public static nint Put(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file, ReadOnlySpan<byte> text)
    {
        nint fd = Open(root, name, file, Sys.WriteOnly);
        if (fd < 0) return fd;
        nint written;
        fixed (byte* t = text) written = Host.Call(Sys.Write, fd, (nint)t, text.Length);
        Host.Call(Sys.Close, fd);
        return written;
    }

    public static nint Put(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file, long value)
    {
        Span<byte> text = stackalloc byte[24];
        var number = new TextWriter(text);
        number.Add(value);
        return Put(root, name, file, number.Written);
    }

    /// <summary>What stands in a file, cut at the buffer's end; 0 when it cannot be read.</summary>
    public static int Get(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file, Span<byte> into)
    {
        nint fd = Open(root, name, file, 0);
        if (fd < 0) return 0;
        nint read;
        fixed (byte* t = into) read = Host.Call(Sys.Read, fd, (nint)t, into.Length);
        Host.Call(Sys.Close, fd);
        return read < 0 ? 0 : (int)read;
    }

    /// <summary>The number that is a file's first word; 0: it has none, as <c>max</c>.</summary>
    public static long Number(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file)
    {
        Span<byte> text = stackalloc byte[48];
        return FirstNumber(text.Slice(0, Get(root, name, file, text)));
    }

    /// <summary>The number after a word and a space at the beginning of one of a file's lines; 0: there is none.</summary>
    public static long Keyed(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file, ReadOnlySpan<byte> key)
    {
        Span<byte> text = stackalloc byte[4096];
        var rest = (ReadOnlySpan<byte>)text.Slice(0, Get(root, name, file, text));
        while (rest.Length > 0)
        {
            if (rest.Length > key.Length && rest.StartsWith(key) && rest[key.Length] == ' ') return FirstNumber(rest.Slice(key.Length + 1));
            int end = rest.IndexOf((byte)'\n');
            if (end < 0) break;
            rest = rest.Slice(end + 1);
        }
        return 0;
    }

    public static int Lines(ReadOnlySpan<byte> root, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file)
    {
        const int Space = 256;
        nint fd = Open(root, name, file, 0);
        byte* text = stackalloc byte[Space];
        int lines = 0;
        for (nint read; fd >= 0 && (read = Host.Call(Sys.Read, fd, (nint)text, Space)) > 0;)
            for (int i = 0; i < read; i++)
                if (text[i] == '\n') lines++;
        if (fd >= 0) Host.Call(Sys.Close, fd);
        return lines;
    }

    private static long FirstNumber(ReadOnlySpan<byte> text)
    {
        int end = 0;
        while (end < text.Length && text[end] != '\n' && text[end] != ' ') end++;
        long value = FieldReader.Number(text.Slice(0, end));
        return value < 0 ? 0 : value;
    }
}
