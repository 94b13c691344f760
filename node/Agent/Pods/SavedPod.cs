using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Eyrie.Node;

/// <summary>What a node knows of a pod, as it stands on disk for the next agent.</summary>
/// <param name="Started">When the pod came to this node.</param>
/// <param name="Status">As last made: its conditions keep the time of their last transition.</param>
/// <param name="Boot">The start of the host (<see cref="SteadyTime.Boot"/>) that its moments are of.</param>
/// <param name="Began">The same moment as <paramref name="Started"/>.</param>
public sealed record SavedPod(PodAddress Address, DateTimeOffset Started, string Boot, SteadyTime Began, SteadyTime? TerminatingSince, SavedReason? Failure, IReadOnlyList<SavedContainer> Containers, JsonObject? Status)
{
    /// <summary>As this start of the host has it: after another one nothing runs, and what was waited for is waited for from now on.</summary>
    public SavedPod At(string boot, SteadyTime now) => Boot == boot ? this : this with
    {
        Boot = boot, Began = now, TerminatingSince = null,
        Containers = [.. Containers.Select(saved => saved with { RunningSince = Moved(saved.RunningSince, now), EndedAt = Moved(saved.EndedAt, now), RetryAt = Moved(saved.RetryAt, now), Stop = null })],
    };

    private static SteadyTime? Moved(SteadyTime? time, SteadyTime now) => time is null ? null : now;
}

/// <summary>A reason and its message, as they stand in a status.</summary>
public sealed record SavedReason(string Reason, string Message)
{
    public static SavedReason? Of((string Reason, string Message)? pair) => pair is { } known ? new SavedReason(known.Reason, known.Message) : null;
    public static (string, string)? Pair(SavedReason? saved) => saved is null ? null : (saved.Reason, saved.Message);
}

/// <summary>A <see cref="ContainerRecord"/> as it stands on disk.</summary>
/// <param name="Layers">Of the newest run's root, for <see cref="WrittenWatch"/>; null: there was none. So <paramref name="Mounts"/>.</param>
/// <param name="Compiled">The set that the newest run was last asked to have; null: there was none.</param>
public sealed record SavedContainer(string Name, string Image, string ImageId, string Id, IReadOnlyList<string>? Compiled, string WorkingDirectory, int Runs, bool Starting, bool Running, bool Started, bool Ready,
    int Restarts, DateTimeOffset? StartedAt, SteadyTime? RunningSince, ContainerEnd? End, SteadyTime? EndedAt, int Ends, int Failures, SteadyTime? RetryAt, ContainerStop? Stop, SavedReason? Waiting, IReadOnlyList<string>? Layers, IReadOnlyCollection<string>? Mounts);

[JsonSerializable(typeof(SavedPod))]
internal sealed partial class SavedPodJson : JsonSerializerContext;
