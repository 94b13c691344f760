using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// A descriptor as the answer of a container's call, in two steps: it is put into the process, and its number is the answer. Linux can do both in one (SECCOMP_ADDFD_FLAG_SEND), but then counts the call as
/// answered before the process has taken the descriptor: of a kernel that is killed meanwhile there would be an answer of 0 and no descriptor (kernel/seccomp.c, seccomp_notify_addfd). In two, the call waits until it has
/// its number, and a successor looks whether the descriptor is there already.
/// </summary>
public static unsafe class Injection
{
    private const int KcmpFile = 0; // linux/kcmp.h

    /// <summary>A descriptor that was made for the call at hand, as its answer. Which one is known before the process may have it: see <see cref="TrapTakeover.HandleReceived"/>.</summary>
    public static void Answer(int listener, ref SeccompNotification n, int made)
    {
        Node.Given = made;
        nint given = Give(listener, n.Id, made, (n.Arguments[1] & Sys.Cloexec) != 0);
        if (given < 0) Seccomp.Answer(listener, n.Id, given);
        Node.Close(ref Node.Given);
    }

    /// <summary>The process has its descriptor, and the answer; or a negative errno why it has not.</summary>
    public static void Given(int trap, nint number)
    {
        if (number >= 0) Node.Tasks[trap].Waiting = false;
        Traps.Release(trap, number < 0 ? number : 0);
    }

    /// <summary>The number in the process, which is answered; or a negative errno, and then nothing is.</summary>
    public static nint Give(int listener, ulong id, int descriptor, bool closeOnExec)
    {
        nint number = Seccomp.Inject(listener, id, descriptor, closeOnExec);
        if (number >= 0) Seccomp.Answer(listener, id, number);
        return number;
    }

    /// <summary>The same by a successor, of a call that its predecessor was about to answer so. On a host without kcmp(2) the process may come to hold the descriptor twice.</summary>
    /// <param name="thread">Who waits.</param>
    public static nint GiveOnce(int listener, ulong id, int thread, int descriptor, bool closeOnExec)
    {
        nint number = Find(thread, descriptor);
        if (number < 0) return Give(listener, id, descriptor, closeOnExec);
        Seccomp.Answer(listener, id, number);
        return number;
    }

    /// <summary>The lowest number under which a process holds what is open here as <paramref name="descriptor"/>; negative: it does not.</summary>
    private static nint Find(int thread, int descriptor)
    {
        nint own = Host.Call(Sys.Getpid), found = -1;
        var held = new DirectoryEntries();
        Span<byte> path = stackalloc byte[48];
        var text = new TextWriter(path.Slice(0, 47));
        text.Add("/proc/"u8); text.Add(thread); text.Add("/fd"u8);
        path[text.Length] = 0;
        fixed (byte* name = path) held.Begin(name);
        while (held.NextNumber(out long number))
            if (Host.Call(Sys.Kcmp, own, thread, KcmpFile, descriptor, (nint)number) == 0 && (found < 0 || number < found)) found = (nint)number;
        return found;
    }
}
