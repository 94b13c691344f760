using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>One `gate` entry of one container.</summary>
public unsafe struct GateSession
{
    public const int MaxName = 127;

    /// <summary>0: free.</summary>
    public int Container;
    public int Slot;
    public bool Serves;
    /// <summary>Of one that calls: the container that serves it now, 0: none; and the label that its server sees, never that of another session.</summary>
    public int Server;
    public long Label;
    public int NameLength;
    public fixed byte Name[MaxName + 1];
}

/// <summary>No session has a higher index; which served last; the label given last.</summary>
public struct GateNumbers
{
    public int Highest, Turn;
    public long Label;
}

/// <summary>
/// Who calls whom. An entry that calls is a gate of the kernel to the task of a running container that serves the name, in the caller's slot; when that one ends, the gate leads to another one, or to nobody.
/// Nothing else is kept than what the containers' entries say.
/// </summary>
public static unsafe class Gates
{
    public const int Max = 8192;
    private const int NobodySlot = 10;
    private static GateSession* s_table;

    /// <summary>Gates without a server lead to a task that is over.</summary>
    public static bool Initialize()
    {
        s_table = Record.GateSessions;
        if (Microkernel.Create(ObjectKind.Task, BootSlot.Factory, NobodySlot, 0, 0, default) is < 0 and not AbiError.SlotTaken) return false;
        return Microkernel.Control(NobodySlot, TaskOperation.Destroy) >= 0;
    }

    /// <summary>After a process that was killed: sessions of entries that were not there yet, or not any more, go, and every other gate leads where it is meant to.</summary>
    public static void Recover()
    {
        for (int i = 0; i < Record.Gates.Highest; i++)
        {
            ref var session = ref s_table[i];
            if (session.Container == 0) continue;
            ref var container = ref Containers.Table[session.Container];
            if (!container.Used || session.Slot >= Container.EntrySlot + container.Entries) session = default;
            else if (!session.Serves) Redirect(session);
        }
        Rebind();
    }

    /// <summary>To the server that the session has now. Its holder keeps the gate all the while, so that no call finds it missing.</summary>
    private static void Redirect(in GateSession session) => Microkernel.Redirect(Containers.Slot(session.Container, session.Slot), ServerSlot(session));

    private static int ServerSlot(in GateSession session) => session.Server == 0 ? NobodySlot : Containers.Slot(session.Server, Container.TaskSlot);

    /// <summary>Makes the entry's object in its slot and maps it into the container.</summary>
    public static int Add(int container, int relative, ReadOnlySpan<byte> line, in EntryLine entry)
    {
        int index = 0;
        while (index < Max && s_table[index].Container != 0) index++;
        if (index == Max) return ContainerErrorCode.QuotaExhausted;
        ref var session = ref s_table[index];
        session = new GateSession { Container = container, Slot = relative, Serves = entry.Serves, Label = entry.Serves ? 0 : NewLabel(), NameLength = entry.Gate.Length };
        fixed (byte* name = session.Name) entry.Gate.CopyTo(new Span<byte>(name, GateSession.MaxName));
        if (index >= Record.Gates.Highest) Record.Gates.Highest = index + 1;
        if (entry.Calls) session.Server = Server(session);
        if (!Make(session, line)) { session = default; return ContainerErrorCode.QuotaExhausted; }
        if (entry.Serves) Rebind();
        return ContainerErrorCode.None;
    }

    /// <summary>An entry was revoked.</summary>
    public static void Forget(int container, int relative)
    {
        for (int i = 0; i < Record.Gates.Highest; i++)
        {
            if (s_table[i].Container != container || s_table[i].Slot != relative) continue;
            bool serves = s_table[i].Serves;
            s_table[i] = default;
            if (serves) Rebind();
            return;
        }
    }

    /// <summary>A container goes, with all its entries.</summary>
    public static void Forget(int container)
    {
        bool served = false;
        for (int i = 0; i < Record.Gates.Highest; i++)
        {
            if (s_table[i].Container != container) continue;
            served |= s_table[i].Serves;
            s_table[i] = default;
        }
        if (served) Rebind();
    }

    /// <summary>Sessions whose server is gone go to another one, and those that had none to one that is there now.</summary>
    public static void Rebind()
    {
        for (int i = 0; i < Record.Gates.Highest; i++)
        {
            ref var session = ref s_table[i];
            if (session.Container == 0 || session.Serves || (session.Server != 0 && IsServer(session.Server, session))) continue;
            int server = Server(session);
            if (server == session.Server) continue;
            session.Server = server;
            Redirect(session);
        }
    }

    private static bool Make(in GateSession session, ReadOnlySpan<byte> line)
    {
        int slot = Containers.Slot(session.Container, session.Slot), task = Containers.Slot(session.Container, Container.TaskSlot);
        int server = session.Serves ? task : ServerSlot(session);
        return Microkernel.Create(ObjectKind.Gate, BootSlot.Factory, slot, session.Label, server, line) >= 0 && Microkernel.Map(slot, task, session.Slot, session.Serves ? Rights.Read : Rights.Call) >= 0;
    }

    /// <summary>A running container that serves a session's gate, in turn where there are several; 0: none.</summary>
    private static int Server(in GateSession session)
    {
        for (int i = 0; i < Record.Gates.Highest; i++)
        {
            int at = (Record.Gates.Turn + 1 + i) % Record.Gates.Highest;
            if (!s_table[at].Serves || !Same(s_table[at], session) || Containers.Table[s_table[at].Container].State != TaskState.Running) continue;
            Record.Gates.Turn = at;
            return s_table[at].Container;
        }
        return 0;
    }

    private static bool IsServer(int container, in GateSession session)
    {
        if (Containers.Table[container].State != TaskState.Running) return false;
        for (int i = 0; i < Record.Gates.Highest; i++)
            if (s_table[i].Container == container && s_table[i].Serves && Same(s_table[i], session)) return true;
        return false;
    }

    private static bool Same(in GateSession one, in GateSession other)
    {
        fixed (byte* a = one.Name, b = other.Name) return new ReadOnlySpan<byte>(a, one.NameLength).SequenceEqual(new ReadOnlySpan<byte>(b, other.NameLength));
    }

    /// <summary>Never given before, not by a predecessor of this service either: the host's clock since its start, and one more each time.</summary>
    private static long NewLabel()
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        long now = time[0] * 1_000_000_000 + time[1];
        Record.Gates.Label = now > Record.Gates.Label ? now : Record.Gates.Label + 1;
        return Record.Gates.Label;
    }
}
