using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The one kernel of this process: its tables, its event loop's descriptors, and what it was started with.</summary>
public static unsafe class Node
{
    public const int MaxObjects = 16384, MaxCapabilities = 65536, MaxTraps = 256;

    /// <summary>OwnProcesses: the kernel's own pid namespace, to come back to after a launch into another. Template: the mount namespace that containers' are copied from. HostMounts, HostRoot: the kernel's own mount namespace, and the root directory of it.
    /// EmptyNetwork: the network namespace that all containers are in; UnseenNetwork: another one without anything in it, which nobody is in; OwnNetwork: the kernel's.</summary>
    public static Kernel<LinuxMachine> Kernel;
    public static PortTask* Tasks;
    public static int Epoll, Owner, Root, EmptyNetwork, UnseenNetwork, OwnNetwork, OwnProcesses, EmptyDirectory, Template, HostMounts, HostRoot, FirstTrap;
    public static int MettEagle, Network, Self;
    /// <summary>The native tasks that run.</summary>
    public const int MaxNatives = 16;
    public static int* Natives;
    public static int NativeCount;
    public static byte* GroupPrefix;
    public static bool Stopping;
    /// <summary>The container call at hand, from when the host has given it until it is answered or stands with a trap; and whose it is. Id 0: none.</summary>
    public static SeccompNotification* Received;
    public static int ReceivedOf;
    /// <summary>The descriptor that answers it and is on its way into the container; 0 or less: none.</summary>
    public static int Given;
    /// <summary>The control group of a launch that is not complete yet.</summary>
    public static byte* MakingGroup;
    public static int MakingLength;
    /// <summary>Held as long as the kernel lives: see <see cref="Sandbox.FavouredMoves"/>.</summary>
    public static int FavouredMoves;
    /// <summary>The start description at hand, copied out of the caller's buffer.</summary>
    public static byte* StartCopy;
    /// <summary>Compiled filters of the servers and of further tasks.</summary>
    public static ulong* MettEagleFilter, NetworkFilter, TaskFilter;
    public static int MettEagleFilterLength, NetworkFilterLength, TaskFilterLength;

    /// <summary>A native task runs; one that is started anew stands there already.</summary>
    public static void AddNative(int task)
    {
        for (int i = 0; i < NativeCount; i++)
            if (Natives[i] == task) return;
        Natives[NativeCount++] = task;
    }

    /// <summary>Zeroed memory of the kernel's own; null when the host has none.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="born">Whether a child has it until it executes. What it does not need it shall not have, and a large table would have to be copied for it.</param>
    public static byte* Allocate(long bytes, bool born = false)
    {
        const int DontFork = 10;
        nint memory = Host.Call(Sys.Mmap, 0, (nint)bytes, 3, 0x4022, -1); // private, anonymous, no reserve
        if (memory >= 0 && !born) Host.Call(Sys.Madvise, memory, (nint)bytes, DontFork);
        return memory < 0 ? null : (byte*)memory;
    }

    /// <summary>What an event on the loop is about.</summary>
    public const ulong Listener = 1, Ends = 2, Signal = 3, Launching = 4, Sending = 5, Datagrams = 6, Orphaned = 7;

    /// <summary>Closes what a field holds, if anything. The field is empty first: whoever takes over may do it once more, and closes nothing else then.</summary>
    public static void Close(ref int field, bool watched = false)
    {
        int descriptor = field;
        System.Threading.Volatile.Write(ref field, -1);
        if (descriptor <= 0) return;
        if (watched) Unwatch(descriptor);
        else Host.Call(Sys.Close, descriptor);
    }

    /// <summary>Watches a descriptor no more and closes it. A child that is being born holds copies, so that closing alone would leave its events.</summary>
    public static void Unwatch(int descriptor)
    {
        Host.Call(Sys.EpollCtl, Epoll, Sys.EpollDelete, descriptor, 0);
        Host.Call(Sys.Close, descriptor);
    }

    public static nint Watch(int descriptor, ulong kind, int task, int what = Sys.EpollIn)
    {
        byte* interest = stackalloc byte[12]; // struct epoll_event is packed
        *(uint*)interest = (uint)what;
        *(ulong*)(interest + 4) = kind << 32 | (uint)task;
        return Host.Call(Sys.EpollCtl, Epoll, Sys.EpollAdd, descriptor, (nint)interest);
    }
}
