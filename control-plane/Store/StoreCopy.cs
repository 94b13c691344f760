namespace Eyrie.ControlPlane.Store;

/// <summary>Moves everything from one store to another: every key and value, in the order in which they were last written. Revisions are the new store's own.</summary>
public static class StoreCopy
{
    /// <returns>How many keys were copied.</returns>
    /// <exception cref="StoreUnavailableException">One of them does not answer, or the target is not empty (then nothing was written).</exception>
    public static async Task<int> RunAsync(IStore source, IStore target, CancellationToken cancellationToken)
    {
        if ((await target.RangeAsync(new RangeQuery("/", "0", 1), cancellationToken)).Entries.Count > 0) throw new StoreUnavailableException("the target store is not empty");
        var all = (await source.RangeAsync(new RangeQuery("/", "0"), cancellationToken)).Entries;
        foreach (var together in all.GroupBy(entry => entry.Modified).OrderBy(group => group.Key))
        {
            var written = new Transaction([.. together.Select(entry => new Compare(entry.Key, Revision.Zero))], [.. together.Select(entry => new Write(entry.Key, entry.Value))]);
            if (!(await target.CommitAsync(written, cancellationToken)).Committed) throw new StoreUnavailableException("somebody else writes to the target store");
        }
        return all.Count;
    }
}
