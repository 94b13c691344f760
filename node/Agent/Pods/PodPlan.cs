namespace Eyrie.Node;

/// <summary>
/// Init: runs to its end before the next begins. Sidecar: an init container with restartPolicy Always, beside the others and after them. Main: the pod's work. Ephemeral: added while the pod
/// is there, waits for none of the others and is run once.
/// </summary>
public enum ContainerRole { Init, Sidecar, Main, Ephemeral }

/// <summary>One container as the node has seen it.</summary>
public sealed record ContainerView(string Name, ContainerRole Role)
{
    /// <summary>Its start is under way: image, files, create, start, postStart.</summary>
    public bool Starting { get; init; }
    public bool Running { get; init; }
    /// <summary>Its startup probe has succeeded, or it has none.</summary>
    public bool Started { get; init; }
    /// <summary>Of the last run that ended; null: none has.</summary>
    public int? ExitCode { get; init; }
    /// <summary>How long it is left alone after its last end.</summary>
    public TimeSpan BackOff { get; init; }
    public SteadyTime? EndedAt { get; init; }
    /// <summary>A start failed and is tried again then.</summary>
    public SteadyTime? RetryAt { get; init; }
    public ContainerStop? Stop { get; init; }
    public bool HasStopHook { get; init; }
}

/// <summary>What the plan is made from: pure data.</summary>
/// <param name="Containers">Init containers and sidecars first, in order; ephemeral ones last.</param>
/// <param name="RestartPolicy">Always, OnFailure or Never.</param>
/// <param name="Drained">Nobody is connected any more that came before it left its Services.</param>
/// <param name="TerminatingSince">When its containers were first told to end; null: not yet.</param>
public sealed record PodView(IReadOnlyList<ContainerView> Containers, string RestartPolicy, bool Terminating, bool Drained, SteadyTime? TerminatingSince, TimeSpan Grace)
{
    /// <summary>It has used up what it was given (time, disk): its containers end and none starts again.</summary>
    public bool Failing { get; init; }
}

public abstract record PodAction;

public sealed record StartContainer(string Name) : PodAction;

/// <summary>The container is to end from now on, within the grace.</summary>
public sealed record BeginStop(string Name, TimeSpan Grace) : PodAction;
public sealed record RunStopHook(string Name) : PodAction;
public sealed record SendTerm(string Name) : PodAction;
public sealed record SendKill(string Name) : PodAction;

/// <summary>Nothing to do until something changes, or until then.</summary>
public sealed record WaitUntil(SteadyTime? Time) : PodAction;

/// <summary>Every container has ended and none is to start again.</summary>
public sealed record Finished : PodAction;

/// <summary>What a node does next for a pod: a pure function of (desired, observed, now).</summary>
public static class PodPlan
{
    public static PodAction Decide(PodView pod, SteadyTime now)
    {
        SteadyTime? wake = null;
        foreach (var container in pod.Containers.Where(container => container is { Running: true, Stop: not null }))
        {
            var limit = pod.Terminating ? pod.TerminatingSince + pod.Grace : null;
            var next = container.Stop!.Next(container.Name, container.HasStopHook, pod.Terminating && pod.Grace == TimeSpan.Zero, limit, now);
            if (next is not WaitUntil wait) return next;
            wake = Earlier(wake, wait.Time);
        }
        var action = pod.Terminating ? Terminate(pod, now) : Run(pod, now);
        return action is WaitUntil until ? new WaitUntil(Earlier(wake, until.Time)) : action;
    }

    private static SteadyTime? Earlier(SteadyTime? first, SteadyTime? second) => first is null || second < first ? second ?? first : first;

    private static PodAction Run(PodView pod, SteadyTime now)
    {
        if (!pod.Failing && pod.Containers.Any(container => container is { Starting: true, Role: not ContainerRole.Ephemeral })) return new WaitUntil(null);
        if (pod.Failing || Failed(pod) || IsOver(pod)) return End(pod, ContainerStop.LeastAfterHook > pod.Grace ? ContainerStop.LeastAfterHook : pod.Grace);
        var added = pod.Containers.Where(container => container is { Role: ContainerRole.Ephemeral, Starting: false, Running: false, ExitCode: null }).ToList();
        if (added.FirstOrDefault(container => (container.RetryAt ?? now) <= now) is { } first) return new StartContainer(first.Name);
        var wake = added.Min(container => container.RetryAt);
        foreach (var container in pod.Containers.Where(container => container.Role != ContainerRole.Ephemeral))
        {
            if (container.Running)
            {
                if (container.Role == ContainerRole.Init || (container.Role == ContainerRole.Sidecar && !container.Started)) return new WaitUntil(wake); // the next ones wait for it
                continue;
            }
            if (container.ExitCode is not null && container.RetryAt is null && !Restarts(pod, container)) continue;
            var due = container.RetryAt ?? container.EndedAt + container.BackOff ?? now;
            if (due <= now) return new StartContainer(container.Name);
            wake = Earlier(wake, due);
            if (container.Role != ContainerRole.Main) return new WaitUntil(wake);
        }
        return new WaitUntil(wake);
    }

    /// <summary>A failed init container that is not run again fails the pod.</summary>
    private static bool Failed(PodView pod) => pod.Containers.Any(container => container is { Role: ContainerRole.Init, Running: false, RetryAt: null, ExitCode: not null and not 0 } && !Restarts(pod, container));

    /// <summary>Every container of the pod's work has ended for good.</summary>
    private static bool IsOver(PodView pod) => pod.Containers.Where(container => container.Role == ContainerRole.Main).All(container => container is { Running: false, RetryAt: null, ExitCode: not null } && !Restarts(pod, container));

    private static PodAction Terminate(PodView pod, SteadyTime now)
    {
        if (!pod.Containers.Any(container => container.Running || container.Starting)) return new Finished();
        if (!pod.Drained && pod.Grace > TimeSpan.Zero) return new WaitUntil(null);
        var left = pod.TerminatingSince is { } since ? since + pod.Grace - now : pod.Grace;
        return End(pod, pod.Grace == TimeSpan.Zero ? TimeSpan.Zero : left < ContainerStop.LeastAfterHook ? ContainerStop.LeastAfterHook : left);
    }

    /// <summary>The pod's work first, all at once; then the sidecars, the last first.</summary>
    private static PodAction End(PodView pod, TimeSpan grace)
    {
        if (pod.Containers.FirstOrDefault(container => container is { Running: true, Stop: null, Role: not ContainerRole.Sidecar }) is { } work) return new BeginStop(work.Name, grace);
        if (pod.Containers.Any(container => container.Starting || container is { Running: true, Role: not ContainerRole.Sidecar })) return new WaitUntil(null);
        return pod.Containers.LastOrDefault(container => container.Running) switch
        {
            null => new Finished(),
            { Stop: null } sidecar => new BeginStop(sidecar.Name, grace),
            _ => new WaitUntil(null),
        };
    }

    private static bool Restarts(PodView pod, ContainerView container) => Restarts(pod.RestartPolicy, container.Role, container.ExitCode ?? 1);

    /// <summary>Whether a container is run again after this end.</summary>
    public static bool Restarts(string policy, ContainerRole role, int exitCode) => role != ContainerRole.Ephemeral && (role == ContainerRole.Sidecar || policy switch
    {
        "Never" => false, "OnFailure" => exitCode != 0, _ => role == ContainerRole.Main || exitCode != 0,
    });
}
