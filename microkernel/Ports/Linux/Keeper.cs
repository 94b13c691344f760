using System.Runtime.InteropServices;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// The first process. It does nothing but wait: it is the parent of every process, and the kernel is one of its children, which shares its memory and its descriptors (clone(2): CLONE_VM, CLONE_FILES). When the
/// kernel is killed, nothing that it had is gone, and what containers ask of it waits; a successor goes on with it (<see cref="Takeover"/>). When the keeper ends, everything does (PR_SET_PDEATHSIG, <see cref="Orphan"/>).
/// </summary>
public static unsafe class Keeper
{
    private const int StackSize = 1 << 20, Most = 16, Within = 10;
    private const int SigInterrupt = 2, SigTerminate = 15, SigChild = 17;
    private const ulong Waited = 1UL << (SigInterrupt - 1) | 1UL << (SigTerminate - 1) | 1UL << (SigChild - 1);
    private static long s_windowStart;
    private static int s_ends;

    /// <summary>An eventfd by which the keeper tells the kernel that it is to end.</summary>
    public static int Stop;
    /// <summary>pidfd of the keeper itself: its end is told by it.</summary>
    public static int Process;

    public static bool Initialize()
    {
        Stop = (int)Host.Call(Sys.Eventfd2, 0, Sys.Cloexec | Sys.NonBlock);
        Process = (int)Host.Call(Sys.PidfdOpen, Host.Call(Sys.Getpid), 0);
        return Stop >= 0 && Process >= 0 && Children.Initialize() && Signals();
    }

    private static bool Signals()
    {
        const ulong Held = Waited | 1UL << 12; // SIGPIPE: a child that died is told of by the write
        // What whoever started the kernel ignored (a shell ignores SIGINT of what it runs in the background) would be ignored in every container, and could not be trapped there.
        nint* usual = stackalloc nint[4]; // handler, flags, restorer, mask of a sigaction
        for (int i = 0; i < 4; i++) usual[i] = 0;
        for (int signal = 1; signal <= 64; signal++) Host.Call(Sys.RtSigaction, signal, (nint)usual, 0, 8); // refused for SIGKILL and SIGSTOP
        ulong held = Held;
        return Host.Call(Sys.RtSigprocmask, 0, (nint)(&held), 0, 8) >= 0;
    }

    /// <summary>Runs the kernel, and successors of it while it does not end too often. The exit code.</summary>
    public static int Run()
    {
        const int Failed = 1, Fault = 134 << 8;
        byte* stack = Node.Allocate(StackSize, born: true);
        if (stack == null) return Failed;
        for (bool successor = false; ; successor = true)
        {
            nint kernel = Host.CloneThread(SigChild | 0x100 | 0x400, stack + StackSize, &Kernel, successor ? 1 : 0, null);
            if (kernel < 0) return Failed;
            int status = Wait((int)kernel);
            if ((status & 0x7F) == 0 && status != Fault) return status >> 8; // by itself: it was told to, or could not go on
            Boot.Fail("eyrie-kernel: the kernel ended; a successor takes over\n"u8);
            if (ServerRestart.Allowed(ref s_windowStart, ref s_ends, Most, Within)) continue;
            Boot.Fail("eyrie-kernel: the kernel ends again and again\n"u8);
            return Failed;
        }
    }

    [UnmanagedCallersOnly]
    private static nint Kernel(nint successor)
    {
        if (successor == 0 ? !Boot.Begin() : !Takeover.Run()) return 1;
        return EventLoop.Run();
    }

    /// <summary>Waits until the kernel has ended, and how; notes the ends of all others meanwhile.</summary>
    private static int Wait(int kernel)
    {
        const int All = 0, Exited = 4, NoHang = 1, NoReap = 0x01000000, ByItself = 1;
        int* information = stackalloc int[32]; // siginfo_t: signal, errno, code; at 16: process, user, status
        while (true)
        {
            information[4] = 0;
            while (Host.Call(Sys.Waitid, All, 0, (nint)information, Exited | NoHang | NoReap) >= 0 && information[4] != 0)
            {
                int process = information[4], status = information[2] == ByItself ? information[6] << 8 : information[6];
                if (process != kernel) Children.Ended(process, status);
                Host.Call(Sys.Wait4, process, 0, NoHang, 0);
                if (process == kernel) return status;
                Children.Tell();
                information[4] = 0;
            }
            ulong waited = Waited;
            if (Host.Call(Sys.RtSigtimedwait, (nint)(&waited), 0, 0, 8) is SigInterrupt or SigTerminate)
            {
                long one = 1;
                Host.Call(Sys.Write, Stop, (nint)(&one), 8);
            }
        }
    }
}
