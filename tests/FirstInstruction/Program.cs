using System;
using System.Runtime;
using Eyrie.Freestanding;

/// <summary>Says when it began, in nanoseconds of the monotonic clock, and ends.</summary>
internal static unsafe class Program
{
    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        byte* line = stackalloc byte[32];
        var text = new TextWriter(new Span<byte>(line, 32));
        text.Add(time[0] * 1_000_000_000 + time[1]); text.Add((byte)'\n');
        Host.Call(Sys.Write, 1, (nint)line, text.Length);
        return 0;
    }
}
