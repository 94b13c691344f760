using System.Text.Json.Nodes;
using Eyrie.Node.Probes;

namespace Eyrie.Node;

/// <summary>The probes of a pod's running containers, and what follows from their answers.</summary>
public sealed class PodProbes(PodState pod, PodStops stops)
{
    /// <summary>A run begins: the startup probe first, if there is one, and then the others.</summary>
    public void Begin(ContainerRecord record)
    {
        var spec = pod.Spec(record);
        record.Started = spec["startupProbe"] is null;
        record.Ready = record.Started && pod.ShutdownGrace is null && spec["readinessProbe"] is null;
        GoOn(record);
    }

    /// <summary>The probes that are due for a run as far as it has come.</summary>
    public void GoOn(ContainerRecord record) => Run(record, record.Started ? [ProbeKind.Liveness, ProbeKind.Readiness] : [ProbeKind.Startup]);

    private void Run(ContainerRecord record, IEnumerable<ProbeKind> kinds)
    {
        var container = pod.Spec(record);
        var checks = pod.Checks(record);
        foreach (var kind in kinds)
            if (container[ProbeNames.Field(kind)] is JsonObject probe)
            {
                var (id, cancellation) = (record.Id, record.Beside.Token);
                var runner = new ProbeRunner(kind, ProbeTiming.From(probe), ProbeChecks.OverNetwork(probe), kind == ProbeKind.Readiness && record.Ready, pod.Time, token => checks.AskAsync(probe, token));
                _ = runner.RunAsync((state, outcome) => pod.Signal(() =>
                {
                    if (record.Id == id && record.Running) Answered(record, kind, probe, state, outcome);
                }), cancellation);
            }
    }

    private void Answered(ContainerRecord record, ProbeKind kind, JsonObject probe, ProbeState state, ProbeOutcome outcome)
    {
        if (!outcome.Success) pod.Event("Warning", "Unhealthy", $"{kind} probe failed: {outcome.Message}", 1, record.Name);
        if (kind == ProbeKind.Readiness) record.Ready = state.Holds == true && pod.ShutdownGrace is null;
        if (kind == ProbeKind.Startup && state.Holds == true && !record.Started)
        {
            record.Started = true;
            record.Ready = pod.ShutdownGrace is null && pod.Spec(record)["readinessProbe"] is null;
            GoOn(record);
        }
        if (state.Fatal(kind) && record.Stop is null && !pod.Terminating) stops.Ask(record, pod.Grace(probe), $"Container {record.Name} failed {ProbeNames.Word(kind)} probe, will be restarted");
    }
}
