using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>Passes signals on from one container of the pod to another, as far as the sender's set allows.</summary>
public sealed class PodSignals(PodState pod, PodUses uses)
{
    private readonly SignalPipes _pipes = new(pod.Options, pod.Uid);

    /// <summary>A container is about to run, or runs already.</summary>
    public void Listen(ContainerRecord record) => _pipes.Open(record.Name, pod.Compiled(record), (to, word) => SentAsync(record, to, word));

    public void Close() => _pipes.Dispose();

    /// <summary>On the worker's turn; over when it has been passed on.</summary>
    private Task SentAsync(ContainerRecord from, string to, string word)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        pod.Signal(() =>
        {
            if (!from.Running || SignalNames.Number(word) is not { } number || pod.Records.FirstOrDefault(record => record.Name == to) is not { } target) done.SetResult();
            else if (!pod.Compiled(from).Any(line => Coverage.Covers(line, new CapabilityEntry.Signal(to, SignalNames.Plain(word)).ToString())))
            {
                uses.SignalRefused(from, to, SignalNames.Plain(word));
                done.SetResult();
            }
            else _ = PassAsync(target, number, done);
        });
        return done.Task;
    }

    private async Task PassAsync(ContainerRecord target, int number, TaskCompletionSource done)
    {
        try
        {
            if (target.Running) await pod.Containers().SignalAsync(target.Id, number, CancellationToken.None);
        }
        catch (Exception exception) when (exception is IOException or ContainerServiceException { Error: ContainerError.WrongState or ContainerError.UnknownContainer })
        {
            // It has ended meanwhile, or the kernel has: nobody is there to be signalled.
        }
        finally
        {
            done.SetResult();
        }
    }
}
