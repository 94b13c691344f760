using System;
using System.Runtime;
using Eyrie.Freestanding;

internal static unsafe class Program
{
    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        ReadOnlySpan<byte> text = "hello\n"u8;
        fixed (byte* p = &text.GetPinnableReference()) Host.Call(1, 1, (nint)p, text.Length);
        return 0;
    }
}
