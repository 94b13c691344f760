namespace Eyrie.ControlPlane.Api.Limits;

/// <summary>
/// A number of seats that flows share: whoever has the fewest is next, and none may take them all, so that one flow's many or slow requests do not keep another's waiting. Requests of a
/// flow are served in the order they came.
/// </summary>
/// <param name="seats">Of all flows together.</param>
/// <param name="mostPerFlow">Of one flow; less than <paramref name="seats"/>.</param>
public sealed class FairSeats(int seats, int mostPerFlow)
{
    private sealed class Flow
    {
        public int InUse;
        public readonly LinkedList<Waiter> Waiting = [];
    }

    private sealed record Waiter(int Width, TaskCompletionSource Granted);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Flow> _flows = [];
    private int _free = seats;

    /// <summary>Waits for seats. Dispose what is returned, once, to give them back.</summary>
    /// <param name="flow">Whose request it is.</param>
    /// <param name="width">How many, at most what a flow may have.</param>
    /// <param name="cancellationToken">Gives up the place in the queue.</param>
    public async Task<IDisposable> TakeAsync(string flow, int width, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(Math.Min(width, mostPerFlow), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        LinkedListNode<Waiter> place;
        lock (_lock)
        {
            if (!_flows.TryGetValue(flow, out var own)) _flows[flow] = own = new Flow();
            place = own.Waiting.AddLast(waiter);
            Grant();
        }
        try
        {
            await waiter.Granted.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Leave(flow, place);
            throw;
        }
        return new Seat(this, flow, waiter.Width);
    }

    private void Leave(string flow, LinkedListNode<Waiter> place)
    {
        lock (_lock)
        {
            if (place.List is { } list) list.Remove(place);
            else Free(flow, place.Value.Width); // it was granted in that very moment
            Forget(flow);
            Grant();
        }
    }

    private void Return(string flow, int width)
    {
        lock (_lock)
        {
            Free(flow, width);
            Forget(flow);
            Grant();
        }
    }

    private void Free(string flow, int width)
    {
        _flows[flow].InUse -= width;
        _free += width;
    }

    private void Forget(string flow)
    {
        if (_flows.TryGetValue(flow, out var own) && own is { InUse: 0, Waiting.Count: 0 }) _flows.Remove(flow);
    }

    private void Grant()
    {
        while (_free > 0)
        {
            Flow? next = null;
            foreach (var flow in _flows.Values)
                if (flow.Waiting.First is { } first && flow.InUse + first.Value.Width <= mostPerFlow && (next is null || flow.InUse < next.InUse)) next = flow;
            if (next is null || next.Waiting.First!.Value.Width > _free) return;
            var waiter = next.Waiting.First.Value;
            next.Waiting.RemoveFirst();
            next.InUse += waiter.Width;
            _free -= waiter.Width;
            waiter.Granted.SetResult();
        }
    }

    private sealed class Seat(FairSeats owner, string flow, int width) : IDisposable
    {
        private int _returned;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _returned, 1) == 0) owner.Return(flow, width);
        }
    }
}
