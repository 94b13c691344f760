using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>What the container service tells (a container ended, was refused or used something), to the pod whose it is. What repeats is told once a second, with its number.</summary>
/// <param name="owner">The pod of a container; null: nobody's.</param>
public sealed class ContainerEvents(Func<string, PodWorker?> owner) : IDisposable
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);

    private readonly UseStorm _storm = new();
    private Timer? _windows;

    public void Start() => _windows = new Timer(_ => TellRepeated(), null, Window, Window);

    /// <summary>Until the connection ends, and not with the session: stopping waits for the exits of what it kills.</summary>
    public async Task FollowAsync(IContainerService containers)
    {
        await foreach (var occurred in containers.EventsAsync(CancellationToken.None))
        {
            var worker = owner(occurred.ContainerId);
            if (occurred is ContainerExited exited) worker?.ContainerExited(exited);
            if (occurred is CapabilityDenied use)
            {
                if (use.Verdict == UseVerdict.Denied) Metrics.Denials.WithLabels(use.Operation).Inc(use.Count);
                else Metrics.Uses.WithLabels(use.Operation, use.Verdict switch { UseVerdict.Granted => "granted", UseVerdict.Unserved => "unserved", _ => "audited" }).Inc(use.Count);
                CapabilityDenied? told;
                lock (_storm) told = _storm.Add(use);
                if (told is not null) worker?.Used(told);
            }
        }
    }

    private void TellRepeated()
    {
        lock (_storm)
        {
            var (repeated, beyond) = _storm.Window();
            foreach (var use in repeated) owner(use.ContainerId)?.Used(use);
            foreach (var (id, count) in beyond) owner(id)?.UsedBeyond(id, count);
        }
    }

    public void Dispose() => _windows?.Dispose();
}
