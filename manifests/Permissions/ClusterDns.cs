namespace Eyrie.Manifests.Permissions;

/// <summary>The cluster's name service: every node answers its own pods, under this name in the table of Services. Whoever is granted something that has a name may ask; the grant brings these entries along.</summary>
public static class ClusterDns
{
    public const string Service = "kube-system/kube-dns";
    public const int Port = 53;

    public static IReadOnlyList<CapabilityEntry> Entries { get; } = [new CapabilityEntry.ConnectService(Service, Port, Protocol.Udp), new CapabilityEntry.ConnectService(Service, Port)];

    /// <summary>Whether an entry is there for the sake of names alone.</summary>
    public static bool Is(CapabilityEntry entry) => entry is CapabilityEntry.ConnectService { Service: Service, Port: Port };

    /// <summary>The same of an entry's line.</summary>
    public static bool Is(string line) => CapabilityEntry.TryParse(line, out var entry) && Is(entry);

    /// <summary>Whether what is granted, or let through by an audit, has a name.</summary>
    public static bool IsImpliedBy(CapabilityEntry entry) => entry is CapabilityEntry.ConnectService or CapabilityEntry.ConnectHost or CapabilityEntry.ConnectAny || entry is CapabilityEntry.Audit audit && IsImpliedBy(audit.Bound);
}
