namespace Eyrie.Node.Probes;

/// <summary>One answer to a probe: whether it holds and, if not, why.</summary>
public readonly record struct ProbeOutcome(bool Success, string Message);

/// <summary>
/// Asks one probe over and over. Between two asks that count, what is not yet ready over the network is also asked early, so that a fast start is seen fast; only a
/// success counts then, so thresholds and periods mean what they mean in Kubernetes. What was found ready by an agent before is ready until it is found not to be.
/// </summary>
public sealed class ProbeRunner(ProbeKind kind, ProbeTiming timing, bool eager, bool ready, TimeProvider time, Func<CancellationToken, Task<ProbeOutcome>> ask)
{
    private static readonly TimeSpan FirstEager = TimeSpan.FromMilliseconds(5), LongestEager = TimeSpan.FromSeconds(1);

    public async Task RunAsync(Action<ProbeState, ProbeOutcome> answered, CancellationToken cancellationToken)
    {
        if (!ready) await Task.Delay(timing.InitialDelay, time, cancellationToken);
        var state = ready ? new ProbeState(true, null, 0) : ProbeState.First(kind);
        var counted = SteadyTime.Now(time);
        var early = FirstEager;
        while (true)
        {
            var asked = SteadyTime.Now(time);
            var outcome = await WithinAsync(cancellationToken);
            if (outcome.Success || asked >= counted)
            {
                state = state.After(outcome.Success, timing);
                counted = asked + timing.Period;
                answered(state, outcome);
                if (state.Over(kind)) return;
            }
            var wait = counted - SteadyTime.Now(time);
            if (eager && state.Last is not true && state.Holds is not true && kind != ProbeKind.Liveness) (wait, early) = (wait < early ? wait : early, early < LongestEager ? early * 1.5 : early);
            if (wait > TimeSpan.Zero) await Task.Delay(wait, time, cancellationToken);
        }
    }

    private async Task<ProbeOutcome> WithinAsync(CancellationToken cancellationToken)
    {
        using var over = new CancellationTokenSource(timing.Timeout, time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, over.Token);
        try
        {
            return await ask(deadline.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new ProbeOutcome(false, $"context deadline exceeded: no answer within {timing.Timeout.TotalSeconds:0.#} s");
        }
    }
}
