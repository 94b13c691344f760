namespace Eyrie.Node;

/// <summary>One container as the node has seen it.</summary>
public sealed record ContainerView(string Name, bool IsInit, bool Running, int? ExitCode, int Restarts, DateTimeOffset? FinishedAt, DateTimeOffset? RetryAt);

/// <summary>What the plan is made from: pure data.</summary>
/// <param name="Containers">Init containers first, in order.</param>
/// <param name="RestartPolicy">Always, OnFailure or Never.</param>
/// <param name="TerminateAt">When SIGTERM was sent; null: not yet.</param>
public sealed record PodView(IReadOnlyList<ContainerView> Containers, string RestartPolicy, bool Terminating, bool Drained, DateTimeOffset? TerminateAt, TimeSpan Grace);

public abstract record PodAction;

public sealed record StartContainer(string Name) : PodAction;
public sealed record SendTerm : PodAction;
public sealed record SendKill : PodAction;

/// <summary>Nothing to do until something changes, or until then.</summary>
public sealed record WaitUntil(DateTimeOffset? Time) : PodAction;

/// <summary>Every container has ended and none is to start again.</summary>
public sealed record Finished : PodAction;

/// <summary>What a node does next for a pod: a pure function of (desired, observed, now).</summary>
public static class PodPlan
{
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromSeconds(1), LongestBackOff = TimeSpan.FromMinutes(5);

    public static PodAction Decide(PodView pod, DateTimeOffset now)
    {
        var running = pod.Containers.Where(container => container.Running).ToList();
        if (pod.Terminating) return Terminate(pod, running, now);
        DateTimeOffset? wake = null;
        foreach (var container in pod.Containers)
        {
            if (container.Running)
            {
                if (container.IsInit) return new WaitUntil(null);
                continue;
            }
            if (container.ExitCode is null && container.RetryAt is null) return new StartContainer(container.Name);
            if (container.IsInit && container.ExitCode == 0) continue;
            if (!Restarts(pod, container))
            {
                if (container.IsInit) return new Finished(); // a failed init container under Never fails the pod
                continue;
            }
            var due = container.RetryAt ?? container.FinishedAt!.Value + BackOff(container.Restarts);
            if (due <= now) return new StartContainer(container.Name);
            if (wake is null || due < wake) wake = due;
            if (container.IsInit) return new WaitUntil(wake);
        }
        return running.Count == 0 && wake is null ? new Finished() : new WaitUntil(wake);
    }

    private static PodAction Terminate(PodView pod, List<ContainerView> running, DateTimeOffset now)
    {
        if (running.Count == 0) return new Finished();
        if (pod.Grace == TimeSpan.Zero) return new SendKill();
        if (pod.TerminateAt is not { } sent) return pod.Drained ? new SendTerm() : new WaitUntil(null);
        return sent + pod.Grace <= now ? new SendKill() : new WaitUntil(sent + pod.Grace);
    }

    private static bool Restarts(PodView pod, ContainerView container) => container.ExitCode is null || pod.RestartPolicy switch
    {
        "Never" => false, "OnFailure" => container.ExitCode != 0, _ => !container.IsInit || container.ExitCode != 0,
    };

    /// <summary>1 s, doubled with each restart, at most 5 minutes.</summary>
    public static TimeSpan BackOff(int restarts) => TimeSpan.FromSeconds(Math.Min(LongestBackOff.TotalSeconds, FirstBackOff.TotalSeconds * Math.Pow(2, Math.Min(restarts, 16))));
}
