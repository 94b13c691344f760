using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;

namespace Eyrie.ControlPlane.Store;

/// <summary>Between the seam's words and etcd's (API reference v3.4, rpc.proto and kv.proto). Pure.</summary>
internal sealed class EtcdMapping(string prefix)
{
    public ByteString Key(string key) => ByteString.CopyFromUtf8(prefix + key);

    /// <summary>The first key that no longer starts with the prefix.</summary>
    public ByteString AfterPrefix(string keyPrefix)
    {
        var bytes = Key(keyPrefix).ToByteArray();
        bytes[^1]++; // keys are ASCII: no carry
        return ByteString.CopyFrom(bytes);
    }

    public StoreEntry Entry(KeyValue found) => new(found.Key.ToStringUtf8()[prefix.Length..], found.Value.Memory, new Revision(found.CreateRevision), new Revision(found.ModRevision));

    public TxnRequest Request(Transaction transaction)
    {
        var request = new TxnRequest();
        foreach (var compare in transaction.Compares)
            request.Compare.Add(new Etcdserverpb.Compare { Key = Key(compare.Key), Target = Etcdserverpb.Compare.Types.CompareTarget.Mod, Result = Etcdserverpb.Compare.Types.CompareResult.Equal, ModRevision = compare.Modified.Value });
        foreach (var write in transaction.Writes)
            request.Success.Add(write.Value is { } value
                ? new RequestOp { RequestPut = new PutRequest { Key = Key(write.Key), Value = UnsafeByteOperations.UnsafeWrap(value) } }
                : new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = Key(write.Key) } });
        return request;
    }

    /// <summary>The change that an event tells; null when the value before it is no longer known, because it was compacted away.</summary>
    public StoreChange? Change(Event told)
    {
        bool deleted = told.Type == Event.Types.EventType.Delete, made = !deleted && told.Kv.CreateRevision == told.Kv.ModRevision;
        if (told.PrevKv is null && !made) return null;
        return new StoreChange(told.Kv.Key.ToStringUtf8()[prefix.Length..], deleted ? (ReadOnlyMemory<byte>?)null : told.Kv.Value.Memory, told.PrevKv is null ? (ReadOnlyMemory<byte>?)null : told.PrevKv.Value.Memory,
            new Revision(deleted ? told.PrevKv!.CreateRevision : told.Kv.CreateRevision), new Revision(told.Kv.ModRevision)) { PreviousModified = new Revision(told.PrevKv?.ModRevision ?? 0) };
    }
}
