using Etcdserverpb;
using Google.Protobuf;
using Grpc.Core;

namespace Eyrie.ControlPlane.Store;

/// <summary>Leases are etcd's own. Where the store begins, when it was moved here from another, stands beside its keys.</summary>
public sealed partial class EtcdStore
{
    private readonly Lease.LeaseClient _leases;

    private CallOptions Options(CancellationToken cancellationToken) => new(deadline: DateTime.UtcNow + Deadline, cancellationToken: cancellationToken);

    public async Task<LeaseId> GrantAsync(TimeSpan lasts, CancellationToken cancellationToken)
    {
        var granted = await CallAsync(Revision.Zero, () => _leases.LeaseGrantAsync(new LeaseGrantRequest { TTL = (long)Math.Ceiling(lasts.TotalSeconds) }, Options(cancellationToken)).ResponseAsync);
        return new LeaseId(granted.ID);
    }

    public Task<bool> KeepAliveAsync(LeaseId lease, CancellationToken cancellationToken) => CallAsync(Revision.Zero, async () =>
    {
        using var call = _leases.LeaseKeepAlive(Options(cancellationToken));
        await call.RequestStream.WriteAsync(new LeaseKeepAliveRequest { ID = lease.Value }, cancellationToken);
        bool alive = await call.ResponseStream.MoveNext(cancellationToken) && call.ResponseStream.Current.TTL > 0;
        await call.RequestStream.CompleteAsync();
        return alive;
    });

    public async Task RevokeAsync(LeaseId lease, CancellationToken cancellationToken)
    {
        try
        {
            await CallAsync(Revision.Zero, () => _leases.LeaseRevokeAsync(new LeaseRevokeRequest { ID = lease.Value }, Options(cancellationToken)).ResponseAsync, lease);
        }
        catch (LeaseOverException)
        {
            // It was over: what was asked for holds.
        }
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        var found = await CallAsync(Revision.Zero, () => _client.GetAsync(new RangeRequest { Key = _mapping.BeginsKey }, null, DateTime.UtcNow + Deadline, cancellationToken));
        if (found.Kvs.Count > 0) _mapping.Begins = long.Parse(found.Kvs[0].Value.ToStringUtf8(), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>From now on every revision of this store, which must be empty, is after one of another store.</summary>
    /// <exception cref="StoreUnavailableException">The store is not empty, or does not answer.</exception>
    public async Task BeginAfterAsync(Revision newest, CancellationToken cancellationToken)
    {
        if ((await RangeAsync(new RangeQuery("/", "0", 1), cancellationToken)).Entries.Count > 0) throw new StoreUnavailableException("the target store is not empty");
        var put = new PutRequest { Key = _mapping.BeginsKey, Value = ByteString.CopyFromUtf8(newest.ToString()) };
        await CallAsync(Revision.Zero, () => _client.PutAsync(put, null, DateTime.UtcNow + Deadline, cancellationToken));
        _mapping.Begins = newest.Value;
    }
}
