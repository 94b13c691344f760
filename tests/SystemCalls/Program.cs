using System;
using System.Runtime;
using Eyrie.Freestanding;

/// <summary>
/// Makes the system calls that its arguments spell, and prints a line with the result of each: <c>systemcalls 257 -100 s:/proc/self/ns/net 0 , 308 $0 0</c>. An argument is a
/// number (0x for hexadecimal), s:TEXT (pointer to the text), x:HEX (pointer to the bytes), z:N (pointer to N zero bytes) or $K (result of call K). Static, without libc: what reaches the
/// host's kernel is exactly what is written.
/// </summary>
internal static unsafe class Program
{
    private const int MaxCalls = 16, MemorySize = 1 << 16;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        long count = stack[0];
        byte** arguments = (byte**)(stack + 1);
        byte* memory = (byte*)Host.Call(Sys.Mmap, 0, MemorySize, 3, 0x22, -1);
        nint* results = stackalloc nint[MaxCalls];
        nint* call = stackalloc nint[7];
        int done = 0;
        for (long i = 1; i < count && done < MaxCalls; i++)
        {
            for (int k = 0; k < 7; k++) call[k] = 0;
            for (int k = 0; i < count && arguments[i][0] != ','; i++, k++)
                if (k < 7) call[k] = Value(arguments[i], results, ref memory);
            results[done] = Host.Call(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
            Print(results[done++]);
        }
        return 0;
    }

    private static nint Value(byte* text, nint* results, ref byte* memory)
    {
        if (text[0] == '$') return results[Number(text + 1)];
        if (text[1] != ':') return Number(text);
        byte* start = memory;
        switch (text[0])
        {
            case (byte)'s':
                for (text += 2; *text != 0; text++) *memory++ = *text;
                memory++;
                break;
            case (byte)'x':
                for (text += 2; *text != 0; text += 2) *memory++ = (byte)(Digit(text[0]) << 4 | Digit(text[1]));
                break;
            default:
                memory += Number(text + 2);
                break;
        }
        memory += 16;
        return (nint)start;
    }

    private static nint Number(byte* text)
    {
        bool negative = *text == '-';
        if (negative) text++;
        int radix = 10;
        if (text[0] == '0' && text[1] == 'x') { radix = 16; text += 2; }
        nint value = 0;
        for (; *text != 0; text++) value = value * radix + Digit(*text);
        return negative ? -value : value;
    }

    private static int Digit(byte letter) => letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10;

    private static void Print(nint result)
    {
        Span<byte> line = stackalloc byte[32];
        var text = new TextWriter(line);
        text.Add(result);
        text.Add((byte)'\n');
        fixed (byte* bytes = line) Host.Call(Sys.Write, 1, (nint)bytes, text.Length);
    }
}
