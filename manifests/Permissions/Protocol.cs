namespace Eyrie.Manifests.Permissions;

/// <summary>What carries a connection or a datagram. In entries <c>tcp</c> and <c>udp</c>, in manifests TCP and UDP.</summary>
public enum Protocol
{
    Tcp,
    Udp,
}

public static class Protocols
{
    /// <summary>As an entry has it.</summary>
    public static string Entry(this Protocol protocol) => protocol == Protocol.Udp ? "udp" : "tcp";

    /// <summary>As a manifest has it.</summary>
    public static string Manifest(this Protocol protocol) => protocol == Protocol.Udp ? "UDP" : "TCP";

    /// <summary>From a manifest, where nothing means TCP; null: no protocol that containers have.</summary>
    public static Protocol? Of(string? word) => word switch { null or "" or "TCP" => Protocol.Tcp, "UDP" => Protocol.Udp, _ => null };

    public static Protocol? OfEntry(string word) => word switch { "tcp" => Protocol.Tcp, "udp" => Protocol.Udp, _ => null };
}
