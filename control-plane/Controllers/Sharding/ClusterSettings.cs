namespace Eyrie.ControlPlane.Controllers.Sharding;

/// <summary>How the actor system is set up: a cluster of this one process, without a socket, without anything on disk, and without a serializer by reflection.</summary>
public static class ClusterSettings
{
    /// <summary>Shards of objects. Every control plane of a cluster must have the same number.</summary>
    public const int Shards = 32;

    public const string Hocon = """
        akka {
          loglevel = WARNING
          log-dead-letters = off
          scheduler.tick-duration = 50ms # of the actors' timers, which are of tenths of a second and more; a process that has nothing to do wakes up so often
          actor {
            provider = cluster
            serializers {
              eyrie = "Eyrie.ControlPlane.Controllers.Sharding.MessageSerializer, Eyrie.ControlPlane.Controllers"
              none = "Eyrie.ControlPlane.Controllers.Sharding.NoDefaultSerializer, Eyrie.ControlPlane.Controllers"
            }
            serialization-bindings {
              "System.Object" = none
              "Eyrie.ControlPlane.Controllers.Sharding.IClusterMessage, Eyrie.ControlPlane.Controllers" = eyrie
            }
          }
          remote {
            log-remote-lifecycle-events = off
            enabled-transports = ["akka.remote.lone"]
            lone {
              transport-class = "Eyrie.ControlPlane.Controllers.Sharding.LoneTransport, Eyrie.ControlPlane.Controllers"
              applied-adapters = []
            }
          }
          cluster {
            log-info = off
            min-nr-of-members = 1
            leader-actions-interval = 200ms
            distributed-data.durable.keys = []
            singleton.hand-over-retry-interval = 100ms
            sharding {
              state-store-mode = ddata
              remember-entities = off
              passivate-idle-entity-after = off
              retry-interval = 200ms
              buffer-size = 1000000 # of messages whose shard has no place yet: at a start every object gets one
              distributed-data.durable.keys = []
            }
          }
        }
        """;
}
