using Eyrie.Microkernel.Client;
using Eyrie.Node.Probes;

namespace Eyrie.Node;

/// <summary>Ends running containers, step by step as <see cref="PodPlan"/> says: asked, preStop hook, SIGTERM, SIGKILL.</summary>
public sealed class PodStops(PodState pod, PodEnds ends)
{
    /// <summary>The container is to end from now on.</summary>
    public void Ask(ContainerRecord record, TimeSpan grace, string message)
    {
        record.Stop = new ContainerStop(pod.Now, grace);
        pod.Event("Normal", "Killing", message, 1, record.Name);
    }

    /// <summary>Runs the preStop hook beside, and tells when it is done.</summary>
    public void RunHook(ContainerRecord record)
    {
        record.Stop = record.Stop! with { Phase = StopPhase.Hook };
        var (id, container, checks, cancellation) = (record.Id, pod.Spec(record), pod.Checks(record), record.Beside.Token);
        _ = Task.Run(async () =>
        {
            var outcome = new ProbeOutcome(true, "");
            try
            {
                outcome = await Hooks.RunAsync(Hooks.Of(container, "preStop")!, checks, cancellation);
            }
            catch (OperationCanceledException)
            {
                // It has ended meanwhile.
            }
            pod.Signal(() =>
            {
                if (!outcome.Success) pod.Event("Warning", "FailedPreStopHook", $"PreStopHook failed: {outcome.Message}", 1, record.Name);
                if (record.Id == id && record.Stop is { Phase: StopPhase.Hook } stop) record.Stop = stop with { Phase = StopPhase.HookDone };
            });
        });
    }

    public Task TermAsync(ContainerRecord record, SteadyTime now) => SignalAsync(record, HostProcess.Terminate, StopPhase.TermSent, now);

    public Task KillAsync(ContainerRecord record, SteadyTime now) => SignalAsync(record, HostProcess.Kill, StopPhase.KillSent, now);

    private async Task SignalAsync(ContainerRecord record, int signal, StopPhase phase, SteadyTime now)
    {
        var stop = record.Stop!;
        record.Stop = stop with { Phase = phase, TermAt = stop.TermAt ?? now, Again = null };
        try
        {
            await pod.Containers().SignalAsync(record.Id, signal, CancellationToken.None);
        }
        catch (ContainerServiceException exception) when (exception.Error is ContainerError.UnknownContainer)
        {
            ends.Lost(record); // of a kernel that is gone
        }
        catch (ContainerServiceException exception) when (exception.Error is ContainerError.WrongState)
        {
            // It has ended by itself: that is told on its own.
        }
        catch (IOException)
        {
            record.Stop = stop with { Again = pod.Now + LostConnection.Again }; // whether it was taken is not known: a container outlives its service
        }
    }
}
