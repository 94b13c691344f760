using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;

namespace Eyrie.ControlPlane.Store;

/// <summary>
/// Between the seam's words and etcd's (API reference v3.4, rpc.proto and kv.proto). A store that was moved here goes on after the revisions it had where it was: what clients saw there is older than
/// everything here, and too old to go on from. Pure but for where it begins.
/// </summary>
internal sealed class EtcdMapping(string prefix)
{
    /// <summary>Beside the keys, not one of them: the revision that etcd's own are counted from.</summary>
    public ByteString BeginsKey { get; } = ByteString.CopyFromUtf8(prefix + ".begins");

    /// <summary>What is added to etcd's revisions.</summary>
    public long Begins { get; set; }

    public Revision Revision(long etcd) => new(etcd == 0 ? 0 : etcd + Begins);

    /// <exception cref="RevisionCompactedException">It is one of the store that this one was moved from.</exception>
    public long Etcd(Revision revision) => revision.Value == 0 ? 0 : revision.Value > Begins ? revision.Value - Begins : throw new RevisionCompactedException(revision, null);

    public ByteString Key(string key) => ByteString.CopyFromUtf8(prefix + key);

    /// <summary>The first key that no longer starts with the prefix.</summary>
    public ByteString AfterPrefix(string keyPrefix)
    {
        var bytes = Key(keyPrefix).ToByteArray();
        bytes[^1]++; // keys are ASCII: no carry
        return ByteString.CopyFrom(bytes);
    }

    public StoreEntry Entry(KeyValue found) => new(found.Key.ToStringUtf8()[prefix.Length..], found.Value.Memory, Revision(found.CreateRevision), Revision(found.ModRevision));

    public TxnRequest Request(Transaction transaction)
    {
        var request = new TxnRequest();
        foreach (var compare in transaction.Compares)
            request.Compare.Add(new Etcdserverpb.Compare { Key = Key(compare.Key), Target = Etcdserverpb.Compare.Types.CompareTarget.Mod, Result = Etcdserverpb.Compare.Types.CompareResult.Equal, ModRevision = Etcd(compare.Modified) });
        foreach (var write in transaction.Writes)
            request.Success.Add(write.Value is { } value
                ? new RequestOp { RequestPut = new PutRequest { Key = Key(write.Key), Value = UnsafeByteOperations.UnsafeWrap(value), Lease = write.Lease.Value } }
                : new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = Key(write.Key) } });
        return request;
    }

    /// <summary>The change that an event tells; null when the value before it is no longer known, because it was compacted away.</summary>
    public StoreChange? Change(Event told)
    {
        bool deleted = told.Type == Event.Types.EventType.Delete, made = !deleted && told.Kv.CreateRevision == told.Kv.ModRevision;
        if (told.PrevKv is null && !made) return null;
        return new StoreChange(told.Kv.Key.ToStringUtf8()[prefix.Length..], deleted ? (ReadOnlyMemory<byte>?)null : told.Kv.Value.Memory, told.PrevKv is null ? (ReadOnlyMemory<byte>?)null : told.PrevKv.Value.Memory,
            Revision(deleted ? told.PrevKv!.CreateRevision : told.Kv.CreateRevision), Revision(told.Kv.ModRevision)) { PreviousModified = Revision(told.PrevKv?.ModRevision ?? 0) };
    }
}
