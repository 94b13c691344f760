using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Starts the network server anew when it has ended. Its task, and what that holds, stays; what it was about to answer, and what waits for it, is held back (<see cref="Traps"/>) until MettEagle
/// has given its successor the sessions. Containers go on: their connections are their own.
/// </summary>
public static unsafe class ServerRestart
{
    /// <summary>So many ends within so many seconds are not an accident: then the kernel ends as well.</summary>
    private const int Most = 5, Within = 10;
    private static long s_windowStart;
    private static int s_inWindow;

    /// <summary>Folder of the servers' programs.</summary>
    public static byte* Directory;

    /// <summary>Whether the network server has its sessions.</summary>
    public static bool NetworkReady = true;

    /// <summary>False: it ends too often, or cannot be started.</summary>
    public static bool Network()
    {
        if (!Allowed()) return false;
        ref var port = ref Node.Tasks[Node.Network];
        NetworkReady = false;
        port.Waiting = false;
        Deadlines.Clear(Node.Network);
        Node.Kernel.CancelIpc(Node.Network);
        Host.Call(Sys.Munmap, (nint)port.Buffer, MessageLayout.Size);
        Boot.Fail("eyrie-kernel: the network server ended; it is started anew\n"u8);
        return Boot.StartNetwork();
    }

    private static bool Allowed()
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        if (time[0] - s_windowStart >= Within) { s_windowStart = time[0]; s_inWindow = 0; }
        return ++s_inWindow <= Most;
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
