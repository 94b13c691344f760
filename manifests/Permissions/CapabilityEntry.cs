using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// One entry of a capability set. Its text (<see cref="object.ToString"/>) is one line, the unit of authority from here to the kernel and back; <see cref="TryParse"/> reads exactly what is printed.
/// </summary>
public abstract partial record CapabilityEntry
{
    private CapabilityEntry() { }

    /// <summary>Memory in bytes (whole pages), processes and threads that everything made for the container is charged against.</summary>
    public sealed record Quota(long MemoryBytes, ProcessLimit Limit) : CapabilityEntry
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"quota memory={MemoryBytes} processes={Limit.Processes}") + (Limit.ThreadCount is { } threads ? string.Create(CultureInfo.InvariantCulture, $" threads={threads}") : "");
    }

    /// <param name="LimitMilli">Thousandths of a CPU; null: no limit.</param>
    public sealed record Cpu(long Shares, long? LimitMilli) : CapabilityEntry
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"cpu shares={Shares}") + (LimitMilli is { } limit ? string.Create(CultureInfo.InvariantCulture, $" limit={limit}m") : "");
    }

    public sealed record Log : CapabilityEntry
    {
        public override string ToString() => "log write";
    }

    /// <summary>A directory of the container's own root, with everything below.</summary>
    /// <param name="Creates">Where it is writable: names may be made, moved and removed too; false: only what is there may be changed.</param>
    public sealed record Files(string Path, bool Writable, bool Creates = true) : CapabilityEntry
    {
        public override string ToString() => $"dir {Path} {(!Writable ? "read" : Creates ? "read,write" : "read,change")}";
    }

    /// <summary>A file of the container's, or a directory with everything below, that code may be run from. The mere presence of one keeps all other code from running.</summary>
    public sealed record Execute(string Path) : CapabilityEntry
    {
        public override string ToString() => $"exec {Path}";
    }

    /// <summary>A file or directory of the host, with everything below, that may be mounted.</summary>
    public sealed record HostPath(string Path, bool Writable) : CapabilityEntry
    {
        public override string ToString() => $"host dir {Path} {(Writable ? "read,write" : "read")}";
    }

    /// <param name="UserId">Numbers inside the container.</param>
    public sealed record Identity(long UserId, long GroupId) : CapabilityEntry
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"identity uid={UserId} gid={GroupId}");
    }

    public sealed record Listen(int Port, Protocol Protocol = Protocol.Tcp) : CapabilityEntry
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"listen {Protocol.Entry()} {Port}");
    }

    /// <param name="Service"><c>namespace/name</c>.</param>
    public sealed record ConnectService(string Service, int Port, Protocol Protocol = Protocol.Tcp) : CapabilityEntry
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"connect {Protocol.Entry()} service {Service} {Port}");
    }

    /// <summary>Pods of one namespace by their labels, at a port of their own.</summary>
    public sealed record ConnectPods(string Namespace, LabelSelector Pods, int Port, Protocol Protocol = Protocol.Tcp) : CapabilityEntry
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"connect {Protocol.Entry()} pods {Namespace}/{Pods} {Port}");
    }

    /// <summary>Addresses outside the cluster; never those of pods and Services, whatever the range.</summary>
    public sealed record ConnectRange(IPNetwork Network, PortSet Ports, Protocol Protocol = Protocol.Tcp) : CapabilityEntry
    {
        public override string ToString() => $"connect {Protocol.Entry()} cidr {Network} {Ports}";
    }

    /// <summary>A name outside the cluster: the addresses that it has at the time, as the node resolved them for this grant.</summary>
    public sealed record ConnectHost(string Host, PortSet Ports, Protocol Protocol = Protocol.Tcp) : CapabilityEntry
    {
        public override string ToString() => $"connect {Protocol.Entry()} host {Host} {Ports}";
    }

    /// <summary>Who of the cluster may connect here. The mere presence of one keeps everybody else out.</summary>
    public sealed record Accept(string Namespace, LabelSelector Pods, PortSet Ports, Protocol Protocol = Protocol.Tcp) : CapabilityEntry
    {
        public override string ToString() => $"accept {Protocol.Entry()} pods {Namespace}/{Pods} {Ports}";
    }

    public sealed record ReadClock : CapabilityEntry
    {
        public override string ToString() => "clock read";
    }

    public sealed record ReadRandom : CapabilityEntry
    {
        public override string ToString() => "random read";
    }

    /// <summary>System V shared memory (shmget and its like), among the processes of the container alone.</summary>
    public sealed record SharedMemory : CapabilityEntry
    {
        public override string ToString() => "processes shared-memory";
    }

    /// <summary>Sessions with whoever serves a gate.</summary>
    /// <param name="Gate"><c>namespace/name</c>.</param>
    public sealed record GateCall(string Gate) : CapabilityEntry
    {
        public override string ToString() => $"gate call {Gate}";
    }

    /// <summary>Answers the sessions of a gate of its own namespace.</summary>
    public sealed record GateServe(string Gate) : CapabilityEntry
    {
        public override string ToString() => $"gate serve {Gate}";
    }

    /// <summary>Who may call a gate that the container serves. The mere presence of one keeps everybody else out; without any, the gate's namespace may.</summary>
    public sealed record GateAccept(string Gate, string Namespace, LabelSelector Pods) : CapabilityEntry
    {
        public override string ToString() => $"gate accept {Gate} pods {Namespace}/{Pods}";
    }

    /// <summary>A device of the host, at its own path.</summary>
    public sealed record Device(string Path, bool Writable) : CapabilityEntry
    {
        /// <summary>What every container has.</summary>
        public static IReadOnlyList<string> Common { get; } = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

        public override string ToString() => $"device {Path} {(Writable ? "read,write" : "read")}";
    }

    /// <summary>Something about the host that is withheld from whoever does not hold it.</summary>
    /// <param name="Name">One of <see cref="Known"/>.</param>
    public sealed record HostFact(string Name) : CapabilityEntry
    {
        public static IReadOnlyList<string> Known { get; } = ["memory", "load", "drivers"];

        public override string ToString() => $"facts {Name}";
    }

    /// <summary>Signals to another container of the pod.</summary>
    /// <param name="Container">Its name.</param>
    /// <param name="Signals">As <see cref="SignalNames.Listed"/> has them, e.g. <c>HUP,TERM</c>.</param>
    public sealed record Signal(string Container, string Signals) : CapabilityEntry
    {
        public override string ToString() => $"signal {Container} {Signals}";
    }

    /// <summary>A token of the account that the pod runs as, renewed while the container runs.</summary>
    /// <param name="Audience">Whom it is for; empty: the cluster's API.</param>
    public sealed record ApiToken(string Audience = "") : CapabilityEntry
    {
        public override string ToString() => Audience.Length == 0 ? "api token" : $"api token {Audience}";
    }

    /// <summary>Every peer but pods that accept only whom they name: what a plain container may.</summary>
    public sealed record ConnectAny : CapabilityEntry
    {
        public override string ToString() => "connect any";
    }

    public sealed record ListenAny : CapabilityEntry
    {
        public override string ToString() => "listen any";
    }

    /// <summary>Not granted: let through and recorded.</summary>
    /// <param name="Bound">How far: a connect, listen or writable files entry.</param>
    public sealed record Audit(CapabilityEntry Bound) : CapabilityEntry
    {
        public override string ToString() => $"audit {Bound}";
    }

    /// <summary>Whether an audit may go up to this entry.</summary>
    private bool Auditable => this is ConnectAny or ListenAny or ConnectService or ConnectPods or ConnectRange or ConnectHost or Listen or Files { Writable: true } or Execute or Quota;

    /// <summary>False: not a line that an entry prints.</summary>
    public static bool TryParse(string line, out CapabilityEntry entry)
    {
        entry = Read(line.Split(' '))!;
        return entry is not null && entry.ToString() == line;
    }

    private static CapabilityEntry? Read(string[] words) => words switch
    {
        ["quota", var memory, var processes] when Value(memory, "memory=") is { } bytes && Value(processes, "processes=") is { } count && ProcessLimit.Of(count, null) is { } limit => new Quota(bytes, limit),
        ["quota", var memory, var processes, var threads] when Value(memory, "memory=") is { } bytes && Value(processes, "processes=") is { } count && Value(threads, "threads=") is { } number && ProcessLimit.Of(count, number) is { } limit => new Quota(bytes, limit),
        ["cpu", var shares] when Value(shares, "shares=") is { } number => new Cpu(number, null),
        ["cpu", var shares, [.. var limit, 'm']] when Value(shares, "shares=") is { } number && Value(limit, "limit=") is { } milli => new Cpu(number, milli),
        ["log", "write"] => new Log(),
        ["dir", var path, "read"] when IsPath(path) => new Files(path, false),
        ["dir", var path, "read,write"] when IsPath(path) => new Files(path, true),
        ["dir", var path, "read,change"] when IsPath(path) => new Files(path, true, false),
        ["host", "dir", var path, "read"] when IsPath(path) => new HostPath(path, false),
        ["host", "dir", var path, "read,write"] when IsPath(path) => new HostPath(path, true),
        ["device", var path, "read"] when IsDevice(path) => new Device(path, false),
        ["device", var path, "read,write"] when IsDevice(path) => new Device(path, true),
        ["exec", var path] when IsPath(path) => new Execute(path),
        ["identity", var user, var group] when Value(user, "uid=") is { } uid && Value(group, "gid=") is { } gid => new Identity(uid, gid),
        ["listen", var by, var port] when Protocols.OfEntry(by) is { } protocol && OnePort(port) is { } number => new Listen(number, protocol),
        ["connect", var by, "service", var service, var port] when Protocols.OfEntry(by) is { } protocol && IsService(service) && OnePort(port) is { } number => new ConnectService(service, number, protocol),
        ["connect", var by, "pods", var pods, var port] when Protocols.OfEntry(by) is { } protocol && Peer(pods) is { } peer && OnePort(port) is { } number => new ConnectPods(peer.Namespace, peer.Selector, number, protocol),
        ["connect", var by, "cidr", var range, var ports] when Protocols.OfEntry(by) is { } protocol && Range(range) is { } network && PortSet.TryParse(ports, out var set) => new ConnectRange(network, set, protocol),
        ["connect", var by, "host", var host, var ports] when Protocols.OfEntry(by) is { } protocol && IsHost(host) && PortSet.TryParse(ports, out var set) => new ConnectHost(host, set, protocol),
        ["accept", var by, "pods", var pods, var ports] when Protocols.OfEntry(by) is { } protocol && Peer(pods) is { } peer && PortSet.TryParse(ports, out var set) => new Accept(peer.Namespace, peer.Selector, set, protocol),
        ["gate", "call", var gate] when IsService(gate) => new GateCall(gate),
        ["gate", "serve", var gate] when IsService(gate) => new GateServe(gate),
        ["gate", "accept", var gate, "pods", var pods] when IsService(gate) && Peer(pods) is { } peer => new GateAccept(gate, peer.Namespace, peer.Selector),
        ["connect", "any"] => new ConnectAny(),
        ["listen", "any"] => new ListenAny(),
        ["audit", .. var bound] when Read(bound) is { Auditable: true } entry => new Audit(entry),
        ["clock", "read"] => new ReadClock(),
        ["random", "read"] => new ReadRandom(),
        ["signal", var container, var signals] when IsLabel(container) && signals.Split(',').All(name => SignalNames.Number(name) is not null) && SignalNames.Listed(signals.Split(',')) == signals => new Signal(container, signals),
        ["facts", var name] when HostFact.Known.Contains(name) => new HostFact(name),
        ["api", "token"] => new ApiToken(),
        ["api", "token", var audience] when IsAudience(audience) => new ApiToken(audience),
        ["processes", "shared-memory"] => new SharedMemory(),
        _ => null,
    };

    private static long? Value(string word, string name) =>
        word.StartsWith(name, StringComparison.Ordinal) && long.TryParse(word.AsSpan(name.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : null;

    private static int? OnePort(string word) => PortSet.TryRange(word, out var range) && range.Low == range.High ? range.Low : null;

    private static (string Namespace, LabelSelector Selector)? Peer(string word)
    {
        int slash = word.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && IsLabel(word[..slash]) && LabelSelector.TryParse(word[(slash + 1)..], out var selector) ? (word[..slash], selector) : null;
    }

    /// <summary>An IPv4 network with no bits set behind the prefix.</summary>
    public static IPNetwork? Range(string text) => IPNetwork.TryParse(text, out var network) && network.BaseAddress.AddressFamily == AddressFamily.InterNetwork && network.ToString() == text ? network : null;

    /// <summary>A full name of DNS in lower case, without its last dot; none of the cluster's.</summary>
    public static bool IsHost(string text) => text.Length <= 150 && text.Contains('.', StringComparison.Ordinal) && text.Split('.').All(IsLabel) && !text.Split('.')[^1].All(char.IsAsciiDigit) && !text.EndsWith(".cluster.local", StringComparison.Ordinal);

    /// <summary>A device that can be granted: beneath /dev, and none that every container has, or has of its own.</summary>
    public static bool IsDevice(string? path) => IsPath(path) && path!.StartsWith("/dev/", StringComparison.Ordinal) && path.Split('/').Skip(1).All(part => part is not ("" or ".")) && path.Split('/')[2] is not ("pts" or "shm" or "ptmx" or "fd" or "stdin" or "stdout" or "stderr") && !Device.Common.Contains(path);

    /// <summary>Whom a token is for: a name or an address without spaces.</summary>
    public static bool IsAudience(string text) => text.Length is > 0 and <= 150 && text.All(letter => letter is > ' ' and < '\x7f');

    public static bool IsService(string text) => text.Split('/') is [var home, var name] && IsLabel(home) && IsLabel(name);

    public static bool IsLabel(string text) => text.Length < 64 && Label().IsMatch(text);

    public static bool IsPath(string? path) =>
        path is { Length: > 0 and < 150 } && path[0] == '/' && !path.AsSpan().ContainsAny(" \n\0") && !path.Split('/').Contains("..");

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?\\z")]
    private static partial Regex Label();
}
