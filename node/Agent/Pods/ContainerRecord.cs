using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>How a run of a container ended, as it stands in a v1.ContainerStateTerminated.</summary>
public sealed record ContainerEnd(int ExitCode, string Reason, DateTimeOffset? StartedAt, DateTimeOffset FinishedAt, string Message, string Id);

/// <summary>One container's facts, as they stand in a v1.ContainerStatus. Changed by its pod's worker alone.</summary>
public sealed class ContainerRecord(string name, string image, ContainerRole role)
{
    public string Name { get; } = name;
    public ContainerRole Role { get; } = role;
    public string Image { get; set; } = image;
    public string ImageId { get; set; } = "";
    /// <summary>Of the newest run, also while it is being made; empty: there was none.</summary>
    public string Id { get; set; } = "";
    /// <summary>What the newest run may do; null: there was none.</summary>
    public HeldCapabilities? Held { get; set; }
    /// <summary>What the newest run writes into its own root; looked at where that is audited.</summary>
    public WrittenWatch? Written { get; set; }
    /// <summary>What the newest run executes, where that is audited; otherwise null.</summary>
    public CodeWatch? Code { get; set; }
    /// <summary>How the kernel's set differed from the compiled one when they were last compared; empty: it no longer does; null: it never did.</summary>
    public string? Mismatch { get; set; }
    public string WorkingDirectory { get; set; } = "/";
    /// <summary>How many runs there were; the newest one's log has this number less one.</summary>
    public int Runs { get; set; }
    public bool Starting { get; set; }
    public bool Running { get; set; }
    public bool Started { get; set; }
    public bool Ready { get; set; }
    public int Restarts { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    /// <summary>When the newest run began.</summary>
    public SteadyTime? RunningSince { get; set; }
    /// <summary>When the last run that ended did.</summary>
    public SteadyTime? EndedAt { get; set; }
    public ContainerEnd? End { get; set; }
    /// <summary>Ends in a row, each sooner than <see cref="BackOff.Forgiven"/> after its start.</summary>
    public int Ends { get; set; }
    /// <summary>Starts in a row that failed.</summary>
    public int Failures { get; set; }
    public SteadyTime? RetryAt { get; set; }
    public ContainerStop? Stop { get; set; }
    /// <summary>It ended before its start was told.</summary>
    public ContainerExited? Early { get; set; }
    /// <summary>Ends what goes on beside the run: its start, its probes.</summary>
    public CancellationTokenSource Beside { get; set; } = new();
    /// <summary>Why it is not running: reason and message.</summary>
    public (string Reason, string Message)? Waiting { get; set; } = ("ContainerCreating", "");

    /// <param name="spec">A container of a pod.</param>
    /// <param name="list">The list of the pod's spec that it stands in.</param>
    public static ContainerRole RoleOf(JsonObject spec, string list) => list switch
    {
        PodLists.Init => spec["restartPolicy"]?.ToString() == "Always" ? ContainerRole.Sidecar : ContainerRole.Init,
        PodLists.Ephemeral => ContainerRole.Ephemeral,
        _ => ContainerRole.Main,
    };

    public ContainerView View(bool hasStopHook) => new(Name, Role)
    {
        Starting = Starting, Running = Running, Started = Started, ExitCode = End?.ExitCode, BackOff = BackOff.AfterEnds(Ends), EndedAt = EndedAt, RetryAt = RetryAt, Stop = Stop, HasStopHook = hasStopHook,
    };

    public SavedContainer Save() => new(Name, Image, ImageId, Id, Held is null ? null : [.. Held.Compiled], WorkingDirectory, Runs, Starting, Running, Started, Ready, Restarts, StartedAt, RunningSince, End, EndedAt, Ends, Failures, RetryAt, Stop,
        SavedReason.Of(Waiting), Written?.Layers, Written?.Mounts);

    /// <summary>Becomes what was saved.</summary>
    /// <param name="saved">Of the container of this name.</param>
    /// <param name="held">Makes the set of the newest run from its id and its lines.</param>
    /// <param name="stateDirectory">The node's.</param>
    public void Restore(SavedContainer saved, Func<string, IReadOnlyList<string>, HeldCapabilities> held, string stateDirectory)
    {
        (Image, ImageId, Id, WorkingDirectory, Runs, Starting, Running, Started, Ready) = (saved.Image, saved.ImageId, saved.Id, saved.WorkingDirectory, saved.Runs, saved.Starting, saved.Running, saved.Started, saved.Ready);
        (Restarts, StartedAt, RunningSince, End, EndedAt, Ends, Failures, RetryAt, Waiting) = (saved.Restarts, saved.StartedAt, saved.RunningSince, saved.End, saved.EndedAt, saved.Ends, saved.Failures, saved.RetryAt, SavedReason.Pair(saved.Waiting));
        // A hook that was under way is run again: at least once, as in Kubernetes.
        Stop = saved.Stop is { Phase: StopPhase.Hook } stop ? stop with { Phase = StopPhase.Asked } : saved.Stop;
        Written = saved.Layers is { } layers ? new WrittenWatch(stateDirectory, Id, layers, saved.Mounts ?? []) : null;
        Held = saved.Compiled is { } compiled ? held(Id, compiled) : null;
    }

    /// <summary>The run is over.</summary>
    /// <param name="end">How.</param>
    /// <param name="at">When.</param>
    /// <param name="own">Whether the end was the container's own: what its node took down is started again at once.</param>
    public void Ended(ContainerEnd end, SteadyTime at, bool own)
    {
        (Running, Started, Ready, Starting, Stop, End, EndedAt) = (false, false, false, false, null, end, at);
        if (own) Ends = at - RunningSince >= BackOff.Forgiven ? 1 : Ends + 1;
        Beside.Cancel();
    }
}
