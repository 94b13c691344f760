using System.Security.Cryptography;
using Microsoft.Data.Sqlite;

namespace Eyrie.ControlPlane.Store;

/// <summary>Leases: which there are and what is under them is in the file; how long each has left is not, and begins anew with every start. The one writer changes them, in the order of the writes.</summary>
public sealed partial class EmbeddedStore
{
    private enum LeaseAction { Grant, End, Revoke }

    /// <param name="Lease">The lease.</param>
    /// <param name="Action">End: unless somebody has kept it alive meanwhile.</param>
    /// <param name="Lasts">Of one that is granted.</param>
    private sealed record LeaseStep(LeaseId Lease, LeaseAction Action, TimeSpan Lasts);

    private static readonly Transaction Nothing = new([], []);

    private readonly LeaseTable _leases = new();
    private readonly LeaseClock _leaseClock;
    private bool _leasesAhead; // of the file, which took none of the last group

    private static Pending Step(LeaseId lease, LeaseAction action, TimeSpan lasts = default) => new(Nothing, new TaskCompletionSource<CommitResult>(TaskCreationOptions.RunContinuationsAsynchronously), null, new LeaseStep(lease, action, lasts));

    private void LoadLeases()
    {
        _leases.Clear();
        using var command = _connection.CreateCommand();
        command.CommandText = "SELECT lease, milliseconds FROM leases";
        using (var reader = command.ExecuteReader())
            while (reader.Read()) _leases.Grant(new LeaseId(reader.GetInt64(0)), TimeSpan.FromMilliseconds(reader.GetInt64(1)), LeaseClock.Now);
        command.CommandText = "SELECT key, lease FROM bound";
        using (var reader = command.ExecuteReader())
            while (reader.Read()) _leases.Bind(reader.GetString(0), new LeaseId(reader.GetInt64(1)));
    }

    /// <summary>What becomes of a lease; the writes that follow from it.</summary>
    private Transaction Take(SqliteTransaction transaction, LeaseStep step)
    {
        if (step.Action == LeaseAction.Grant)
        {
            _statements.Grant(transaction, step.Lease, step.Lasts);
            _leases.Grant(step.Lease, step.Lasts, LeaseClock.Now);
            return Nothing;
        }
        if (step.Action == LeaseAction.End && !_leases.IsOver(step.Lease, LeaseClock.Now)) return Nothing;
        var gone = new Transaction([], [.. _leases.Keys(step.Lease).Select(key => new Write(key, null))]);
        foreach (var write in gone.Writes) _statements.Unbind(transaction, write.Key);
        _statements.End(transaction, step.Lease);
        _leases.Remove(step.Lease);
        return gone;
    }

    private void Bind(SqliteTransaction transaction, IReadOnlyList<Write> writes)
    {
        foreach (var write in writes)
        {
            var lease = write.Value is null ? LeaseId.None : write.Lease;
            if (_leases.Of(write.Key) == lease) continue;
            if (lease == LeaseId.None) _statements.Unbind(transaction, write.Key);
            else _statements.Bind(transaction, write.Key, lease);
            _leases.Bind(write.Key, lease);
        }
    }

    private async Task StepAsync(Pending pending, CancellationToken cancellationToken)
    {
        if (!_queue.Writer.TryWrite(pending)) throw new StoreUnavailableException("the store is closed");
        await pending.Done.Task.WaitAsync(cancellationToken);
        _leaseClock.Set();
    }

    public async Task<LeaseId> GrantAsync(TimeSpan lasts, CancellationToken cancellationToken)
    {
        var lease = new LeaseId(BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8)) & long.MaxValue);
        await StepAsync(Step(lease, LeaseAction.Grant, lasts), cancellationToken);
        return lease;
    }

    public Task<bool> KeepAliveAsync(LeaseId lease, CancellationToken cancellationToken) => Task.FromResult(_leases.KeepAlive(lease, LeaseClock.Now));

    public Task RevokeAsync(LeaseId lease, CancellationToken cancellationToken) => StepAsync(Step(lease, LeaseAction.Revoke), cancellationToken);
}
