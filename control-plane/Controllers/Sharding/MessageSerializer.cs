using System.Text;
using Akka.Actor;
using Akka.Serialization;

namespace Eyrie.ControlPlane.Controllers.Sharding;

/// <summary>The form of every <see cref="IClusterMessage"/> between control planes: a manifest of one letter, and text. Letters are never given another meaning.</summary>
public sealed class MessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string ReconcileManifest = "R", FinishManifest = "F";

    public override int Identifier => 7301;

    public override string Manifest(object o) => o switch { Reconcile => ReconcileManifest, Finish => FinishManifest, _ => throw Unknown(o) };

    public override byte[] ToBinary(object obj) => obj switch { Reconcile reconcile => Encoding.UTF8.GetBytes(reconcile.Key.ToString()), Finish => [], _ => throw Unknown(obj) };

    /// <exception cref="NotSupportedException">A manifest of a newer version.</exception>
    public override object FromBinary(byte[] bytes, string manifest) => manifest switch
    {
        ReconcileManifest => new Reconcile(ObjectKey.Parse(Encoding.UTF8.GetString(bytes))),
        FinishManifest => Finish.Instance,
        _ => throw new NotSupportedException($"a message with the manifest \"{manifest}\" is not known to this version"),
    };

    private static NotSupportedException Unknown(object message) => new($"{message.GetType()} has no form between control planes: write one here, or mark it as ILocalMessage");
}

/// <summary>Stands where Akka.NET has its default serializer: what nobody wrote a form for does not leave the process.</summary>
public sealed class NoDefaultSerializer(ExtendedActorSystem system) : Serializer(system)
{
    public override int Identifier => 7302;
    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) => throw new NotSupportedException($"{obj.GetType()} has no serializer: it stays in its process (ILocalMessage), or MessageSerializer gets a form for it");

    public override object FromBinary(byte[] bytes, Type type) => throw new NotSupportedException("nothing was written by this serializer");
}
