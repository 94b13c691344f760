namespace Eyrie.ControlPlane.Store;

/// <summary>Wakes everybody who waits for the next change. Take <see cref="Next"/> first, look second, wait third: then none is missed.</summary>
public sealed class ChangeSignal
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Next => Volatile.Read(ref _next).Task;

    public void Raise() => Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
