using System.Collections.Concurrent;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What an object's actor must not forget when it, or its shard, crashes: otherwise it would act twice on one observation.</summary>
public sealed class WorkloadLedger
{
    /// <summary>What is being written; null: nothing.</summary>
    public Task<WriteOutcome>? Acting { get; set; }

    /// <summary>What was written last, by kind: the next decision waits until the cache knows it.</summary>
    public IReadOnlyDictionary<ResourceKind, Revision> Awaited { get; set; } = new Dictionary<ResourceKind, Revision>();

    public bool IsSeen(ObjectCache cache) => Acting is null && Awaited.All(pair => cache.At(pair.Key).CompareTo(pair.Value) >= 0);
}

/// <summary>The ledgers of this process. An actor that ends with nothing open takes its ledger along.</summary>
public sealed class WorkloadLedgers
{
    private readonly ConcurrentDictionary<ObjectKey, WorkloadLedger> _ledgers = new();

    public WorkloadLedger Of(ObjectKey key) => _ledgers.GetOrAdd(key, _ => new WorkloadLedger());

    public void Forget(ObjectKey key) => _ledgers.TryRemove(key, out _);
}
