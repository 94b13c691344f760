using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Quotas that no control group enforces: the kernel looks at every container twice a second and kills one that has more memory or processes than it was promised. Between two looks it may have more;
/// pages that several of its processes share are counted for each. A CPU limit is not held at all. The node says so (<see cref="ControlGroup.Kinds"/>).
/// </summary>
public static unsafe class WatchedLimits
{
    private const int Period = 500, Most = 4096; // milliseconds; containers

    private struct Watched
    {
        public int Task;
        public ulong World;
        public Usage Used;
    }

    private static Watched* s_watched;
    private static long s_next;

    private static bool Needed => (ControlGroup.Kinds & (LimitKinds.Memory | LimitKinds.Processes)) != (LimitKinds.Memory | LimitKinds.Processes);

    public static bool Initialize() => !Needed || (s_watched = (Watched*)Node.Allocate(Most * sizeof(Watched))) != null;

    /// <summary>Milliseconds until the next look; -1: nothing has to be watched.</summary>
    public static int Next()
    {
        if (!Needed) return -1;
        long left = (s_next - Deadlines.Now()) / 1_000_000 + 1;
        return left < 0 ? 0 : (int)left;
    }

    /// <summary>Looks, when it is time.</summary>
    public static void Look()
    {
        if (!Needed || Deadlines.Now() < s_next) return;
        int count = Gather();
        if (count > 0) Measure(count);
        for (int i = 0; i < count; i++) Judge(ref s_watched[i]);
        s_next = Deadlines.Now() + Period * 1_000_000L;
    }

    /// <summary>The containers that run in worlds of their own.</summary>
    private static int Gather()
    {
        int count = 0;
        for (int task = 1; task < Node.MaxObjects && count < Most; task++)
        {
            ref var port = ref Node.Tasks[task];
            if (port.Kind != PortKind.Container || port.State != TaskState.Running || port.Joined != 0) continue;
            s_watched[count].Task = task;
            s_watched[count].World = ContainerProcesses.WorldOf(port.ProcessId);
            s_watched[count].Used = default;
            count++;
        }
        return count;
    }

    private static void Measure(int count)
    {
        var processes = new ContainerProcesses();
        processes.Begin();
        while (processes.Next(out long process, out ulong world))
            for (int i = 0; i < count; i++)
            {
                if (s_watched[i].World != world) continue;
                s_watched[i].Used.MemoryBytes += ContainerProcesses.Resident(process);
                s_watched[i].Used.Processes++;
                if (ControlGroup.Kinds == LimitKinds.None) ContainerProcesses.AddDisks(process, ref s_watched[i].Used);
                break;
            }
    }

    private static void Judge(ref Watched watched)
    {
        ref var port = ref Node.Tasks[watched.Task];
        port.Seen = watched.Used;
        bool memory = (ControlGroup.Kinds & LimitKinds.Memory) == 0 && port.Limits.MemoryBytes > 0 && watched.Used.MemoryBytes > port.Limits.MemoryBytes;
        bool processes = (ControlGroup.Kinds & LimitKinds.Processes) == 0 && port.Limits.Processes > 0 && watched.Used.Processes > port.Limits.Processes;
        if (!memory && !processes) return;
        port.OutOfMemory = memory;
        Host.Call(Sys.PidfdSendSignal, port.PidDescriptor, 9, 0, 0);
    }
}
