using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Native tasks beside the two servers, named with --task. Each has a factory with a quota of its own, which pays for the task itself too, the log, and a gate to every other; nothing else.
/// One that ends takes all of that along.
/// </summary>
public static unsafe class FurtherTasks
{
    private const int Max = 4, FirstSlot = 16, SlotsEach = 4, FactorySlot = 0, TaskSlot = 1, GateSlot = 2;
    private const long Quota = 1 << 20, Processes = 16;
    private static ulong s_first, s_second, s_third, s_fourth;
    private static int s_count;

    /// <summary>Memory, descriptors it holds, threads, time: nothing that acquires.</summary>
    public static ReadOnlySpan<short> Calls => [0, 1, 3, 7, 9, 11, 15, 39, 56, 60, 202, 228, 231, 232, 233, 291, 322];

    /// <summary>Takes PROGRAM:ARGUMENT; false: there are too many, or it is not one.</summary>
    public static bool Name(byte* text)
    {
        int colon = Boot.Text(text).IndexOf((byte)':');
        if (s_count == Max || colon <= 0) return false;
        text[colon] = 0;
        Named(s_count++) = (ulong)text;
        return true;
    }

    private static ref ulong Named(int index)
    {
        if (index == 0) return ref s_first;
        if (index == 1) return ref s_second;
        if (index == 2) return ref s_third;
        return ref s_fourth;
    }

    private static int Slot(int index, int relative) => FirstSlot + index * SlotsEach + relative;

    public static bool Start(byte* directory)
    {
        ref var kernel = ref Node.Kernel;
        for (int i = 0; i < s_count; i++)
            if (kernel.Create(Node.Self, 1, ObjectKind.Factory, Slot(i, FactorySlot), Quota, Processes, null, 0) < 0
                || kernel.Create(Node.Self, Slot(i, FactorySlot), ObjectKind.Task, Slot(i, TaskSlot), 0, 0, null, 0) < 0
                || kernel.Create(Node.Self, Slot(i, FactorySlot), ObjectKind.Gate, Slot(i, GateSlot), i, Slot(i, TaskSlot), null, 0) < 0
                || kernel.Map(Node.Self, Slot(i, FactorySlot), Slot(i, TaskSlot), BootSlot.Factory, Rights.All) < 0
                || kernel.Map(Node.Self, Slot(i, TaskSlot), Slot(i, TaskSlot), BootSlot.SelfTask, Rights.Control) < 0
                || kernel.Map(Node.Self, 4, Slot(i, TaskSlot), BootSlot.Log, Rights.Write) < 0) return false;
        for (int i = 0; i < s_count; i++)
            for (int peer = 0; peer < s_count; peer++)
                if (peer != i && kernel.Map(Node.Self, Slot(peer, GateSlot), Slot(i, TaskSlot), BootSlot.FirstPeer + peer, Rights.Call) < 0) return false;
        for (int i = 0; i < s_count; i++)
        {
            var program = Boot.Text((byte*)Named(i));
            int task = kernel.Decode(Node.Self, Slot(i, TaskSlot), ObjectKind.Task, Rights.Control);
            if (!Boot.Server(task, directory, program, (byte*)Named(i) + program.Length + 1, 0, false, Node.TaskFilter, Node.TaskFilterLength)) return false;
        }
        return true;
    }

    /// <summary>False: it is not one of these.</summary>
    public static bool Ended(int task)
    {
        for (int i = 0; i < s_count; i++)
        {
            if (Node.Kernel.Decode(Node.Self, Slot(i, TaskSlot), ObjectKind.Task, Rights.Control) != task) continue;
            for (int n = 0; n < Node.NativeCount; n++)
                if (Node.Natives[n] == task) Node.Natives[n] = Node.Natives[--Node.NativeCount];
            byte* buffer = Node.Tasks[task].Buffer;
            Threads.Unbind(task);
            Node.Kernel.DestroyTask(task);
            for (int relative = GateSlot; relative >= FactorySlot; relative--) Node.Kernel.Unmap(Node.Self, -1, Slot(i, relative), UnmapMode.Self);
            Host.Call(Sys.Munmap, (nint)buffer, MessageLayout.Size);
            return true;
        }
        return false;
    }
}
