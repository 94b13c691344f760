using System;
using System.Runtime;
using Eyrie.Freestanding;
using static NativeProgram;

/// <summary>
/// Load on TCP, static and without libc, the same program on every path. <c>serve PORT</c>: takes what is sent at PORT and answers its end with a byte; at PORT + 1 sends a byte and closes. <c>bulk ADDRESS PORT MEGABYTES</c>
/// prints the nanoseconds until everything was taken; <c>connections ADDRESS PORT COUNT</c> a line with those of each new connection until its byte has come (PORT is the second one). <c>twice HOW ADDRESS PORT ADDRESS PORT</c>
/// connects one socket to both in turn (HOW: waits, returns), prints a line with what each call said, and holds the socket for as long as it runs.
/// </summary>
internal static unsafe class Program
{
    private const int Piece = 1 << 16;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        byte** arguments = (byte**)(stack + 1);
        if (stack[0] < 3) return 2;
        byte* memory = (byte*)Host.Call(Sys.Mmap, 0, Piece, 3, 0x22, -1);
        if (arguments[1][0] == 's') return Serve((int)FieldReader.Number(Text(arguments[2])), memory);
        if (stack[0] < 5) return 2;
        if (arguments[1][0] == 't') return stack[0] < 7 ? 2 : Twice(arguments + 2);
        byte* name = stackalloc byte[16];
        Name(name, FieldReader.Address(Text(arguments[2])), FieldReader.Number(Text(arguments[3])));
        long count = FieldReader.Number(Text(arguments[4]));
        return arguments[1][0] == 'b' ? Bulk(name, count << 20, memory) : Connections(name, count);
    }

    private static nint Listen(int port)
    {
        byte* name = stackalloc byte[16];
        Name(name, 0, port);
        int one = 1;
        nint socket = Host.Call(Sys.Socket, 2, 1, 0);
        Host.Call(Sys.Setsockopt, socket, 1, 2, (nint)(&one), 4); // SO_REUSEADDR
        return socket < 0 || Host.Call(Sys.Bind, socket, (nint)name, 16) < 0 || Host.Call(Sys.Listen, socket, 128) < 0 ? -1 : socket;
    }

    private static int Serve(int port, byte* memory)
    {
        nint taking = Listen(port), closing = Listen(port + 1);
        if (taking < 0 || closing < 0) return 1;
        if (Host.Call(Sys.Fork) == 0)
            while (true)
            {
                nint client = Host.Call(Sys.Accept, closing, 0, 0);
                if (client < 0) return 1;
                Host.Call(Sys.Write, client, (nint)memory, 1);
                Host.Call(Sys.Close, client);
            }
        while (true)
        {
            nint client = Host.Call(Sys.Accept, taking, 0, 0);
            if (client < 0) return 1;
            while (Host.Call(Sys.Read, client, (nint)memory, Piece) > 0) { }
            Host.Call(Sys.Write, client, (nint)memory, 1);
            Host.Call(Sys.Close, client);
        }
    }

    private static int Twice(byte** arguments)
    {
        const int Stream = 1, Longest = 0x7FFFFFFF;
        byte* name = stackalloc byte[16];
        nint socket = Host.Call(Sys.Socket, 2, Stream | (arguments[0][0] == 'r' ? Sys.NonBlock : 0), 0);
        for (int which = 1; which < 5; which += 2)
        {
            Name(name, FieldReader.Address(Text(arguments[which])), FieldReader.Number(Text(arguments[which + 1])));
            Print(Host.Call(Sys.Connect, socket, (nint)name, 16));
        }
        long* time = stackalloc long[2];
        time[0] = Longest;
        time[1] = 0;
        Host.Call(Sys.Nanosleep, (nint)time, 0);
        return 0;
    }

    private static int Bulk(byte* name, long bytes, byte* memory)
    {
        nint socket = Host.Call(Sys.Socket, 2, 1, 0);
        if (socket < 0 || Host.Call(Sys.Connect, socket, (nint)name, 16) is < 0) return 1;
        long start = Now();
        while (bytes > 0)
        {
            nint written = Host.Call(Sys.Write, socket, (nint)memory, Piece);
            if (written <= 0) return 1;
            bytes -= written;
        }
        Host.Call(Sys.Shutdown, socket, 1);
        if (Host.Call(Sys.Read, socket, (nint)memory, 1) != 1) return 1;
        Print(Now() - start);
        return 0;
    }

    private static int Connections(byte* name, long count)
    {
        int* linger = stackalloc int[2]; // reset at close: nothing is left waiting
        linger[0] = 1;
        linger[1] = 0;
        byte one = 0;
        for (long i = 0; i < count; i++)
        {
            long start = Now();
            nint socket = Host.Call(Sys.Socket, 2, 1, 0);
            if (socket < 0 || Host.Call(Sys.Connect, socket, (nint)name, 16) < 0 || Host.Call(Sys.Read, socket, (nint)(&one), 1) != 1) return 1;
            long taken = Now() - start;
            Host.Call(Sys.Setsockopt, socket, 1, 13, (nint)linger, 8);
            Host.Call(Sys.Close, socket);
            Print(taken);
        }
        return 0;
    }
}
