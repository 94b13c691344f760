using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// The calling side of gates. A call of a container's program is a thread of the container's task to the core while it is in flight, of a pool beside that of trapped calls: whoever waits for a slow server takes nothing from others. The
/// gate is the one behind the container's own slot, so that what a caller may call, and as whom, is what its capability space says.
/// </summary>
public static unsafe class GateCalls
{
    public const int Max = 512;
    private const int MaxName = 127;
    private const long ReportEvery = 100_000_000;
    private static int s_first, s_free;
    /// <summary>Where a gate message goes to and comes from that belongs to a server: it is copied on before anything else happens.</summary>
    public static byte* ServerBuffer;

    public static bool Initialize(int factory)
    {
        byte* buffers = Node.Allocate((long)Max * MessageLayout.Size);
        ServerBuffer = Node.Allocate(MessageLayout.Size);
        if (buffers == null || ServerBuffer == null || !GateMessages.Initialize()) return false;
        for (int i = 0; i < Max; i++)
        {
            int call = Node.Kernel.CreateOwnThread(factory);
            if (call <= 0 || (i > 0 && call != s_first + i)) return false;
            if (i == 0) s_first = call;
            ref var entry = ref Node.Tasks[call];
            entry.Kind = PortKind.GateCall;
            entry.Buffer = buffers + (long)i * MessageLayout.Size;
            entry.NextTrap = s_free;
            s_free = call;
        }
        return true;
    }

    /// <summary>A program made the call Gate.</summary>
    /// <param name="source">Task it belongs to.</param>
    /// <param name="container">The container whose capability space counts.</param>
    /// <param name="n">The call.</param>
    public static void Take(int source, int container, ref SeccompNotification n)
    {
        int listener = Node.Tasks[source].Listener;
        var operation = (GateOperation)n.Arguments[0];
        if (n.Arguments[0] > (ulong)GateOperation.Who || (long)n.Arguments[2] is < 0 or > Deadlines.Longest) { Seccomp.AnswerRaw(listener, n.Id, AbiError.InvalidArgument); return; }
        if (operation is not (GateOperation.Find or GateOperation.Call)) { GateServers.Take(source, container, ref n); return; }
        int call = s_free;
        if (call == 0 || Node.Tasks[container].Calls >= GateMessage.MaxCalls && !Swept(container)) { Seccomp.AnswerRaw(listener, n.Id, AbiError.Busy); return; }
        s_free = Node.Tasks[call].NextTrap;
        ref var entry = ref Node.Tasks[call];
        entry.Source = source;
        entry.Container = container;
        entry.TrapListener = listener;
        entry.Notification = n.Id;
        entry.Thread = (int)n.Process;
        entry.Address = n.Arguments[3];
        entry.Slot = entry.Server = 0;
        entry.Waiting = true;
        Node.Kernel.Enter(call, container);
        Node.Tasks[container].Calls++;
        long result = !GateMessages.Read(entry.Thread, n.Arguments[3], entry.Buffer) || !Seccomp.Valid(listener, n.Id) ? AbiError.InvalidArgument
            : operation == GateOperation.Find ? Find(call) : Begin(call, (int)n.Arguments[1], (long)n.Arguments[2]);
        if (result != Kernel<LinuxMachine>.Blocked) Release(call, result);
    }

