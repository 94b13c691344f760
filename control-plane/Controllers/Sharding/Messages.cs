using Akka.Actor;

namespace Eyrie.ControlPlane.Controllers.Sharding;

/// <summary>A message that may go from one control plane to another; <see cref="MessageSerializer"/> knows each.</summary>
public interface IClusterMessage;

/// <summary>A message that stays in its process: it carries what only this process has.</summary>
public interface ILocalMessage : INoSerializationVerificationNeeded;

/// <summary>Something that concerns an object has changed: its actor decides anew.</summary>
public sealed record Reconcile(ObjectKey Key) : IClusterMessage;

/// <summary>An object's actor is to end: it was idle, or another control plane takes over its shard. What is being written is waited for.</summary>
public sealed record Finish : IClusterMessage
{
    public static readonly Finish Instance = new();
}

/// <summary>An object's actor has ended while it owed a decision: whoever routes to it sends it a <see cref="Reconcile"/>, wherever it lives then.</summary>
public sealed record EndedEarly(ObjectKey Key) : ILocalMessage;
