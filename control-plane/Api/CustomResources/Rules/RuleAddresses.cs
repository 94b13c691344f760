using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Cel;
using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Addresses and ranges of them in expressions: <c>ip('10.0.0.1')</c>, <c>cidr('10.0.0.0/8')</c>. As in Kubernetes an address has no zone, no leading zeros, and is no IPv4 address within IPv6.</summary>
internal static class RuleAddresses
{
    /// <summary>What <c>ip.isCanonical</c> stands behind.</summary>
    public sealed class Library;

    private sealed class Address(IPAddress value) : RuleObject("ip", value.ToString())
    {
        public IPAddress Value => value;
    }

    private sealed class AddressRange(IPAddress first, int length) : RuleObject("cidr", $"{first}/{length}")
    {
        public IPAddress First => first;
        public int Length => length;
        public IPNetwork Network => new(Masked, length);
        public IPAddress Masked => new(first.GetAddressBytes().Select((part, at) => (byte)(part & (byte)~(0xff >> Math.Clamp(length - (at * 8), 0, 8)))).ToArray());
        public override string ToString() => $"{first}/{length}";
    }

    public static readonly Dictionary<string, RuleFunction[]> Functions = new()
    {
        ["ip"] = [Of<string>(text => MustRead(text)), Of<AddressRange>(range => new Address(range.First))],
        ["isIP"] = [Of<string>(text => Read(text) is not null)],
        ["isCanonical"] = [Of<Library, string>((_, text) => MustRead(text).Value.ToString() == text)],
        ["family"] = [Of<Address>(one => IsFour(one.Value) ? 4L : 6L)],
        ["isUnspecified"] = [Of<Address>(one => IsUnspecified(one.Value))],
        ["isLoopback"] = [Of<Address>(one => IPAddress.IsLoopback(one.Value))],
        ["isLinkLocalMulticast"] = [Of<Address>(one => one.Value.GetAddressBytes() is var bytes && (IsFour(one.Value) ? bytes is [224, 0, 0, _] : bytes[0] == 0xff && (bytes[1] & 0xf) == 2))],
        ["isLinkLocalUnicast"] = [Of<Address>(one => IsLinkLocal(one.Value))],
        ["isGlobalUnicast"] = [Of<Address>(one => !IsUnspecified(one.Value) && !IPAddress.IsLoopback(one.Value) && !IsLinkLocal(one.Value) && !IsMulticast(one.Value) && !one.Value.Equals(IPAddress.Broadcast))],
        ["cidr"] = [Of<string>(text => MustReadRange(text))],
        ["isCIDR"] = [Of<string>(text => ReadRange(text) is not null)],
        ["containsIP"] = [Of<AddressRange, Address>((range, one) => range.Network.Contains(one.Value)), Of<AddressRange, string>((range, text) => range.Network.Contains(MustRead(text).Value))],
        ["containsCIDR"] = [Of<AddressRange, AddressRange>(Contains), Of<AddressRange, string>((range, text) => Contains(range, MustReadRange(text)))],
        ["masked"] = [Of<AddressRange>(range => new AddressRange(range.Masked, range.Length))],
        ["prefixLength"] = [Of<AddressRange>(range => (long)range.Length)],
        ["string"] = [Of<Address>(one => one.Value.ToString()), Of<AddressRange>(range => range.ToString())],
    };

    private static bool IsFour(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork;

    private static bool IsUnspecified(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static bool IsLinkLocal(IPAddress address) => IsFour(address) ? address.GetAddressBytes() is [169, 254, _, _] : address.IsIPv6LinkLocal;

    private static bool IsMulticast(IPAddress address) => IsFour(address) ? (address.GetAddressBytes()[0] & 0xf0) == 224 : address.IsIPv6Multicast;

    private static object Contains(AddressRange range, AddressRange inner) => inner.Length >= range.Length && IsFour(inner.First) == IsFour(range.First) && range.Network.Contains(inner.First);

    private static Address MustRead(string text) => Read(text) ?? throw new CelArgumentRangeException($"\"{text}\" is no IP address");

    private static AddressRange MustReadRange(string text) => ReadRange(text) ?? throw new CelArgumentRangeException($"\"{text}\" is no range of addresses in CIDR notation");

    private static Address? Read(string text)
    {
        if (text.AsSpan().IndexOfAny("%[]/") >= 0 || !IPAddress.TryParse(text, out var address) || address.IsIPv4MappedToIPv6) return null;
        return IsFour(address) && address.ToString() != text ? null : new Address(address); // four numbers without leading zeros, and nothing else
    }

    private static AddressRange? ReadRange(string text)
    {
        if (text.Split('/') is not [var first, var length] || Read(first) is not { } address || !int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out int bits) || bits > (IsFour(address.Value) ? 32 : 128)) return null;
        return length.Length > 1 && length[0] == '0' ? null : new AddressRange(address.Value, bits);
    }
}
