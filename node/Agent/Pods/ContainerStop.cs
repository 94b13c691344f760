namespace Eyrie.Node;

public enum StopPhase { Asked, Hook, HookDone, TermSent, KillSent }

/// <summary>A running container that is to end, and how far that is.</summary>
/// <param name="Asked">When it was asked; the grace runs from here and the preStop hook uses it too.</param>
/// <param name="TermAt">When SIGTERM was sent.</param>
/// <param name="Again">The last signal was lost with the connection to the container service: when it is sent once more.</param>
public sealed record ContainerStop(SteadyTime Asked, TimeSpan Grace, StopPhase Phase = StopPhase.Asked, SteadyTime? TermAt = null, SteadyTime? Again = null)
{
    /// <summary>What is left for a container whose hook took all of its grace.</summary>
    public static readonly TimeSpan LeastAfterHook = TimeSpan.FromSeconds(2);

    /// <summary>The next step: hook, SIGTERM, SIGKILL, or waiting for one of their times. Pure.</summary>
    /// <param name="atOnce">Nobody has any grace left.</param>
    /// <param name="limit">The pod as a whole has to be gone by then; null: no more than this stop's own grace.</param>
    public PodAction Next(string name, bool hasHook, bool atOnce, SteadyTime? limit, SteadyTime now)
    {
        var end = Asked + Grace;
        if (limit is { } bound && bound < end) end = bound;
        if (Phase == StopPhase.KillSent) return new WaitUntil(null);
        if (Again > now) return new WaitUntil(Again);
        if (atOnce || Grace == TimeSpan.Zero) return new SendKill(name);
        switch (Phase)
        {
            case StopPhase.Asked when hasHook && now < end: return new RunStopHook(name);
            case StopPhase.Hook when now < end: return new WaitUntil(end);
            case StopPhase.TermSent:
                var kill = TermAt!.Value > end - LeastAfterHook && hasHook ? TermAt.Value + LeastAfterHook : end;
                return kill <= now ? new SendKill(name) : new WaitUntil(kill);
            default: return new SendTerm(name);
        }
    }
}