    private static long Begin(int call, int slot, long timeout)
    {
        ref var entry = ref Node.Tasks[call];
        int gate = Node.Kernel.Decode(entry.Container, slot, ObjectKind.Gate, Rights.Call);
        if (gate < 0) return gate;
        int server = Node.Kernel.Objects[gate].Link;
        if (Node.Tasks[server].Kind != PortKind.Container || Node.Tasks[server].State != TaskState.Running)
        {
            // Whoever asks again and again is reported ten times a second: those who listen must keep up.
            ref var caller = ref Node.Tasks[entry.Container];
            long now = Deadlines.Now();
            if (caller.UnservedSlot == slot && now - caller.Unserved < ReportEvery) return AbiError.NoServer;
            caller.Unserved = now;
            caller.UnservedSlot = slot;
            ref var record = ref Node.Kernel.Objects[gate];
            fixed (byte* name = record.Name) return Report(call, new ReadOnlySpan<byte>(name, record.NameLength), AbiError.NoServer);
        }
        if (Node.Tasks[server].Callers >= GateMessage.MaxCallers) return AbiError.Busy;
        entry.Slot = slot;
        entry.Server = server;
        Node.Tasks[server].Callers++;
        GateServers.Settle(server);
        Deadlines.Set(call, timeout);
        return Node.Kernel.CallGate(call, gate);
    }

    /// <summary>The slot of the entry for a gate, which the message names.</summary>
    private static long Find(int call)
    {
        ref var entry = ref Node.Tasks[call];
        var named = new ReadOnlySpan<byte>(entry.Buffer + MessageLayout.Payload, (int)*(uint*)(entry.Buffer + MessageLayout.PayloadLength));
        byte* line = stackalloc byte[2 * MaxName + 16];
        var text = new TextWriter(new Span<byte>(line, 2 * MaxName + 16));
        text.Add("gate call "u8);
        if (!IsName(named, out bool whole)) return AbiError.InvalidArgument;
        if (!whole) { text.Add(Home(entry.Container)); text.Add((byte)'/'); }
        text.Add(named);
        for (int c = Node.Kernel.Tasks[entry.Container].FirstCapability; c != 0; c = Node.Kernel.Capabilities[c].NextInTask)
        {
            ref var record = ref Node.Kernel.Objects[Node.Kernel.Capabilities[c].Object];
            fixed (byte* name = record.Name)
                if (record.Kind == ObjectKind.Gate && text.Written.SequenceEqual(new ReadOnlySpan<byte>(name, record.NameLength))) return Node.Kernel.Capabilities[c].Slot;
        }
        return Report(call, text.Written, AbiError.NoCapability);
    }

