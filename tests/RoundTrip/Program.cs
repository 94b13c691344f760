using System;
using System.Runtime;
using Eyrie.Freestanding;
using Eyrie.Gate;
using Eyrie.Microkernel.Abi;
using Kernel = Eyrie.Microkernel.Servers.Microkernel;
using static NativeProgram;

namespace Eyrie.RoundTrip;

/// <summary>
/// There and back, a number of times, each measured; prints median, p99 and slowest in nanoseconds. As a native task: <c>trap-N</c> (a call that the kernel answers itself), <c>call-N</c> (a call to the
/// node's second further task), <c>serve-N</c> (that task). As a plain process: <c>pipe N</c>, <c>unix N</c> (a pair of stream sockets) and <c>futex N</c>, between two processes.
/// In containers: <c>gate N</c> (calls of the gate bench/echo) and <c>answer N</c> (the one that serves it). Messages of pair and gate have 64 bytes.
/// </summary>
internal static unsafe class Program
{
    private const int Warm = 200, Bytes = 64;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        byte* what = (byte*)stack[2];
        int count = 0;
        byte* digits = what;
        if (stack[0] > 2) digits = (byte*)stack[3];
        else while (*digits != '-' && *digits != 0) digits++;
        for (; *digits != 0; digits++)
            if (*digits >= '0') count = count * 10 + (*digits - '0');
        long* samples = (long*)Host.Call(Sys.Mmap, 0, (nint)(count + 1) * 8, 3, 0x22, -1);
        switch (what[0])
        {
            case (byte)'p': Pipe(samples, count); break;
            case (byte)'u': Pair(samples, count); break;
            case (byte)'g': Gate(samples, count); break;
            case (byte)'a': Answer(count); return 0;
            case (byte)'f': Futex(samples, count); break;
            case (byte)'t': Native(samples, count, false); break;
            case (byte)'c': Native(samples, count, true); break;
            default: Serve(count); return 0;
        }
        Report(samples, count);
        return 0;
    }

    private static void Native(long* samples, int count, bool call)
    {
        if (!Kernel.Attach()) return;
        for (int i = -Warm; i < count; i++)
        {
            long begin = Now();
            if (call) { Kernel.Words(i); Kernel.PayloadLength = 0; Kernel.Ipc(IpcOperation.Call, BootSlot.FirstPeer + 1); }
            else Host.Call(Call.Version);
            if (i >= 0) samples[i] = Now() - begin;
        }
    }

    private static void Serve(int count)
    {
        if (!Kernel.Attach()) return;
        Kernel.Ipc(IpcOperation.Wait, 0);
        for (int i = 1; i < count + Warm; i++) Kernel.Ipc(IpcOperation.ReplyWait, Kernel.Caller);
        Kernel.Ipc(IpcOperation.Reply, Kernel.Caller);
    }

    private static void Gate(long* samples, int count)
    {
        var gate = GateClient.Make();
        long slot = gate.Find("bench/echo"u8);
        for (int i = -Warm; i < count; i++)
        {
            long begin = Now();
            gate.Set(i, Bytes);
            if (gate.Do(GateOperation.Call, slot) != 0) Host.Call(Sys.ExitGroup, 1);
            if (i >= 0) samples[i] = Now() - begin;
        }
    }

    private static void Answer(int count)
    {
        var gate = GateClient.Make();
        gate.Do(GateOperation.Wait);
        for (int i = 1; i < count + Warm; i++) gate.Do(GateOperation.ReplyWait, gate.Caller);
        gate.Do(GateOperation.Reply, gate.Caller);
    }

    private static void Pair(long* samples, int count)
    {
        const int SocketPair = 53, Stream = 1;
        int* ends = stackalloc int[2];
        byte* message = stackalloc byte[Bytes];
        Host.Call(SocketPair, Sys.AfUnix, Stream, 0, (nint)ends);
        bool child = Host.Call(Sys.Fork) == 0;
        int own = ends[child ? 1 : 0];
        for (int i = -Warm; i < count; i++)
        {
            long begin = child ? 0 : Now();
            if (child) Host.Call(Sys.Read, own, (nint)message, Bytes);
            Host.Call(Sys.Write, own, (nint)message, Bytes);
            if (child) continue;
            Host.Call(Sys.Read, own, (nint)message, Bytes);
            if (i >= 0) samples[i] = Now() - begin;
        }
        if (child) Host.Call(Sys.ExitGroup, 0);
    }

    private static void Pipe(long* samples, int count)
    {
        int* ends = stackalloc int[4];
        Host.Call(Sys.Pipe2, (nint)ends, 0);
        Host.Call(Sys.Pipe2, (nint)(ends + 2), 0);
        long word = 0;
        bool child = Host.Call(Sys.Fork) == 0;
        for (int i = -Warm; i < count; i++)
        {
            long begin = child ? 0 : Now();
            if (child) Host.Call(Sys.Read, ends[0], (nint)(&word), 8);
            Host.Call(Sys.Write, child ? ends[3] : ends[1], (nint)(&word), 8);
            if (child) continue;
            Host.Call(Sys.Read, ends[2], (nint)(&word), 8);
            if (i >= 0) samples[i] = Now() - begin;
        }
        if (child) Host.Call(Sys.ExitGroup, 0);
    }

    /// <summary>A word of a shared page that each side sets to its own value and waits for the other's.</summary>
    private static void Futex(long* samples, int count)
    {
        int* turn = (int*)Host.Call(Sys.Mmap, 0, 4096, 3, 0x21, -1);
        bool child = Host.Call(Sys.Fork) == 0;
        for (int i = -Warm; i < count; i++)
        {
            long begin = child ? 0 : Now();
            if (!child) Hand(turn, 1);
            Await(turn, child ? 1 : 0);
            if (child) Hand(turn, 0);
            else if (i >= 0) samples[i] = Now() - begin;
        }
        if (child) Host.Call(Sys.ExitGroup, 0);
    }

    private static void Hand(int* turn, int to)
    {
        System.Threading.Volatile.Write(ref *turn, to);
        Host.Call(Sys.Futex, (nint)turn, 1, 1);
    }

    private static void Await(int* turn, int mine)
    {
        while (System.Threading.Volatile.Read(ref *turn) != mine) Host.Call(Sys.Futex, (nint)turn, 0, 1 - mine, 0);
    }

    private static void Report(long* samples, int count)
    {
        for (int gap = count / 2; gap > 0; gap /= 2)
            for (int i = gap; i < count; i++)
            {
                long sample = samples[i];
                int at = i;
                for (; at >= gap && samples[at - gap] > sample; at -= gap) samples[at] = samples[at - gap];
                samples[at] = sample;
            }
        byte* line = stackalloc byte[128];
        var text = new TextWriter(new Span<byte>(line, 128));
        text.Add("roundtrip: "u8); text.Add(samples[count / 2]); text.Add((byte)' '); text.Add(samples[(int)(count * 99L / 100)]); text.Add((byte)' '); text.Add(samples[count - 1]); text.Add((byte)'\n');
        Host.Call(Sys.Write, 2, (nint)line, text.Length);
    }
}
