using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Signals for threads whose trapped call takes its time: a connect that is not answered yet, a message for which there is no room. The host wakes such a thread for a deadly signal only, so the kernel looks at those that have
/// waited for twenty milliseconds, and answers as connect(2) and send(2) do: the call is made anew after the handler where that was installed so (SA_RESTART), and has failed with EINTR otherwise, or where the socket has a
/// time limit of its own (SO_SNDTIMEO; signal(7)). The connect goes on meanwhile, and one that is made anew joins it.
/// </summary>
public static unsafe class Interrupts
{
    private const int Millisecond = 1_000_000, Period = 20 * Millisecond, MostOfTime = 20;
    /// <summary>ERESTARTSYS of Linux: not an answer that a program sees, as long as a signal is there for the very thread.</summary>
    private const int Restart = 512;
    private const int IterationsBetween = 64;
    private static long s_next;
    private static int s_iterations;

    /// <summary>Connects that go on for a caller who was interrupted.</summary>
    public static int Kept;

    /// <summary>Milliseconds until the next look; -1: nobody waits.</summary>
    public static int Next() => Traps.InUse == 0 ? -1 : Period / Millisecond;

    /// <summary>Looks, when it is time. However many wait, the kernel spends a twentieth of its time on it at most; while it has other things to do it asks the clock now and then only.</summary>
    /// <param name="idle">Nothing has happened meanwhile.</param>
    public static void Look(bool idle)
    {
        if (Traps.InUse == 0 || (!idle && ++s_iterations < IterationsBetween)) return;
        s_iterations = 0;
        long begun = Deadlines.Now();
        if (begun < s_next) return;
        for (int trap = Traps.First; trap < Traps.First + Node.MaxTraps; trap++)
        {
            ref var entry = ref Node.Tasks[trap];
            if (!entry.Waiting || entry.Over || (entry.Number != Sys.Connect && !entry.Message.Waits)) continue;
            if (entry.Looked) LookAt(trap);
            else entry.Looked = true;
        }
        long now = Deadlines.Now();
        s_next = now + AtLeastPeriod(MostOfTime * (now - begun));
    }

    private static long AtLeastPeriod(long pause) => pause < Period ? Period : pause;

    private static void LookAt(int trap)
    {
        ref var entry = ref Node.Tasks[trap];
        if (entry.OfPath && !Seccomp.Valid(entry.TrapListener, entry.Notification)) { PathSockets.Interrupt(trap, -Sys.Eintr); return; } // its hand would wait for ever
        if (!Of(entry.Thread, out var thread) || (!thread.HasOwn && !thread.HasShared())) return;
        bool restarts = thread.HasOwn || entry.Thread == thread.Process;
        // What is sent to a process its first thread takes, unless it keeps that off; then any other may, and whether this one does cannot be seen.
        if (!restarts && (!Of(thread.Process, out var first) || !thread.HasShared(first.Blocked))) return;
        if (!Seccomp.Valid(entry.TrapListener, entry.Notification)) return; // what was looked at may be another thread by now
        long answer = restarts && !IsLimited(entry.Socket) ? -Restart : -Sys.Eintr;
        if (entry.OfPath) { PathSockets.Interrupt(trap, answer); return; }
        if (entry.Message.Waits || entry.Parked) { Traps.Release(trap, answer); return; } // nothing has been done
        entry.Interrupted = true; // first: whoever takes over then knows that an answer without its connect may have been given
        Kept++;
        Seccomp.Answer(entry.TrapListener, entry.Notification, answer);
        entry.Waiting = false;
    }

    /// <summary>A connect on a socket that is being connected for a caller who was interrupted: it waits for that, whatever address it gives. The trap it came as is given back.</summary>
    public static bool Join(int trap)
    {
        if (Kept == 0) return false;
        ref var entry = ref Node.Tasks[trap];
        for (int other = Traps.First; other < Traps.First + Node.MaxTraps; other++)
        {
            ref var goesOn = ref Node.Tasks[other];
            if (!goesOn.Interrupted || goesOn.Source != entry.Source || !IsSame(goesOn.Socket, entry.Socket)) continue;
            goesOn.Notification = entry.Notification;
            goesOn.Thread = entry.Thread;
            goesOn.Looked = goesOn.Interrupted = false;
            Kept--;
            goesOn.Waiting = true;
            entry.Waiting = false; // the call is the other's
            Traps.Release(trap, 0);
            return true;
        }
        return false;
    }

    private static bool IsSame(int one, int other)
    {
        const int KcmpFile = 0; // linux/kcmp.h
        nint own = Host.Call(Sys.Getpid);
        return Host.Call(Sys.Kcmp, own, own, KcmpFile, one, other) == 0;
    }

    private static bool Of(int thread, out SignalState state)
    {
        Span<byte> name = stackalloc byte[24];
        Span<byte> text = stackalloc byte[3072];
        var number = new TextWriter(name);
        number.Add(thread);
        return SignalState.Read(text.Slice(0, ControlGroupFiles.Get("/proc"u8, number.Written, "status"u8, text)), out state);
    }

    /// <summary>Whether the socket has a time limit for connect and send.</summary>
    private static bool IsLimited(int socket)
    {
        const int SocketLevel = 1, SendTimeout = 21;
        long* time = stackalloc long[2];
        uint size = 16;
        time[0] = time[1] = 0;
        return Host.Call(Sys.Getsockopt, socket, SocketLevel, SendTimeout, (nint)time, (nint)(&size)) >= 0 && (time[0] | time[1]) != 0;
    }
}
