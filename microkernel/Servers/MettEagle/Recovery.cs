using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>
/// A process that takes another's place: the containers go on, what they wrote goes on into their logs, and what ended meanwhile is known. Clients are gone, and with them what they had running in containers; they
/// connect again and list. What was being made or deleted at that moment, and nobody was answered, is deleted.
/// </summary>
public static unsafe class Recovery
{
    public static void Run()
    {
        Executions.End();
        for (int i = 1; i < Containers.Max; i++)
        {
            ref var container = ref Containers.Table[i];
            if (!container.Used) continue;
            Containers.Highest = i;
            container.Starter = -1;
            container.Request = Record.Request(i);
            Streams(i);
            Microkernel.Unmap(-1, Containers.Slot(i, Container.EntrySlot + container.Entries), UnmapMode.Self); // an entry that was made and not counted yet
            if (!container.Made) Lifecycle.Delete(i);
        }
    }

    /// <summary>News that the process before took and did not act on: each task is asked. Last, when denials and sessions are known.</summary>
    public static void Hear()
    {
        if (Record.Found) Gates.Recover();
        for (int i = 1; i <= Containers.Highest; i++) Lifecycle.Changed(i);
    }

    /// <summary>The kernel has kept the service's ends of the pipes, or the terminal. Of a container that was not started yet there are none: they are made when it is.</summary>
    private static void Streams(int index)
    {
        ref var container = ref Containers.Table[index];
        container.LogFile = container.Output.Descriptor = container.Error.Descriptor = container.Input = container.InputEnd = -1;
        container.Output.Line = Record.Line(index, false);
        container.Error.Line = Record.Line(index, true);
        container.Output.Held = container.Error.Held = false;
        container.Output.WriteEnd = container.Error.WriteEnd = -1;
        if (!container.Made) return;
        Lifecycle.ReopenLog(index);
        var log = FieldScanner.Find(Containers.Request(index), ContainerProtocol.LogPath);
        LogLines.Recover(ref container.Output, "stdout"u8, log, container.LogFile);
        LogLines.Recover(ref container.Error, "stderr"u8, log, container.LogFile);
        int task = Containers.Slot(index, Container.TaskSlot);
        bool began = container.State is TaskState.Running or TaskState.Exited or TaskState.Killed;
        if (container.Terminal && began) container.Output.Descriptor = container.Input = (int)Microkernel.Control(task, TaskOperation.Terminal, Container.KeepTerminal);
        if (!container.Terminal)
        {
            container.Output.Descriptor = (int)Microkernel.Control(task, TaskOperation.Kept, Container.KeptOutput);
            container.Error.Descriptor = (int)Microkernel.Control(task, TaskOperation.Kept, Container.KeptError);
            container.Input = (int)Microkernel.Control(task, TaskOperation.Kept, Container.KeptInput);
        }
        if (began) LogPump.Watch(index);
    }
}
