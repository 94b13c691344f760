using Akka.Actor;
using Akka.Configuration;
using Akka.Remote.Transport;

namespace Eyrie.ControlPlane.Controllers.Sharding;

/// <summary>The network of a control plane that is its cluster's only one: it has an address, listens nowhere and reaches nobody.</summary>
public sealed class LoneTransport : Transport
{
    public const string Scheme = "lone";

    private readonly Address _address;

    public LoneTransport(ActorSystem system, Config config)
    {
        (System, Config, SchemeIdentifier, MaximumPayloadBytes) = (system, config, Scheme, 1 << 20);
        _address = new Address(Scheme, system.Name, "localhost", 1);
    }

    public override Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen() => Task.FromResult((_address, new TaskCompletionSource<IAssociationEventListener>()));

    public override bool IsResponsibleFor(Address remote) => true;

    public override Task<AssociationHandle> Associate(Address remoteAddress) => Task.FromException<AssociationHandle>(new InvalidAssociationException($"{remoteAddress} is not reached: this control plane is alone"));

    public override Task<bool> Shutdown() => Task.FromResult(true);
}
