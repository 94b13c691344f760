using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>What the service waits for: clients, what containers write, tasks that end, denials.</summary>
public static unsafe class Loop
{
    public const ulong Accept = 1, Client = 2, Log = 3, Exit = 4, Denial = 5, Attached = 6;
    private const int Batch = 64;
    private const uint Writable = 4;
    private static int s_epoll;

    public static bool Initialize()
    {
        s_epoll = (int)Host.Call(Sys.EpollCreate1, Sys.Cloexec);
        return s_epoll >= 0;
    }

    public static void Watch(int descriptor, ulong kind, int token)
    {
        byte* interest = stackalloc byte[12];
        *(uint*)interest = Sys.EpollIn;
        *(ulong*)(interest + 4) = kind << 32 | (uint)token;
        Host.Call(Sys.EpollCtl, s_epoll, Sys.EpollAdd, descriptor, (nint)interest);
    }

    public static void Unwatch(int descriptor) => Host.Call(Sys.EpollCtl, s_epoll, Sys.EpollDelete, descriptor, 0);

    /// <summary>Watches also, or no longer, for room to write.</summary>
    public static void Rewatch(int descriptor, ulong kind, int token, bool writing)
    {
        const int Modify = 3;
        byte* interest = stackalloc byte[12];
        *(uint*)interest = Sys.EpollIn | (writing ? Writable : 0u);
        *(ulong*)(interest + 4) = kind << 32 | (uint)token;
        Host.Call(Sys.EpollCtl, s_epoll, Modify, descriptor, (nint)interest);
    }

    public static void Run()
    {
        byte* events = stackalloc byte[Batch * 12];
        while (true)
        {
            nint count = Host.Call(Sys.EpollWait, s_epoll, (nint)events, Batch, -1);
            for (int i = 0; i < count; i++)
            {
                ulong data = *(ulong*)(events + i * 12 + 4);
                int token = (int)(uint)data;
                switch (data >> 32)
                {
                    case Accept: Clients.Accept(); break;
                    case Client:
                        if ((*(uint*)(events + i * 12) & Writable) != 0) Clients.Flush(token);
                        if ((*(uint*)(events + i * 12) & ~Writable) != 0) Clients.Ready(token);
                        break;
                    case Attached: Attachments.Ready(token, (*(uint*)(events + i * 12) & ~Writable) != 0); break;
                    case Log: LogPump.Ready(token); break;
                    case Exit: Clear(token); Changed(); break;
                    case Denial: Clear(token); Events.Denied(); break;
                }
            }
        }
    }

    private static void Changed()
    {
        for (long token = Microkernel.Notification(Lifecycle.ExitSlot, NotificationOperation.Take); token >= 0; token = Microkernel.Notification(Lifecycle.ExitSlot, NotificationOperation.Take))
            if (token < Containers.Max) Lifecycle.Changed((int)token);
            else Executions.Changed((int)token - Containers.Max);
    }

    private static void Clear(int descriptor)
    {
        long count;
        Host.Call(Sys.Read, descriptor, (nint)(&count), 8);
    }
}
