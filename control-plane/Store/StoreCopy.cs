namespace Eyrie.ControlPlane.Store;

/// <summary>Moves everything from one store to another: every key and value, in the order in which they were last written. Revisions of the new store begin after the newest of the old one: whoever goes on from one of those is told to list anew.</summary>
public static class StoreCopy
{
    /// <returns>How many keys were copied.</returns>
    /// <exception cref="StoreUnavailableException">One of them does not answer, or the target is not empty (then nothing was written).</exception>
    public static async Task<int> RunAsync(IStore source, EtcdStore target, CancellationToken cancellationToken)
    {
        var all = await source.RangeAsync(new RangeQuery("/", "0"), cancellationToken);
        await target.BeginAfterAsync(all.At, cancellationToken);
        foreach (var together in all.Entries.GroupBy(entry => entry.Modified).OrderBy(group => group.Key))
        {
            var written = new Transaction([.. together.Select(entry => new Compare(entry.Key, Revision.Zero))], [.. together.Select(entry => new Write(entry.Key, entry.Value))]);
            if (!(await target.CommitAsync(written, cancellationToken)).Committed) throw new StoreUnavailableException("somebody else writes to the target store");
        }
        return all.Entries.Count;
    }
}
