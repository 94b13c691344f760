namespace Eyrie.ControlPlane.Store;

/// <summary>
/// Names a lease of a store: keys that were written under it are deleted, as by any writer, when nobody has kept it alive for as long as it lasts. Its time begins anew when the store is started anew, so that
/// an outage ends none; <see cref="None"/> is no lease.
/// </summary>
public readonly record struct LeaseId(long Value)
{
    public static readonly LeaseId None = new(0);
    public override string ToString() => Value.ToString("x", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The lease that a write names has run out, was revoked, or never was; nothing was written.</summary>
public sealed class LeaseOverException(LeaseId lease) : StoreUnavailableException($"lease {lease} is over")
{
    public LeaseId Lease { get; } = lease;
}
