using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Unix sockets with a path (unix(7)): a <see cref="Hand"/> makes each bind, listen and connect, and the trap waits for it as for a server. A path is bound where the container may make names, and connected to on mounts that it may
/// write; abstract names are refused. Everything about a container ends with its call, so what a set allows is what it allows now.
/// </summary>
public static unsafe class PathSockets
{
    /// <summary>Of one container: hands at once; calls that wait for one or in one; and names in crowded file systems in memory.</summary>
    private const int MostHands = 8, MostCalls = 64, MostCrowded = 64;
    private const int Family = 2, Nospc = 28;

    /// <summary>Whether the call is about a Unix socket, and about an address of such where it has one.</summary>
    public static bool Takes(ref PortTask entry)
    {
        byte* address = entry.Buffer + MessageLayout.Payload;
        bool named = entry.Number is Sys.Bind or Sys.Connect && Length(ref entry) >= Family && *(ushort*)address == Sys.AfUnix;
        return (named || entry.Number == Sys.Listen) && Messages.IsUnix(entry.Socket);
    }

    private static int Length(ref PortTask entry) => *(int*)(entry.Buffer + MessageLayout.PayloadLength);

    public static void Begin(int trap)
    {
        ref var entry = ref Node.Tasks[trap];
        entry.Answer = 0;
        int calls = 0;
        for (int other = Traps.First; other < Traps.First + Node.MaxTraps; other++)
            if (Node.Tasks[other].Container == entry.Container && Node.Tasks[other].OfPath) calls++;
        int refused = calls >= MostCalls ? Sys.Eagain : entry.Number == Sys.Listen ? 0 : Refused(ref entry);
        if (refused != 0) { Traps.Release(trap, -refused); return; }
        entry.OfPath = entry.Collected = true;
        Next();
    }

    private static int Refused(ref PortTask entry)
    {
        int length = Length(ref entry);
        if (length > PathCall.MaxAddress || (length == Family && entry.Number == Sys.Connect)) return Sys.Einval;
        if (length == Family || entry.Buffer[MessageLayout.Payload + Family] == 0) return Sys.Eacces; // abstract
        return entry.Number == Sys.Bind && Node.Tasks[entry.Container].Crowded >= MostCrowded ? Nospc : 0;
    }

    /// <summary>Gives hands to calls that wait for one.</summary>
    private static void Next()
    {
        for (int trap = Traps.First; trap < Traps.First + Node.MaxTraps; trap++)
            if (Node.Tasks[trap] is { OfPath: true, Hand: 0 } && Hands(Node.Tasks[trap].Container) < MostHands) Make(trap);
    }

    private static int Hands(int container)
    {
        int hands = 0;
        for (int trap = Traps.First; trap < Traps.First + Node.MaxTraps; trap++)
            if (Node.Tasks[trap].Hand != 0 && Node.Tasks[trap].Container == container) hands++;
        return hands;
    }

    private static void Make(int trap)
    {
        const nint NumberIn = 0x100000, OfKeeper = 0x8000; // CLONE_PARENT_SETTID, CLONE_PARENT
        ref var entry = ref Node.Tasks[trap];
        var call = new PathCall
        {
            Number = entry.Number, Thread = entry.Thread, Socket = entry.Socket, Listener = entry.TrapListener, Notification = entry.Notification, Length = Length(ref entry),
            Backlog = (int)((long*)(entry.Buffer + MessageLayout.Words))[2],
        };
        if (entry.Number != Sys.Listen) new ReadOnlySpan<byte>(entry.Buffer + MessageLayout.Payload, call.Length).CopyTo(new Span<byte>(call.Address, PathCall.MaxAddress));
        if (entry.Number == Sys.Bind && !NamePlaces.Describe(entry.Container, ref call)) { Traps.Release(trap, -Sys.Eacces); return; }
        int child = Children.Take(trap);
        if (child < 0) { Traps.Release(trap, -Sys.Eagain); return; }
        entry.Hand = child + 1;
        nint born = Launcher.Born(NumberIn | OfKeeper, 0, null, Children.Number(child));
        if (born == 0) Host.Call(Sys.ExitGroup, Hand.Run(ref call));
        if (born > 0) return;
        entry.Hand = 0;
        Children.GiveBack(child);
        Traps.Release(trap, -Sys.Eagain);
    }

    /// <summary>A hand has ended; that of a call which is over already only gives its place back.</summary>
    public static void Ended(int trap, int child)
    {
        ref var entry = ref Node.Tasks[trap];
        Children.Ended(child, out int status);
        bool killed = (status & 0x7F) != 0;
        int code = status >> 8 & 0xFF;
        if (entry.Hand == child + 1)
        {
            long answer = !killed ? -code : IsDone(ref entry) ? 0 : entry.Answer != 0 ? entry.Answer : -Sys.Eintr;
            if (!killed && code == Hand.Crowded)
            {
                Node.Tasks[entry.Container].Crowded++;
                answer = 0;
            }
            entry.Hand = 0;
            Traps.Release(trap, answer);
        }
        Children.GiveBack(child);
        Next();
    }

    /// <summary>What a call whose hand was killed asked for. Of the others it does no harm to do it once more.</summary>
    private static bool IsDone(ref PortTask entry)
    {
        byte* name = stackalloc byte[128];
        uint length = 128;
        return entry.Number switch
        {
            Sys.Bind => Host.Call(Sys.Getsockname, entry.Socket, (nint)name, (nint)(&length)) >= 0 && length > Family,
            Sys.Connect => !Messages.IsConnectionless(entry.Socket) && Host.Call(Sys.Getpeername, entry.Socket, (nint)name, (nint)(&length)) >= 0,
            _ => false,
        };
    }

    /// <summary>The caller has a signal to take, or is gone: the call ends as soon as its hand has.</summary>
    public static void Interrupt(int trap, long answer)
    {
        ref var entry = ref Node.Tasks[trap];
        if (entry.Hand == 0) { Traps.Release(trap, answer); return; }
        entry.Answer = answer;
        Children.Signal(entry.Hand - 1);
    }

    /// <summary>The call is over, whatever became of it.</summary>
    public static void Forget(ref PortTask entry)
    {
        if (entry.Hand != 0) Children.Signal(entry.Hand - 1);
        entry.Hand = 0;
        entry.OfPath = false;
    }

    /// <summary>A successor: the predecessor's hand is ended, and where it has not done its call another one does.</summary>
    public static void Resume(int trap)
    {
        ref var entry = ref Node.Tasks[trap];
        entry.Answer = 0;
        int child = entry.Hand - 1;
        if (child >= 0 && *Children.Number(child) != 0)
        {
            bool killed = (Children.Kill(child) & 0x7F) != 0;
            if (!killed || IsDone(ref entry)) { Ended(trap, child); return; }
        }
        if (child >= 0) Children.GiveBack(child);
        entry.Hand = 0;
        Next();
    }
}
