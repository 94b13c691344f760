using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// Processes that have begun to be a container before anybody asked for one: namespaces, /proc with everything that covers it, /dev. It is more than half of a start, and the same for every container that is told no fact of
/// the host. Which image, group, identity, filter and program it gets it learns when it is taken; until then it holds nothing but what it needs for that, and nothing of any container.
/// </summary>
public static unsafe class Blanks
{
    private const int Most = 2, DontFork = 10;
    /// <summary>Bytes of memory from which on a quota is large against what a blank has made before it enters the container's group, and what is charged to the kernel's.</summary>
    private const long LeastQuota = 4 << 20;
    private const int FilterAt = 4096, DescriptionAt = FilterAt + FilterCompiler.MaxInstructions * 8, Size = DescriptionAt + MessageLayout.Size;

    /// <summary>At the beginning of the orders.</summary>
    private struct Order
    {
        public int Input, Output, Error, FilterLength, DescriptionLength;
        public bool OwnMessages;
    }

    private static Launch* s_waiting;
    private static int s_count;

    public static bool Initialize() => (s_waiting = (Launch*)Node.Allocate(Most * sizeof(Launch))) != null;

    /// <summary>Begins as many as there are to be. Where the host refuses one, or puts processes into groups at their birth, containers begin when they are asked for.</summary>
    public static void Fill()
    {
        while (s_count < Most && ControlGroup.CanBeEntered)
        {
            nint orders = Host.Call(Sys.Mmap, 0, Size, 3, 0x21, -1); // shared, anonymous
            if (orders < 0) return;
            var child = new Launcher.Child { Orders = (byte*)orders, Joined = -1, EmptyNetwork = Node.EmptyNetwork, Input = -1, Output = -1, Error = -1 };
            var launch = new Launch();
            if (Launcher.Begin(ref child, ref launch) < 0) { Free((byte*)orders); return; }
            Host.Call(Sys.Madvise, orders, Size, DontFork); // no other child's
            s_waiting[s_count] = launch;
            s_count++;
        }
    }

    /// <summary>Makes one that waits the child that is described. False: there is none that could become it.</summary>
    /// <param name="child">What it is to become. Its standard descriptors are the launch's then, which holds them until it is over: a number that the blank is told names no other file meanwhile.</param>
    /// <param name="launch">Its launch, of which the next word is that of its filter, or of a failure.</param>
    public static bool Take(ref Launcher.Child child, ref Launch launch)
    {
        if (child.Late != null || HostFacts.Named(child.Description) != HostFact.None || child.Description.Number(StartTag.Memory, LeastQuota) < LeastQuota) return false;
        while (s_count > 0)
        {
            launch = s_waiting[--s_count];
            Children.Belong(launch.Child, child.Task);
            var order = (Order*)launch.Orders;
            order->Input = child.Input;
            order->Output = child.Output;
            order->Error = child.Error;
            order->OwnMessages = child.OwnMessages;
            order->FilterLength = child.FilterLength;
            order->DescriptionLength = child.Description.CopyTo(new Span<byte>(launch.Orders + DescriptionAt, MessageLayout.Size));
            new ReadOnlySpan<byte>((byte*)child.Filter, child.FilterLength * 8).CopyTo(new Span<byte>(launch.Orders + FilterAt, FilterCompiler.MaxInstructions * 8));
            byte go = 1;
            int* poll = stackalloc int[2];
            poll[0] = launch.From;
            poll[1] = Sys.EpollIn;
            if (Host.Call(Sys.Poll, (nint)poll, 1, 0) == 0 && Host.Call(Sys.Write, launch.To, (nint)(&go), 1) == 1)
            {
                launch.Input = child.Input;
                launch.Output = child.Output;
                launch.Error = child.Error;
                child.Input = child.Output = child.Error = -1;
                return true;
            }
            Launcher.Abandon(ref launch); // it has failed, or somebody has ended it
            Launcher.ClosePipes(ref launch);
        }
        return false;
    }

    /// <summary>The child's side: holds nothing that it does not need, waits, and becomes what it is told.</summary>
    public static nint Wait(ref Launcher.Child child, int report, int go, ref int stage)
    {
        const int Kept = 7;
        stage = (int)LaunchStage.Handshake;
        int* kept = stackalloc int[Kept] { report, go, child.Memory, Node.HostRoot, Node.HostMounts, Node.Root, Keeper.Process }; // the keeper shares its descriptors with the kernel
        nint result = KeepOnly(kept, Kept);
        if (result < 0) return result;
        byte ready = 0;
        if (Host.Call(Sys.Read, go, (nint)(&ready), 1) != 1) return -Sys.Einval;
        var order = (Order*)child.Orders;
        child.Description = new StartDescription(child.Orders + DescriptionAt, order->DescriptionLength);
        child.Filter = (ulong*)(child.Orders + FilterAt);
        child.FilterLength = order->FilterLength;
        child.OwnMessages = order->OwnMessages;
        const nint NewMessages = 0x08000000;
        if (order->OwnMessages && (result = Host.Call(Sys.Unshare, NewMessages)) < 0) return result;
        stage = (int)LaunchStage.Stdio;
        child.TakeStandard(Keeper.Process, order->Input, order->Output, order->Error);
        return 0;
    }

    /// <summary>Closes everything above the standard descriptors but for these.</summary>
    private static nint KeepOnly(int* kept, int count)
    {
        for (int next = 3; ;)
        {
            int least = int.MaxValue;
            for (int i = 0; i < count; i++)
                if (kept[i] >= next && kept[i] < least) least = kept[i];
            nint result = least == next ? 0 : Host.Call(Sys.CloseRange, next, least == int.MaxValue ? -1 : least - 1, 0);
            if (result < 0 || least == int.MaxValue) return result;
            next = least + 1;
        }
    }

    public static void Free(byte* orders)
    {
        if (orders != null) Host.Call(Sys.Munmap, (nint)orders, Size);
    }

    /// <summary>A successor of the kernel: those of its predecessor end as children that no task knows.</summary>
    public static void Forget()
    {
        for (int i = 0; i < s_count; i++) Free(s_waiting[i].Orders);
        s_count = 0;
    }

    /// <summary>Before the kernel ends.</summary>
    public static void End()
    {
        for (int i = 0; i < s_count; i++) Launcher.Abandon(ref s_waiting[i]);
        s_count = 0;
    }
}
