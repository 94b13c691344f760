using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// A kernel that goes on where another was killed, at whatever instruction. It has that one's memory and descriptors. What says who holds what is kept and checked, and everything that follows from it is made
/// anew (<see cref="Kernel{TMachine}.Rebuild"/>); what was half made goes: processes that no task knows, launches that were under way, control groups, descriptors, sockets whose grant is not held. The servers are
/// started anew, as when they end by themselves. No container has more than before, and those that run go on.
/// </summary>
public static unsafe class Takeover
{
    private const int MaxDescriptors = 1 << 16;
    private static byte* s_known;
    /// <summary>Descriptors that were open when the first kernel had begun: those of the port itself.</summary>
    private static byte* s_own;

    /// <summary>Watches what the keeper tells.</summary>
    public static bool Watch()
    {
        s_own = Node.Allocate(2 * MaxDescriptors);
        s_known = s_own + MaxDescriptors;
        return s_own != null && Node.Watch(Keeper.Stop, Node.Signal, 0) >= 0 && Node.Watch(Keeper.Process, Node.Orphaned, 0) >= 0 && Node.Watch(Children.Ends, Node.Ends, 0) >= 0;
    }

    /// <summary>The port has everything that it holds for good.</summary>
    public static void Remember()
    {
        const int GetFlags = 1;
        for (int i = 0; i < MaxDescriptors; i++) s_own[i] = 0;
        for (int i = 0; i < 256; i++)
            if (Host.Call(Sys.Fcntl, i, GetFlags) >= 0) s_own[i] = 1;
        s_own[Node.Epoll] = s_own[LiveSockets.Netlink] = 0; // a successor has others
        for (int i = 0; i < Node.NativeCount; i++) s_own[Node.Tasks[Node.Natives[i]].Listener] = s_own[Node.Tasks[Node.Natives[i]].PidDescriptor] = 0;
    }

    public static bool Run()
    {
        for (int task = 1; task < Node.MaxObjects; task++) Normalise(task);
        Node.Kernel.Rebuild();
        for (int task = 1; task < Node.MaxObjects; task++)
        {
            if (Node.Tasks[task].Handler != 0) Node.Kernel.Hold(Node.Tasks[task].Handler);
            if (Node.Tasks[task].ExitNotification != 0) Node.Kernel.Hold(Node.Tasks[task].ExitNotification);
        }
        if (!Rewatch()) return false;
        TellAgain();
        Deadlines.Keep(&Waits);
        Node.Kernel.Settle();
        TrapTakeover.TakeOver();
        GateCalls.TakeOver();
        for (int task = 1; task < Node.MaxObjects; task++) Launched(task);
        Blanks.Forget();
        Children.EndUnknown();
        if (Node.MakingLength > 0) ControlGroup.Discard(new System.ReadOnlySpan<byte>(Node.MakingGroup, Node.MakingLength)); // of one that runs it is refused
        SpareGroups.Forget(Boot.Text(Node.GroupPrefix));
        Node.MakingLength = 0;
        CloseUnknown();
        if (!LiveSockets.Sweep() || !ServerRestart.Both()) return false;
        TrapTakeover.HandleReceived();
        Children.Tell();
        Blanks.Fill();
        return true;
    }

    /// <summary>What a task's record says that was not complete yet, or belongs to nobody.</summary>
    private static void Normalise(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (Node.Kernel.Objects[task].Kind is not (ObjectKind.Task or ObjectKind.Thread) && port.Kind != PortKind.None) port = default;
        if (port.Kind is PortKind.Native or PortKind.Thread or PortKind.Trap or PortKind.GateCall) return;
        port.InFlight = port.Calls = port.Callers = 0;
        bool runs = port.State is TaskState.Running or TaskState.Starting or TaskState.Prepared;
        if (!runs) port.Handler = 0;
        if (!runs && !port.Changed) port.ExitNotification = 0;
        if (port.State == TaskState.Created) port.Kind = PortKind.None;
        if (port.Waiting && (!runs || !Seccomp.Valid(Node.Tasks[port.Source].Listener, port.Notification))) port.Waiting = false;
        if (port.Waiting && port.Notification == Node.Received->Id) Node.Received->Id = 0;
    }

