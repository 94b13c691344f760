using Akka.Cluster.Sharding;

namespace Eyrie.ControlPlane.Controllers.Sharding;

/// <summary>Which actor a message is for, and in which shard it lives: by a hash of the object's text that is the same in every process.</summary>
public sealed class ObjectExtractor() : HashCodeMessageExtractor(ClusterSettings.Shards)
{
    public override string? EntityId(object message) => (message as Reconcile)?.Key.ToString();
}
