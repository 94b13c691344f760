using System;
using System.Runtime;
using System.Runtime.InteropServices;
using Eyrie.Freestanding;
using static NativeProgram;

/// <summary>
/// A client and a server of datagrams, static and without libc. <c>HOW</c> is sendto, sendmsg, sendmmsg or connect. A line is printed for each result: the answer, or a negative errno.
/// <c>ask HOW ADDRESS PORT TEXT</c> sends and waits for the answer. <c>echo HOW PORT</c> answers every datagram with itself, and prints it; "to ADDRESS PORT" it sends there instead. <c>stream ADDRESS PORT</c> connects and sends a datagram every 10 ms,
/// and prints the first refusal. <c>race HOW ADDRESS OTHER PORT COUNT</c> sends while another thread changes the address to OTHER and back; prints how many were sent. With <c>stream</c> or
/// <c>stand</c> for HOW it connects TCP sockets, or binds them, instead, a new one each time; of those that stand it prints too how many stand elsewhere than at ADDRESS. <c>pass</c> sends a descriptor and a long text
/// over Unix sockets.
/// </summary>
internal static unsafe class Program
{
    private const int Recvfrom = 45, Socketpair = 53, Sendmmsg = 307;
    private static byte* s_memory;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        byte** arguments = (byte**)(stack + 1);
        s_memory = (byte*)Host.Call(Sys.Mmap, 0, 1 << 20, 3, 0x22, -1);
        byte mode = stack[0] < 2 ? (byte)'?' : arguments[1][0];
        if (mode == 'p') return Pass();
        if (mode == 'a' && stack[0] == 6) return Ask(Text(arguments[2]), Name(s_memory, arguments[3], arguments[4]), Text(arguments[5]));
        if (mode == 'e' && stack[0] == 4) return Echo(Text(arguments[2]), (int)FieldReader.Number(Text(arguments[3])));
        if (mode == 's' && stack[0] == 4) return Stream(Name(s_memory, arguments[2], arguments[3]));
        if (mode == 'r' && stack[0] == 7) return Race(Text(arguments[2]), Name(s_memory, arguments[3], arguments[5]), Name(s_memory + 16, arguments[4], arguments[5]), (int)FieldReader.Number(Text(arguments[6])));
        return 2;
    }

    /// <summary>sockaddr_in.</summary>
    private static byte* Name(byte* into, byte* address, byte* port) => Name(into, Text(address), Text(port));

    private static byte* Name(byte* into, ReadOnlySpan<byte> address, ReadOnlySpan<byte> port)
    {
        NativeProgram.Name(into, FieldReader.Address(address), FieldReader.Number(port));
        return into;
    }

    private static void Print(ReadOnlySpan<byte> text)
    {
        fixed (byte* bytes = text) Host.Call(Sys.Write, 1, (nint)bytes, text.Length);
        byte end = (byte)'\n';
        Host.Call(Sys.Write, 1, (nint)(&end), 1);
    }

    private static int Print(nint result)
    {
        Span<byte> line = stackalloc byte[24];
        var text = new TextWriter(line);
        text.Add(result);
        Print(text.Written);
        return result < 0 ? 1 : 0;
    }

    private static nint Open()
    {
        nint socket = Host.Call(Sys.Socket, 2, 2, 0);
        long* time = stackalloc long[2];
        time[0] = 5;
        time[1] = 0;
        if (socket >= 0) Host.Call(Sys.Setsockopt, socket, 1, 20, (nint)time, 16); // SO_RCVTIMEO
        return socket;
    }

    private static nint Send(ReadOnlySpan<byte> how, nint socket, byte* name, byte* data, int length)
    {
        if (how.SequenceEqual("sendto"u8)) return Host.Call(Sys.Sendto, socket, (nint)data, length, 0, (nint)name, 16);
        ulong* header = stackalloc ulong[8];
        ulong* pieces = stackalloc ulong[4]; // in two pieces, as a filter could not tell
        for (int i = 0; i < 8; i++) header[i] = 0;
        pieces[0] = (ulong)data;
        pieces[1] = 1;
        pieces[2] = (ulong)(data + 1);
        pieces[3] = (ulong)(length - 1);
        header[0] = (ulong)name;
        header[1] = name == null ? 0u : 16u;
        header[2] = (ulong)pieces;
        header[3] = 2;
        if (how.SequenceEqual("sendmsg"u8)) return Host.Call(Sys.Sendmsg, socket, (nint)header, 0);
        nint sent = Host.Call(Sendmmsg, socket, (nint)header, 1, 0);
        return sent == 1 ? (nint)(uint)header[7] : sent;
    }

    private static int Ask(ReadOnlySpan<byte> how, byte* name, ReadOnlySpan<byte> text)
    {
        nint socket = Open();
        if (socket < 0) return Print(socket);
        nint sent;
        fixed (byte* data = text)
        {
            bool connects = how.SequenceEqual("connect"u8);
            sent = connects ? Host.Call(Sys.Connect, socket, (nint)name, 16) : 0;
            if (sent >= 0) sent = connects ? Host.Call(Sys.Write, socket, (nint)data, text.Length) : Send(how, socket, name, data, text.Length);
        }
        if (sent != text.Length) return Print(sent);
        byte* answer = s_memory + 4096;
        nint length = Host.Call(Recvfrom, socket, (nint)answer, 4096, 0, 0, 0);
        if (length < 0) return Print(length);
        Print(new ReadOnlySpan<byte>(answer, (int)length));
        return 0;
    }

    private static int Echo(ReadOnlySpan<byte> how, int port)
    {
        byte* name = s_memory;
        name[0] = 2;
        name[2] = (byte)(port >> 8);
        name[3] = (byte)port;
        nint socket = Host.Call(Sys.Socket, 2, 2, 0);
        nint bound = socket < 0 ? socket : Host.Call(Sys.Bind, socket, (nint)name, 16);
        if (bound < 0) return Print(bound);
        Print("listens"u8);
        byte* data = s_memory + 4096;
        while (true)
        {
            uint size = 16;
            nint length = Host.Call(Recvfrom, socket, (nint)data, 65536, 0, (nint)name, (nint)(&size));
            if (length <= 0) return Print(length);
            Print(new ReadOnlySpan<byte>(data, (int)length));
            // "to ADDRESS PORT": the datagram goes there, whoever asked.
            var fields = new FieldReader(new ReadOnlySpan<byte>(data, (int)length));
            if (fields.Next().SequenceEqual("to"u8)) Name(name, fields.Next(), fields.Next());
            nint sent = Send(how, socket, name, data, (int)length);
            if (sent != length) Print(sent);
        }
    }

    private static int Stream(byte* name)
    {
        nint socket = Host.Call(Sys.Socket, 2, 2, 0);
        nint connected = socket < 0 ? socket : Host.Call(Sys.Connect, socket, (nint)name, 16);
        if (connected < 0) return Print(connected);
        long* pause = stackalloc long[2];
        pause[0] = 0;
        pause[1] = 10_000_000;
        while (true)
        {
            nint sent = Host.Call(Sys.Sendto, socket, (nint)name, 1, 0x4000, 0, 0);
            if (sent < 0 && sent != -Sys.Econnrefused) { Print(sent); break; }
            Host.Call(Sys.Nanosleep, (nint)pause, 0);
        }
        Print(Send("sendto"u8, socket, name, name, 1));
        Print(Host.Call(Sys.Connect, socket, (nint)name, 16));
        return 0;
    }

    private static int s_over, s_gone, s_turns;

    private static int Race(ReadOnlySpan<byte> how, byte* good, byte* other, int count)
    {
        byte* name = s_memory + 64;
        bool stands = how.SequenceEqual("stand"u8), streams = stands || how.SequenceEqual("stream"u8);
        nint socket = streams ? 0 : Open();
        if (socket < 0) return Print(socket);
        for (int i = 0; i < 16; i++) name[i] = good[i];
        int busy = 1;
        nint thread = Host.CloneThread(0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000, s_memory + (1 << 19), &Change, (nint)s_memory, &busy);
        if (thread < 0) return Print(thread);
        int sent = 0;
        int elsewhere = 0;
        for (int i = 0; i < count; i++)
        {
            // The other thread has its turns, however busy the machine is.
            for (int seen = System.Threading.Volatile.Read(ref s_turns); i % 128 == 0 && System.Threading.Volatile.Read(ref s_turns) == seen;) { }
            if (streams ? Stream(name, good, stands, ref elsewhere) : Send(how, socket, name, (byte*)good, 2) == 2) sent++;
        }
        System.Threading.Volatile.Write(ref s_over, 1);
        while (System.Threading.Volatile.Read(ref s_gone) == 0) { }
        Print(sent);
        return stands ? Print(elsewhere) : 0;
    }

    /// <summary>Whether a TCP socket of its own could be connected, or bound, to what stands at <paramref name="name"/> just then.</summary>
    private static bool Stream(byte* name, byte* good, bool stands, ref int elsewhere)
    {
        byte* bound = stackalloc byte[16];
        uint size = 16;
        nint socket = Host.Call(Sys.Socket, 2, 1, 0);
        bool done = Host.Call(stands ? Sys.Bind : Sys.Connect, socket, (nint)name, 16) == 0;
        if (stands && done && Host.Call(Sys.Getsockname, socket, (nint)bound, (nint)(&size)) == 0 && *(int*)(bound + 4) != *(int*)(good + 4)) elsewhere++;
        Host.Call(Sys.Close, socket);
        return done;
    }

    [UnmanagedCallersOnly]
    private static nint Change(nint argument)
    {
        byte* memory = (byte*)argument;
        for (int turn = 0; System.Threading.Volatile.Read(ref s_over) == 0; turn ^= 16)
        {
            for (int i = 0; i < 8; i += 4) System.Threading.Volatile.Write(ref *(int*)(memory + 64 + i), *(int*)(memory + turn + i));
            System.Threading.Volatile.Write(ref s_turns, s_turns + 1);
        }
        System.Threading.Volatile.Write(ref s_gone, 1);
        return 0;
    }

    /// <summary>What arrives on the other side of a socket pair, through a pipe whose end went over it; then a text longer than the kernel takes at once, to a slow reader.</summary>
    private static int Pass()
    {
        int* pair = stackalloc int[2];
        int* pipe = stackalloc int[2];
        if (Host.Call(Socketpair, 1, 1, 0, (nint)pair) < 0 || Host.Call(Sys.Pipe2, (nint)pipe, 0) < 0) return 2;
        ulong* header = stackalloc ulong[7];
        ulong* piece = stackalloc ulong[2];
        ulong* control = stackalloc ulong[3];
        for (int i = 0; i < 7; i++) header[i] = 0;
        piece[0] = (ulong)s_memory;
        piece[1] = 1;
        header[2] = (ulong)piece;
        header[3] = 1;
        header[4] = (ulong)control;
        header[5] = 24;
        control[0] = 20;
        ((int*)control)[2] = 1;
        ((int*)control)[3] = 1;
        ((int*)control)[4] = pipe[1];
        if (Host.Call(Sys.Sendmsg, pair[0], (nint)header, 0) is var sent and not 1) return Print(sent);
        Host.Call(Sys.Close, pipe[1]);
        ((int*)control)[4] = -1;
        header[5] = 24;
        Host.Call(Sys.Recvmsg, pair[1], (nint)header, 0);
        fixed (byte* hello = "through a passed descriptor"u8) Host.Call(Sys.Write, ((int*)control)[4], (nint)hello, 27);
        Host.Call(Sys.Close, ((int*)control)[4]);
        nint length = Host.Call(Sys.Read, pipe[0], (nint)s_memory, 64);
        Print(new ReadOnlySpan<byte>(s_memory, (int)length));

        const int Long = 900_000;
        nint child = Host.Call(Sys.Fork);
        header[4] = header[5] = 0;
        if (child == 0)
        {
            for (int done = 0; done < Long;)
            {
                piece[0] = (ulong)(s_memory + done);
                piece[1] = (ulong)(Long - done);
                nint part = Host.Call(Sys.Sendmsg, pair[0], (nint)header, 0);
                if (part <= 0) { Print(part); Host.Call(Sys.ExitGroup, 1); }
                done += (int)part;
            }
            Host.Call(Sys.ExitGroup, 0);
        }
        Host.Call(Sys.Close, pair[0]);
        int total = 0;
        for (nint read; (read = Host.Call(Sys.Read, pair[1], (nint)s_memory, 10_000)) > 0;) total += (int)read;
        return Print(total);
    }
}
