using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Logs;
using Eyrie.Node.Probes;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>Starts a pod's containers: what takes time runs beside and tells by a signal; then the postStart hook, then the probes.</summary>
public sealed class PodStarts(PodState pod, ImageStore images, PodDisk disk, PodUses uses, PodEnds ends, PodStops stops, PodCapabilities capabilities, PodProbes probes, PodSignals signals)
{
    /// <param name="record">Which.</param>
    /// <param name="begun">An agent before started it and could not tell any more; null: it is to be started.</param>
    public void Start(ContainerRecord record, ContainerStatus? begun = null)
    {
        var previous = record.Runs > 0 ? PodFiles.ContainerId(pod.Uid, record.Name, record.Runs - 1) : "";
        record.Beside = new CancellationTokenSource();
        (record.Starting, record.RetryAt, record.Id) = (true, null, PodFiles.ContainerId(pod.Uid, record.Name, record.Runs));
        if (begun is null) (record.Early, record.Held) = (null, new HeldCapabilities(pod.Containers, record.Id, pod.Compiled(record)));
        signals.Listen(record);
        if (!disk.Save())
        {
            NotStarted(record, record.Held!, previous, new IOException(disk.Unsaved));
            return;
        }
        var (held, beside, request) = (record.Held!, record.Beside.Token, new StartRequest(pod.Pod, pod.Spec(record), pod.Desired, pod.Address, record.Id, pod.LogPath(record.Name, record.Runs), previous));
        var start = new ContainerStart(pod.Options, pod.Containers, images, pod.Tokens, pod.Time, told => pod.Event("Normal", told.Reason, told.Message, 1, record.Name, told.Series));
        _ = Task.Run(async () =>
        {
            try
            {
                var started = begun is null ? await start.RunAsync(request, beside) : await start.ResumeAsync(request, begun.StartedAt ?? pod.Time.GetUtcNow(), beside);
                pod.Signal(() => Started(record, started));
                if (await capabilities.VerifyAsync(record, held, beside)) await PostStartAsync(record, held, request.Container, beside);
            }
            catch (Exception exception)
            {
                pod.Signal(() => NotStarted(record, held, previous, exception));
            }
        });
    }

    /// <summary>A start that was under way when the agent before ended.</summary>
    /// <param name="record">Which.</param>
    /// <param name="seen">The container; null: it was not made, or not started, and is made anew.</param>
    public void Resume(ContainerRecord record, ContainerStatus? seen)
    {
        if (seen is { State: not ContainerState.Created })
        {
            if (seen.State == ContainerState.Exited) record.Early = new ContainerExited(record.Id, seen.ExitCode, seen.OutOfMemory);
            Start(record, seen);
        }
        else (record.Starting, record.Id) = (false, record.Runs > 0 ? PodFiles.ContainerId(pod.Uid, record.Name, record.Runs - 1) : "");
    }

    private void Started(ContainerRecord record, StartedContainer started)
    {
        bool again = record.Runs++ > 0;
        if (again) record.Restarts++;
        (record.Running, record.Waiting, record.Failures, record.StartedAt, record.RunningSince, record.ImageId, record.WorkingDirectory, record.Written, record.Code) = (true, null, 0, started.At, pod.Now, started.Image.Digest, started.WorkingDirectory, started.Written, started.Code);
        uses.Watch(record);
        pod.Event("Normal", "Started", $"Started container {record.Name}", 1, record.Name);
        if (Hooks.Of(pod.Spec(record), "postStart") is null) Begun(record);
        capabilities.Recompiled(record); // it may have changed while the container was made
        if (record.Early is { } exited) ends.Ended(record, exited);
        else if (pod.Seen.GetValueOrDefault(record.Id) is { State: ContainerState.Exited } seen) ends.Observed(record, seen); // while there was no connection over which that is told
        if (record.Runs > 2) LogFiles.Delete(pod.LogFile(record.Name, record.Runs - 3));
    }

    /// <summary>Nothing of its start is left to do: the next container may start, and its probes begin.</summary>
    private void Begun(ContainerRecord record)
    {
        record.Starting = false;
        if (record.Running && record.Stop is null) probes.Begin(record);
    }

    private void NotStarted(ContainerRecord record, HeldCapabilities held, string previous, Exception exception)
    {
        if (record.Held != held) return; // that run is over, and there is another
        record.Starting = false;
        if (record.Running) // after its start
        {
            capabilities.Unchecked(record, exception);
            return;
        }
        record.Id = previous;
        if (exception is OperationCanceledException) return; // the pod is to end
        var reason = StartFailure.Reason(exception, record.Waiting?.Reason);
        bool told = record.Waiting?.Message == exception.Message;
        record.Waiting = (reason, exception.Message);
        record.RetryAt = pod.Now + BackOff.AfterFailures(++record.Failures);
        if (!told) pod.Event("Warning", exception is VolumeUnavailableException ? "FailedMount" : "Failed", exception.Message, 1, record.Name);
        else if (reason == "ImagePullBackOff") pod.Event("Normal", "BackOff", $"Back-off pulling image \"{record.Image}\"", 1, record.Name);
    }

    /// <summary>Runs the postStart hook of a run, if there is one.</summary>
    /// <param name="record">Whose.</param>
    /// <param name="held">The set of the run.</param>
    /// <param name="container">Its spec.</param>
    /// <param name="cancellationToken">The run is over.</param>
    public async Task PostStartAsync(ContainerRecord record, HeldCapabilities held, JsonObject container, CancellationToken cancellationToken)
    {
        if (Hooks.Of(container, "postStart") is not { } hook) return;
        ProbeOutcome outcome;
        try
        {
            outcome = await Hooks.RunAsync(hook, pod.Checks(record), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            outcome = new ProbeOutcome(true, ""); // it has ended meanwhile
        }
        pod.Signal(() =>
        {
            if (record.Held != held) return;
            if (!outcome.Success && record.Running)
            {
                pod.Event("Warning", "FailedPostStartHook", $"PostStartHook failed: {outcome.Message}", 1, record.Name);
                record.Starting = false;
                stops.Ask(record, pod.Grace(null), $"FailedPostStartHook: container {record.Name} is ended");
            }
            else Begun(record);
        });
    }
}