    /// <summary>A container that waits to serve, or a thread of a further native task that waits for a message.</summary>
    private static bool Waits(int task) => Node.Tasks[task].Kind is PortKind.Container or PortKind.Native or PortKind.Thread && Node.Tasks[task].Waiting;

    /// <summary>The loop's descriptor anew, with everything that is to be watched.</summary>
    private static bool Rewatch()
    {
        Node.Close(ref Node.Epoll);
        Node.Epoll = (int)Host.Call(Sys.EpollCreate1, Sys.Cloexec);
        if (Node.Epoll < 0) return false;
        Node.Watch(Keeper.Stop, Node.Signal, 0);
        Node.Watch(Keeper.Process, Node.Orphaned, 0);
        Node.Watch(Children.Ends, Node.Ends, 0);
        if (Node.Owner > 0) Node.Watch(Node.Owner, Node.Signal, 0);
        HeardDatagrams.Rewatch();
        for (int task = 1; task < Node.MaxObjects; task++)
            if (Node.Tasks[task].State == TaskState.Running && Node.Tasks[task].Listener > 0) Node.Watch(Node.Tasks[task].Listener, Node.Listener, task);
        return true;
    }

    /// <summary>Changes that were told and not taken yet.</summary>
    private static void TellAgain()
    {
        for (int o = 1; o < Node.MaxObjects; o++)
            if (Node.Kernel.Objects[o].Kind == ObjectKind.Notification) Node.Kernel.Objects[o].B = Node.Kernel.Objects[o].C = 0;
        for (int task = 1; task < Node.MaxObjects; task++)
        {
            if (!Node.Tasks[task].Changed) continue;
            Node.Tasks[task].Changed = false;
            if (Node.Tasks[task].ExitNotification != 0) Changes.Tell(task);
        }
    }

    /// <summary>Launches come to nothing; who waits to serve does so.</summary>
    private static void Launched(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.Kind == PortKind.Container && port.State is TaskState.Starting or TaskState.Prepared) TaskLife.GiveUp(task);
        if (port.Kind == PortKind.Container && port.State == TaskState.Running && port.Launch.From > 0) TaskLife.Over(ref port.Launch);
        int process = Node.Kernel.Space(task);
        if (process == Node.MettEagle || process == Node.Network || !port.Waiting) return;
        if (port.Kind is PortKind.Container) Node.Kernel.Receive(task);
        if (port.Kind is not (PortKind.Native or PortKind.Thread)) return;
        port.Waiting = false;
        Deadlines.Clear(task);
        Seccomp.AnswerRaw(Node.Tasks[process].Listener, port.Notification, AbiError.Cancelled);
    }

    /// <summary>Descriptors that neither the port nor any task or object holds.</summary>
    private static void CloseUnknown()
    {
        for (int i = 0; i < MaxDescriptors; i++) s_known[i] = s_own[i];
        Known(Node.Epoll);
        Known(LiveSockets.Netlink);
        Known(Node.Given);
        HeardDatagrams.Known();
        for (int o = 1; o < Node.MaxObjects; o++)
        {
            ref var record = ref Node.Kernel.Objects[o];
            if (record.Kind is ObjectKind.Notification or ObjectKind.Descriptor) Known((int)record.A);
            if (record.Kind is ObjectKind.Dataspace or ObjectKind.Thread) Known((int)record.B);
            ref var port = ref Node.Tasks[o];
            for (int i = 0; i < PortTask.MaxKept; i++) Known(port.Kept[i]);
            if (port.Kind == PortKind.Trap)
            {
                Known(port.Socket);
                for (int i = 0; i < port.Message.PassedCount; i++) Known(port.Message.Passed[i]);
            }
            if (port.Kind is not (PortKind.Container or PortKind.Native)) continue;
            Known(port.Launch.Terminal);
            if (port.State != TaskState.Running) continue;
            Known(port.Listener);
            Known(port.PidDescriptor);
            Known(port.ThreadDescriptor);
        }
        int last = MaxDescriptors - 1;
        while (s_known[last] == 0) last--;
        for (int i = 3; i < last; i++)
            if (s_known[i] == 0) Host.Call(Sys.Close, i);
        Host.Call(Sys.CloseRange, last + 1, -1, 0);
    }

    public static void Known(int descriptor)
    {
        if (descriptor is > 0 and < MaxDescriptors) s_known[descriptor] = 1;
    }
}
