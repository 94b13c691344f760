using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>Keeps the sets that a pod's running containers hold equal to the compiled ones, and sees that they are.</summary>
public sealed class PodCapabilities(PodState pod, PodStops stops)
{
    /// <summary>A running container is given and loses what its new set says; what is part of its world comes with a restart.</summary>
    public void Recompiled(ContainerRecord record)
    {
        var wanted = pod.Compiled(record).ToList();
        if (record.Stop is not null || record.Held is not { } held || held.Is(wanted)) return;
        if (!held.CanBecome(wanted))
        {
            record.Ends = 0; // its restart is nobody's failure
            stops.Ask(record, held.LosesFiles(wanted) ? TimeSpan.Zero : pod.Grace(null), $"Permissions of container {record.Name} changed in what only a start can give, will be restarted");
            return;
        }
        pod.Event("Normal", "PermissionsChanged", $"container {record.Name}: {string.Join("; ", wanted.Except(held.Compiled).Select(line => "+ " + line).Concat(held.Compiled.Except(wanted).Select(line => "- " + line)))}", 1, record.Name);
        _ = CompareAsync(record, held, record.Beside.Token, held.BecomeAsync(wanted), exception => stops.Ask(record, TimeSpan.Zero, $"Permissions of container {record.Name} could not be changed and it is ended: {exception.Message}"));
    }

    /// <summary>Reads the set of a run that an agent before began, or that has another container service now.</summary>
    public void Verify(ContainerRecord record) => _ = VerifyAsync(record, record.Held!, record.Beside.Token);

    /// <returns>False: it could not be read, and the container is told to end, or has ended.</returns>
    public Task<bool> VerifyAsync(ContainerRecord record, HeldCapabilities held, CancellationToken ended) => CompareAsync(record, held, ended, held.VerifyAsync(), exception => Unchecked(record, exception));

    private async Task<bool> CompareAsync(ContainerRecord record, HeldCapabilities held, CancellationToken ended, Task<string?> difference, Action<Exception> refused)
    {
        while (true)
            try
            {
                Compare(record, held, await difference);
                return true;
            }
            catch (IOException) when (!ended.IsCancellationRequested)
            {
                await Task.Delay(LostConnection.Again, pod.Time, CancellationToken.None); // the container outlives its service: the next one is asked
                difference = held.VerifyAsync();
            }
            catch (Exception exception) when (exception is ContainerServiceException or IOException)
            {
                pod.Signal(() => { if (record.Running && record.Held == held) refused(exception); });
                return false;
            }
    }

    /// <summary>The set that it holds could not be read.</summary>
    public void Unchecked(ContainerRecord record, Exception exception) => stops.Ask(record, TimeSpan.Zero, $"Container {record.Name} could not be checked and is ended: {exception.Message}");

    /// <summary>The set that the kernel holds must be the set that was compiled; otherwise it is a condition of the pod, and the container ends at once, unless its namespace only audits.</summary>
    /// <param name="record">Whose.</param>
    /// <param name="held">The set of the run that was asked: a run that came after it is not judged by it.</param>
    /// <param name="difference">See <see cref="HeldCapabilities.VerifyAsync"/>.</param>
    public void Compare(ContainerRecord record, HeldCapabilities held, string? difference)
    {
        if (difference is null && record.Mismatch is null or "") return;
        pod.Signal(() =>
        {
            if (record.Held != held) return;
            record.Mismatch = difference ?? "";
            if (difference is null) return;
            pod.Event("Warning", "CapabilityMismatch", $"container {record.Name}: {difference}", 1, record.Name);
            if (record is { Running: true, Stop: null } && held.Enforced) stops.Ask(record, TimeSpan.Zero, $"Container {record.Name} holds another set than was compiled");
        });
    }
}
