namespace Eyrie.Node;

/// <summary>Gives memory back to the host when the agent has come to rest: what many starts at once needed is not kept by one that only watches.</summary>
public static class IdleMemory
{
    private const long Rest = 4 << 20; // bytes allocated in a period, at rest
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    public static Task RunAsync(CancellationToken cancellationToken)
    {
        long before = GC.GetTotalAllocatedBytes();
        bool worked = true;
        return Periodic.RunAsync("giving memory back", Period, () =>
        {
            long now = GC.GetTotalAllocatedBytes(), since = now - before;
            before = now;
            if (since > Rest) worked = true;
            else if (worked)
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, true, true);
                worked = false;
            }
        }, TimeProvider.System, cancellationToken);
    }
}
