using System;
using Eyrie.Freestanding;

/// <summary>What the native programs of the tests have in common: their arguments, addresses, the clock, and lines of their output.</summary>
internal static unsafe class NativeProgram
{
    /// <summary>The text before a zero.</summary>
    public static ReadOnlySpan<byte> Text(byte* text)
    {
        int length = 0;
        while (text[length] != 0) length++;
        return new ReadOnlySpan<byte>(text, length);
    }

    /// <summary>An address of TCP or UDP over IPv4.</summary>
    /// <param name="name">16 bytes, which become a sockaddr_in.</param>
    /// <param name="address">As a number whose first byte is the highest.</param>
    /// <param name="port">0 to 65535.</param>
    public static void Name(byte* name, long address, long port)
    {
        *(ulong*)name = *(ulong*)(name + 8) = 0;
        name[0] = 2;
        name[2] = (byte)(port >> 8);
        name[3] = (byte)port;
        for (int i = 0; i < 4; i++) name[4 + i] = (byte)(address >> (24 - 8 * i));
    }

    /// <summary>Nanoseconds of the monotonic clock.</summary>
    public static long Now()
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        return time[0] * 1_000_000_000 + time[1];
    }

    /// <summary>A line with a number on stdout.</summary>
    public static void Print(long number)
    {
        Span<byte> line = stackalloc byte[24];
        var text = new TextWriter(line);
        text.Add(number);
        text.Add((byte)'\n');
        fixed (byte* bytes = line) Host.Call(Sys.Write, 1, (nint)bytes, text.Length);
    }
}
