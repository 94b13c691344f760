using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Tasks whose state has changed, in a list at the notification that tells of it, so that whoever waits need not ask for each task it has. B and C of the notification's record are the list's head
/// and tail. A task stands in it once, however often it changed, and holds its notification as long.
/// </summary>
public static class Changes
{
    public static unsafe void Tell(int task)
    {
        ref var port = ref Node.Tasks[task];
        ref var notification = ref Node.Kernel.Objects[port.ExitNotification];
        if (!port.Changed)
        {
            port.Changed = true;
            port.NextChanged = 0;
            if (notification.C != 0) Node.Tasks[notification.C].NextChanged = task;
            else notification.B = task;
            notification.C = task;
        }
        TaskLife.SignalEvent(port.ExitNotification);
    }

    /// <summary>The token of the task that changed first, or WrongState when there is none.</summary>
    public static unsafe long Take(int notification)
    {
        int task = (int)Node.Kernel.Objects[notification].B;
        if (task == 0) return AbiError.WrongState;
        ref var port = ref Node.Tasks[task];
        Remove(task);
        int token = port.Token;
        if (port.State is not (TaskState.Starting or TaskState.Prepared or TaskState.Running)) Forget(task);
        return token;
    }

    /// <summary>Nothing more is told of this task.</summary>
    public static unsafe void Forget(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.Changed) Remove(task);
        int notification = port.ExitNotification;
        port.ExitNotification = 0;
        if (notification != 0) Node.Kernel.Release(notification);
    }

    private static unsafe void Remove(int task)
    {
        ref var notification = ref Node.Kernel.Objects[Node.Tasks[task].ExitNotification];
        int previous = 0;
        for (int at = (int)notification.B; at != task; at = Node.Tasks[at].NextChanged) previous = at;
        if (previous == 0) notification.B = Node.Tasks[task].NextChanged;
        else Node.Tasks[previous].NextChanged = Node.Tasks[task].NextChanged;
        if (notification.C == task) notification.C = previous;
        Node.Tasks[task].Changed = false;
    }
}
