using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Starts a server anew when it has ended. Its task, and what that holds, stays, and containers go on. What the network server was about to answer, and what waits for it, is held back
/// (<see cref="Traps"/>) until MettEagle has given its successor the sessions. MettEagle's successor finds its record of the containers in its dataspace, and their descriptors with their tasks.
/// </summary>
public static unsafe class ServerRestart
{
    /// <summary>So many ends within so many seconds are not an accident: then the kernel ends as well.</summary>
    private const int Most = 5, Within = 10;
    private static long s_networkWindow, s_containersWindow;
    private static int s_networkEnds, s_containersEnds;

    /// <summary>Folder of the servers' programs, and the container protocol's listening socket: who connects while nobody accepts waits.</summary>
    public static byte* Directory;
    public static int Listening;

    /// <summary>Whether the network server has its sessions.</summary>
    public static bool NetworkReady = true;

    /// <summary>False: it is no server, ends too often, or cannot be started.</summary>
    public static bool Again(int task)
    {
        if (task == Node.Network)
        {
            if (!Allowed(ref s_networkWindow, ref s_networkEnds)) return false;
            NetworkReady = false;
            Forget(task);
            Boot.Fail("eyrie-kernel: the network server ended; it is started anew\n"u8);
            return Boot.StartNetwork();
        }
        if (task != Node.MettEagle || !Allowed(ref s_containersWindow, ref s_containersEnds)) return false;
        Forget(task);
        Boot.Fail("eyrie-kernel: metteagle ended; it is started anew\n"u8);
        return Boot.StartMettEagle();
    }

    /// <summary>A successor of the kernel: what the servers were doing is nobody's.</summary>
    public static bool Both()
    {
        NetworkReady = false;
        End(Node.Network);
        End(Node.MettEagle);
        return Boot.StartNetwork() && Boot.StartMettEagle();
    }

    private static void End(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.State == TaskState.Running)
        {
            Children.Kill(port.Launch.Child);
            port.State = TaskState.Killed; // until here it can be done once more
            Children.GiveBack(port.Launch.Child);
        }
        Node.Close(ref port.Listener, watched: true);
        Node.Close(ref port.PidDescriptor);
        Forget(task);
    }

    /// <summary>What the process that ended was doing.</summary>
    private static void Forget(int task)
    {
        ref var port = ref Node.Tasks[task];
        port.Waiting = false;
        Deadlines.Clear(task);
        Threads.Unbind(task);
        Node.Kernel.CancelIpc(task);
        if (task == Node.Network) StandingAnswers.Forget(0);
        byte* buffer = port.Buffer;
        port.Buffer = null; // first: whoever takes over may do it once more, and takes nothing else away then
        if (buffer != null) Host.Call(Sys.Munmap, (nint)buffer, Boot.SharedSize(task));
    }

    /// <summary>Counts one more end; false: there were more than so many within so many seconds.</summary>
    public static bool Allowed(ref long windowStart, ref int inWindow, int most = Most, int within = Within)
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        if (time[0] - windowStart >= within) { windowStart = time[0]; inWindow = 0; }
        return ++inWindow <= most;
    }

    /// <summary>The successor knows what its predecessor knew.</summary>
    public static long Ready(int task)
    {
        if (task != Node.Network) return AbiError.InvalidArgument;
        NetworkReady = true;
        Traps.Redeliver();
        return 0;
    }
}