    /// <summary>Lower-case letters, digits and -, with one slash at most: nothing that could be more than one word of a line.</summary>
    private static bool IsName(ReadOnlySpan<byte> text, out bool whole)
    {
        whole = false;
        if (text.Length is 0 or > MaxName) return false;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '/' && !whole && i > 0 && i < text.Length - 1) { whole = true; continue; }
            if (text[i] is not ((>= (byte)'a' and <= (byte)'z') or (>= (byte)'0' and <= (byte)'9') or (byte)'-')) return false;
        }
        return true;
    }

    /// <summary>The namespace of a container, whose task is named NAMESPACE/POD/CONTAINER.</summary>
    private static ReadOnlySpan<byte> Home(int container)
    {
        ref var record = ref Node.Kernel.Objects[container];
        fixed (byte* name = record.Name)
        {
            var text = new ReadOnlySpan<byte>(name, record.NameLength);
            int slash = text.IndexOf((byte)'/');
            return slash < 0 ? default : text.Slice(0, slash);
        }
    }

    /// <summary>Tells the server that records what was tried, and answers when it has; nothing waits for one that is not there.</summary>
    private static long Report(int call, ReadOnlySpan<byte> line, long answer)
    {
        if (!ServerRestart.NetworkReady) return answer;
        ref var entry = ref Node.Tasks[call];
        long* words = (long*)(entry.Buffer + MessageLayout.Words);
        *(uint*)(entry.Buffer + MessageLayout.WordCount) = 8;
        new Span<byte>((byte*)words, 64).Clear();
        words[0] = Call.Gate;
        words[1] = entry.Answer = answer;
        words[7] = entry.Thread;
        line.CopyTo(new Span<byte>(entry.Buffer + MessageLayout.Payload, MessageLayout.MaxPayload));
        *(uint*)(entry.Buffer + MessageLayout.PayloadLength) = (uint)line.Length;
        return Node.Kernel.CallGate(call, Node.Tasks[entry.Source].Handler) == Kernel<LinuxMachine>.Blocked ? Kernel<LinuxMachine>.Blocked : answer;
    }

    /// <summary>The reply, or why there is none.</summary>
    public static void Finish(int call, long result)
    {
        ref var entry = ref Node.Tasks[call];
        if (entry.Answer != 0) { Release(call, entry.Answer); return; }
        if (result == 0 && (!Seccomp.Valid(entry.TrapListener, entry.Notification) || !GateMessages.Write(entry.Thread, entry.Address, entry.Buffer, false))) result = AbiError.InvalidArgument;
        Release(call, result);
    }

    private static void Release(int call, long answer)
    {
        ref var entry = ref Node.Tasks[call];
        Deadlines.Clear(call);
        Node.Kernel.Leave(call);
        Node.Tasks[entry.Container].Calls--;
        if (entry.Server != 0) Node.Tasks[entry.Server].Callers--;
        if (entry.Waiting) Seccomp.AnswerRaw(entry.TrapListener, entry.Notification, answer);
        entry.Waiting = false;
        entry.Source = entry.Container = entry.Server = 0;
        entry.Answer = 0;
        entry.NextTrap = s_free;
        s_free = call;
    }

    /// <summary>A successor: who was calling is told that nothing came of it, and may call again.</summary>
    public static void TakeOver()
    {
        s_free = 0;
        for (int call = s_first + Max - 1; call >= s_first; call--)
        {
            ref var entry = ref Node.Tasks[call];
            if (entry.Waiting)
            {
                if (entry.Notification == Node.Received->Id) Node.Received->Id = 0;
                Seccomp.AnswerRaw(entry.TrapListener, entry.Notification, entry.Answer != 0 ? entry.Answer : AbiError.Cancelled);
            }
            entry.Waiting = false;
            entry.Source = entry.Container = entry.Server = 0;
            entry.Answer = 0;
            entry.NextTrap = s_free;
            s_free = call;
        }
    }

    /// <summary>Callers that were killed while they waited give their places back; false: there were none.</summary>
    private static bool Swept(int container)
    {
        bool any = false;
        for (int call = s_first; call < s_first + Max; call++)
        {
            ref var entry = ref Node.Tasks[call];
            if (entry.Container != container || Seccomp.Valid(entry.TrapListener, entry.Notification)) continue;
            Release(call, AbiError.Cancelled);
            any = true;
        }
        return any;
    }

    /// <summary>A slot of a container is empty now: what was called through it comes to nothing, and its server can neither answer nor ask who it was.</summary>
    public static void Revoked(int container, int slot) => Withdraw(container, container, slot);

    /// <summary>A gate has another server: what was called through it before comes to nothing.</summary>
    public static void Redirected(int gate)
    {
        for (int call = s_first; call < s_first + Max; call++)
        {
            ref var entry = ref Node.Tasks[call];
            if (entry.Server == 0 || entry.Server == Node.Kernel.Objects[gate].Link) continue;
            int held = Node.Kernel.Find(entry.Container, entry.Slot);
            if (held == 0 || Node.Kernel.Capabilities[held].Object != gate) continue;
            Release(call, AbiError.Cancelled);
        }
    }

    /// <summary>A task ended: its calls are withdrawn, and whoever waits for it is told.</summary>
    public static void Ended(int task)
    {
        Withdraw(task, Node.Tasks[task].Joined != 0 ? Node.Tasks[task].Joined : task, 0);
        GateServers.Ended(task);
    }

    private static void Withdraw(int task, int container, int slot)
    {
        for (int call = s_first; call < s_first + Max && Node.Tasks[container].Calls > 0; call++)
        {
            ref var entry = ref Node.Tasks[call];
            if (entry.Container != container || (slot == 0 ? entry.Container != task && entry.Source != task : entry.Slot != slot)) continue;
            Release(call, AbiError.Cancelled);
        }
    }
}
