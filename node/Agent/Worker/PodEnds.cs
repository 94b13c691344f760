using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>The end of a container's run: how it ended, and whether it is left alone for a while before it is run again.</summary>
public sealed class PodEnds(PodState pod, PodUses uses)
{
    private const int LostCode = 128 + 9;
    private const string LostMessage = "the node's microkernel ended and took the container with it";

    public void Ended(ContainerRecord record, ContainerExited exited) => Ended(record, exited.ExitCode, exited.OutOfMemory);

    /// <summary>The kernel that ran it is gone.</summary>
    public void Lost(ContainerRecord record) => Ended(record, LostCode, false, LostMessage);

    /// <summary>What the container service says of a run that was going on when it was last looked at; null: it does not know it.</summary>
    public void Observed(ContainerRecord record, ContainerStatus? status)
    {
        if (status is null) Lost(record);
        else if (status.State == ContainerState.Exited) Ended(record, status.ExitCode, status.OutOfMemory, finishedAt: status.FinishedAt);
    }

    private void Ended(ContainerRecord record, int exitCode, bool outOfMemory, string? message = null, DateTimeOffset? finishedAt = null)
    {
        uses.Ended(record);
        var reason = outOfMemory ? "OOMKilled" : exitCode == 0 ? "Completed" : "Error";
        var said = message ?? pod.Files.TerminationMessage(record.Id, pod.Spec(record), record.Runs > 0 ? pod.LogFile(record.Name, record.Runs - 1) : null, exitCode);
        record.Ended(new ContainerEnd(exitCode, reason, record.StartedAt, finishedAt ?? pod.Time.GetUtcNow(), said, record.Id), pod.Now, message != LostMessage);
        var wait = BackOff.AfterEnds(record.Ends);
        if (pod.Terminating || wait == TimeSpan.Zero || !PodPlan.Restarts(pod.RestartPolicy, record.Role, exitCode)) return;
        record.Waiting = ("CrashLoopBackOff", $"back-off {Wording.Duration(wait)} restarting failed container={record.Name} pod={pod.Name}_{pod.Namespace}({pod.Uid})");
        pod.Event("Warning", "BackOff", $"Back-off restarting failed container {record.Name} in pod {pod.Name}_{pod.Namespace}({pod.Uid})", 1, record.Name);
    }
}
