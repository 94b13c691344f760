using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>What one <c>permissions</c> field or PermissionSet declares.</summary>
public sealed class Declaration
{
    public List<ExplainedEntry> Entries { get; } = [];
    /// <summary>Processes where nothing is said of their number.</summary>
    public const long DefaultProcesses = 256;

    /// <summary>Most processes and threads at once, and where that stands; null: nothing is said.</summary>
    public (ProcessLimit Limit, SourceLocation Source)? Processes { get; set; }
    /// <summary>Names of PermissionSets that it takes over.</summary>
    public List<(string Name, SourceLocation Source)> Sets { get; } = [];
    public HashSet<string> Optional { get; } = [];
    public HashSet<string> Transitional { get; } = [];
}

/// <summary>Reads the vocabulary (PERMISSIONS.md). Total: what cannot be read or cannot be enforced is an error with its place, and gives no entry.</summary>
public sealed class DeclarationReader(string @namespace, string objectName, List<PermissionError> errors)
{
    private static readonly string[] Known = ["accept", "api", "clock", "connect", "devices", "files", "gates", "host", "hostFacts", "listen", "optional", "processes", "publish", "random", "sets", "signals", "transitional"];

    /// <summary>What every process can find out, so that there is nothing to grant.</summary>
    private static readonly Dictionary<string, string> Open = new()
    {
        ["kernel"] = "the kernel's version stands in memory that it maps into every process (vDSO)", ["cpu"] = "the processor tells every process its model (cpuid)",
        ["uptime"] = "the monotonic clock, which every process reads, began when the host did", ["mounts"] = "every process is told its own mounts (/proc/self/mountinfo)",
    };

    private readonly Declaration _made = new();
    private readonly HashSet<string> _names = [];

    public Declaration Read(JsonNode? node, string at)
    {
        if (node is null) return _made;
        if (node is not JsonObject permissions) { Fail(at, "must be an object"); return _made; }
        foreach (var (name, _) in permissions)
            if (!Known.Contains(name)) Fail($"{at}.{name}", $"unknown permission; known are {string.Join(", ", Known)}");
        Each(permissions, at, "connect", Connect, "service", "pods", "namespace", "cidr", "host", "port", "ports", "protocol", "name");
        Each(permissions, at, "listen", Listen, "port", "ports", "protocol", "name");
        Each(permissions, at, "accept", Accept, "pods", "namespace", "port", "ports", "protocol", "name");
        Each(permissions, at, "gates", Gate, "service", "rights", "name");
        Each(permissions, at, "publish", Publish, "gate", "accept", "name");
        Each(permissions, at, "files", Files, "path", "access", "create", "name");
        if (permissions["host"] is JsonObject host)
        {
            foreach (var (name, _) in host.Where(field => field.Key != "paths")) Fail($"{at}.host.{name}", "unknown field; known is paths");
            Each(host, at + ".host", "paths", HostPaths, "path", "access", "name");
        }
        else if (permissions["host"] is not null) Fail(at + ".host", "must be an object with paths");
        Each(permissions, at, "devices", Devices, "path", "access", "name");
        Each(permissions, at, "signals", Signals, "container", "signals", "name");
        HostFacts(permissions["hostFacts"], at + ".hostFacts");
        Api(permissions["api"], at + ".api");
        Processes(permissions["processes"], at + ".processes");
        OnlyRead(permissions["clock"], at + ".clock", new CapabilityEntry.ReadClock(), "the clock can be read by every process of the hosted port");
        OnlyRead(permissions["random"], at + ".random", new CapabilityEntry.ReadRandom(), "random numbers can be read by every process of the hosted port");
        foreach (var (name, place) in Words(permissions["sets"], at + ".sets")) _made.Sets.Add((name, place));
        Named(permissions["optional"], at + ".optional", _made.Optional);
        Named(permissions["transitional"], at + ".transitional", _made.Transitional);
        return _made;
    }

    private SourceLocation Place(string at) => new(at, Object: objectName);

    private void Fail(string at, string message) => errors.Add(new PermissionError(Place(at), message));

    private void Add(CapabilityEntry entry, string at, string name) => _made.Entries.Add(new ExplainedEntry(entry.ToString(), Place(at), name));

    private void Each(JsonObject permissions, string at, string list, Action<JsonObject, string, string> read, params string[] fields)
    {
        if (permissions[list] is not { } node) return;
        if (node is not JsonArray grants) { Fail($"{at}.{list}", "must be a list"); return; }
        for (int i = 0; i < grants.Count; i++)
        {
            var place = $"{at}.{list}[{i}]";
            if (grants[i] is not JsonObject grant) { Fail(place, $"must be an object with {string.Join(", ", fields)}"); continue; }
            if (grant.FirstOrDefault(field => !fields.Contains(field.Key)) is { Key: { } other }) { Fail($"{place}.{other}", $"unknown field; known are {string.Join(", ", fields)}"); continue; }
            if (grant["protocol"] is { } protocol && Protocols.Of(protocol.Word()) is null) { Fail(place + ".protocol", $"must be TCP or UDP, not {protocol.ToJsonString()}: containers have no other protocol"); continue; }
            var name = grant["name"].Word() ?? "";
            if (name.Length > 0 && !_names.Add(name)) { Fail(place + ".name", $"\"{name}\" names another grant already"); continue; }
            read(grant, place, name);
        }
    }

    private void Connect(JsonObject grant, string at, string name)
    {
        if (Ports(grant, at) is not { } ports) return;
        var peers = new[] { "service", "pods", "cidr", "host" }.Where(kind => grant[kind] is not null).ToList();
        if (peers.Count != 1) Fail(at, "must name exactly one of service, pods, cidr or host");
        else if (peers[0] == "host") Host(grant["host"].Word() ?? "", ports, By(grant), at, name);
        else if (peers[0] == "cidr") Range(grant["cidr"].Word() ?? "", ports, By(grant), at, name);
        else if ((grant["ports"] as JsonArray ?? [grant["port"]?.DeepClone()]).Any(port => port.Word()?.Contains('-', StringComparison.Ordinal) == true)) Fail(at + ".ports", "a peer in the cluster is granted port by port, not by range");
        else if (peers[0] == "service") Service(grant["service"].Word() ?? "", ports, By(grant), at, name);
        else if (Pods(grant, at) is { } pods)
            foreach (int port in ports.Ports) Add(new CapabilityEntry.ConnectPods(pods.Namespace, pods.Selector, port, By(grant)), at, name);
    }

    private static Protocol By(JsonObject grant) => Protocols.Of(grant["protocol"].Word()) ?? Protocol.Tcp;

    private void Service(string service, PortSet ports, Protocol protocol, string at, string name)
    {
        var full = service.Contains('/', StringComparison.Ordinal) ? service : $"{@namespace}/{service}";
        if (!CapabilityEntry.IsService(full)) { Fail(at + ".service", $"\"{service}\" is not NAME or NAMESPACE/NAME"); return; }
        foreach (int port in ports.Ports) Add(new CapabilityEntry.ConnectService(full, port, protocol), at, name);
    }

    private void Host(string host, PortSet ports, Protocol protocol, string at, string name)
    {
        if (CapabilityEntry.IsHost(host)) Add(new CapabilityEntry.ConnectHost(host, ports, protocol), at, name);
        else Fail(at + ".host", $"\"{host}\" is not a full name such as api.example.com, in lower case and outside the cluster; a Service is granted with service, an address with cidr");
    }

    private void Range(string cidr, PortSet ports, Protocol protocol, string at, string name)
    {
        if (CapabilityEntry.Range(cidr) is not { } network) Fail(at + ".cidr", $"\"{cidr}\" is not an IPv4 network such as 10.20.0.0/16 with no bits set behind the prefix");
        else Add(new CapabilityEntry.ConnectRange(network, ports, protocol), at, name);
    }

    /// <summary>Pods by their labels; short for a selector with matchLabels is the labels themselves.</summary>
    private (string Namespace, LabelSelector Selector)? Pods(JsonObject grant, string at)
    {
        var home = grant["namespace"] is { } named ? named.Word() ?? "" : @namespace;
        if (!CapabilityEntry.IsLabel(home)) { Fail(at + ".namespace", $"\"{home}\" is not the name of a namespace"); return null; }
        var pods = grant["pods"] is JsonObject labels && labels.Count > 0 && !labels.ContainsKey("matchLabels") && !labels.ContainsKey("matchExpressions") ? new JsonObject { ["matchLabels"] = labels.DeepClone() } : grant["pods"];
        if (LabelSelector.Read(pods, out var problem) is { } selector) return (home, selector);
        Fail(at + ".pods", problem);
        return null;
    }

    private void Listen(JsonObject grant, string at, string name)
    {
        if (Ports(grant, at) is not { } ports) return;
        if (ports.Count > 100) { Fail(at + ".ports", "at most 100 ports can be listened on by one grant"); return; }
        foreach (int port in ports.Ports) Add(new CapabilityEntry.Listen(port, By(grant)), at, name);
    }

    private void Accept(JsonObject grant, string at, string name)
    {
        var ports = grant["port"] is null && grant["ports"] is null ? PortSet.All : Ports(grant, at);
        if (ports is null) return;
        if (grant["pods"] is null && grant["namespace"] is null) { Fail(at, "must name pods, a namespace or both"); return; }
        if (Pods(grant, at) is { } pods) Add(new CapabilityEntry.Accept(pods.Namespace, pods.Selector, ports, By(grant)), at, name);
    }

    private void Gate(JsonObject grant, string at, string name)
    {
        var gate = grant["service"].Word() ?? "";
        var full = gate.Contains('/', StringComparison.Ordinal) ? gate : $"{@namespace}/{gate}";
        if (!CapabilityEntry.IsService(full)) Fail(at + ".service", $"\"{gate}\" is not NAME or NAMESPACE/NAME of a gate");
        else if (grant["rights"] is not (null or JsonArray { Count: 1 }) || grant["rights"] is JsonArray rights && rights[0].Word() != "call") Fail(at + ".rights", "must be [call]: a gate of another pod can be called and nothing else");
        else Add(new CapabilityEntry.GateCall(full), at, name);
    }

    /// <summary>A gate is always one of the pod's own namespace.</summary>
    private void Publish(JsonObject grant, string at, string name)
    {
        var gate = $"{@namespace}/{grant["gate"].Word()}";
        if (!CapabilityEntry.IsService(gate)) { Fail(at + ".gate", $"\"{grant["gate"].Word()}\" is not a name of lower-case letters, digits and -, without a namespace: a pod publishes in its own"); return; }
        Add(new CapabilityEntry.GateServe(gate), at, name);
        if (grant["accept"] is null) return;
        Each(grant, at, "accept", (from, place, _) =>
        {
            if (from["pods"] is null && from["namespace"] is null) Fail(place, "must name pods, a namespace or both");
            else if (Pods(from, place) is { } pods) Add(new CapabilityEntry.GateAccept(gate, pods.Namespace, pods.Selector), place, "");
        }, "pods", "namespace");
        if (grant["accept"] is JsonArray { Count: 0 }) Fail(at + ".accept", "accepts nobody; leave it out to accept the pods of this namespace");
    }

    private void Files(JsonObject grant, string at, string name)
    {
        var path = grant["path"].Word();
        if (!CapabilityEntry.IsPath(path)) Fail(at + ".path", "must be an absolute path without spaces or \"..\"");
        else if ((grant["access"] is null ? "read" : grant["access"].Word()) is not (("read" or "write" or "execute") and var access)) Fail(at + ".access", "must be read, write or execute; write makes, moves and removes files too, unless create: false beside it says that only those which are there may be changed");
        else if (grant["create"] is { } create && create.Truth() is null) Fail(at + ".create", "must be true or false");
        else if (grant["create"] is not null && access != "write") Fail(at + ".create", "says how far access: write goes; remove it");
        else if (access == "execute") Execute(path!, at, name);
        else Add(new CapabilityEntry.Files(path!, access == "write", grant["create"].Truth() != false), at, name);
    }

    private void Execute(string path, string at, string name) => Add(new CapabilityEntry.Execute(path.Length > 1 ? path.TrimEnd('/') : path), at, name);

    private void HostPaths(JsonObject grant, string at, string name)
    {
        var path = grant["path"].Word();
        if (!CapabilityEntry.IsPath(path)) Fail(at + ".path", "must be an absolute path without spaces or \"..\"");
        else if ((grant["access"] is null ? "read" : grant["access"].Word()) is not (("read" or "write") and var access)) Fail(at + ".access", "must be read or write");
        else Add(new CapabilityEntry.HostPath(path!.Length > 1 ? path.TrimEnd('/') : path, access == "write"), at, name);
    }

    private void Devices(JsonObject grant, string at, string name)
    {
        var path = grant["path"].Word() ?? "";
        if (CapabilityEntry.Device.Common.Contains(path)) Fail(at + ".path", $"every container has {path}; remove the grant");
        else if (!CapabilityEntry.IsDevice(path)) Fail(at + ".path", $"\"{path}\" is not the path of a device, such as /dev/ttyUSB0");
        else if ((grant["access"] is null ? "read" : grant["access"].Word()) is not (("read" or "write") and var access)) Fail(at + ".access", "must be read or write");
        else Add(new CapabilityEntry.Device(path, access == "write"), at, name);
    }

    private void Signals(JsonObject grant, string at, string name)
    {
        var container = grant["container"].Word() ?? "";
        if (!CapabilityEntry.IsLabel(container)) { Fail(at + ".container", $"\"{container}\" is not the name of a container of the pod"); return; }
        var signals = Words(grant["signals"], at + ".signals").ToList();
        foreach (var (signal, place) in signals.Where(signal => SignalNames.Number(signal.Word) is null)) Fail(place.FieldPath, $"\"{signal}\" is no signal that can be granted; known are {SignalNames.Known}");
        if (signals.Count == 0) Fail(at + ".signals", $"must name signals; known are {SignalNames.Known}");
        else if (signals.TrueForAll(signal => SignalNames.Number(signal.Word) is not null)) Add(new CapabilityEntry.Signal(container, SignalNames.Listed(signals.Select(signal => signal.Word))), at, name);
    }

    private void HostFacts(JsonNode? node, string at)
    {
        foreach (var (fact, place) in Words(node, at))
            if (CapabilityEntry.HostFact.Known.Contains(fact)) Add(new CapabilityEntry.HostFact(fact), place.FieldPath, "");
            else Fail(place.FieldPath, Open.TryGetValue(fact, out var why) ? $"{fact} cannot be withheld, so it needs no grant: {why}; remove it" : $"\"{fact}\" is no fact of the host that can be granted; known are {string.Join(", ", CapabilityEntry.HostFact.Known)}");
    }

    private void Api(JsonNode? node, string at)
    {
        if (node is null) return;
        if (node is not JsonObject api) { Fail(at, "must be an object with token, audiences"); return; }
        foreach (var (name, _) in api.Where(field => field.Key is not ("token" or "audiences"))) Fail($"{at}.{name}", "unknown field; known are token, audiences");
        if (api["token"] is { } token && token.Truth() is null) Fail(at + ".token", "must be true or false");
        if (api["token"].Truth() == true)
        {
            Add(new CapabilityEntry.ApiToken(), at + ".token", "");
            Add(ClusterApi.Entry, at + ".token", "");
        }
        foreach (var (audience, place) in Words(api["audiences"], at + ".audiences"))
            if (CapabilityEntry.IsAudience(audience)) Add(new CapabilityEntry.ApiToken(audience), place.FieldPath, "");
            else Fail(place.FieldPath, $"\"{audience}\" is no audience: at most 150 letters without spaces");
    }

    private void Processes(JsonNode? node, string at)
    {
        if (node is null) return;
        if (node is not JsonObject processes) { Fail(at, "must be an object with max, threads, exec, sharedMemory, fork"); return; }
        Number(processes, at);
        foreach (var (name, value) in processes)
        {
            if (name is "max" or "threads" or "fork") continue;
            if (name == "sharedMemory" && value.Truth() is { } shared) { if (shared) Add(new CapabilityEntry.SharedMemory(), at + ".sharedMemory", ""); }
            else if (name == "sharedMemory") Fail(at + ".sharedMemory", "must be true or false");
            else if (name == "exec")
            {
                if (value is JsonArray { Count: 0 }) Fail(at + ".exec", "must name at least the container's own program; leave it out to let every file be executed");
                foreach (var (path, place) in Words(value, at + ".exec"))
                    if (CapabilityEntry.IsPath(path)) Execute(path, place.FieldPath, "");
                    else Fail(place.FieldPath, "must be an absolute path without spaces or \"..\"");
            }
            else Fail($"{at}.{name}", "unknown field; known are max, threads, exec, sharedMemory, fork");
        }
    }

    /// <summary>max, threads and fork, which say one thing together.</summary>
    private void Number(JsonObject processes, string at)
    {
        bool wrong = false;
        foreach (var name in new[] { "max", "threads" })
            if (processes[name] is { } number && number.Whole() is not (>= 1 and <= 1_000_000)) { Fail($"{at}.{name}", "must be between 1 and 1000000"); wrong = true; }
        if (processes["fork"] is { } fork && fork.Truth() is null) { Fail(at + ".fork", "must be true or false"); return; }
        bool alone = processes["fork"].Truth() == false;
        if (wrong) return;
        long? max = processes["max"].Whole(), threads = processes["threads"].Whole();
        if (alone && max is { } most && most != 1) Fail(at + ".fork", "forbids every further process, so max must be 1 or absent");
        else if (max is null && threads is null && !alone) return;
        else if (ProcessLimit.Of(alone ? 1 : max ?? Declaration.DefaultProcesses, threads) is not { } limit) Fail(at + ".threads", "the host's kernel counts threads and processes as one: with several processes, max counts both and threads can only be 1 (none beside each process's first); with fork: false, threads is the number of those of the one process");
        else _made.Processes = (limit, Place(at + (max is not null ? ".max" : alone ? ".fork" : ".threads")));
    }

    private void OnlyRead(JsonNode? node, string at, CapabilityEntry entry, string why)
    {
        if (node is null) return;
        if (node.Word() == "read") Add(entry, at, "");
        else Fail(at, node.Word() == "none" ? $"none cannot be enforced: {why}" : "must be read");
    }

    private IEnumerable<(string Word, SourceLocation Place)> Words(JsonNode? node, string at)
    {
        if (node is null) yield break;
        if (node is not JsonArray list) { Fail(at, "must be a list of names"); yield break; }
        for (int i = 0; i < list.Count; i++)
            if (list[i].Word() is { Length: > 0 } word) yield return (word, Place($"{at}[{i}]"));
            else Fail($"{at}[{i}]", "must be a name");
    }

    private void Named(JsonNode? node, string at, HashSet<string> into)
    {
        foreach (var (word, place) in Words(node, at))
            if (_names.Contains(word)) into.Add(word);
            else Fail(place.FieldPath, $"no grant has the name \"{word}\"; give one `name: {word}`");
    }

    private PortSet? Ports(JsonObject grant, string at)
    {
        var listed = (grant["port"], grant["ports"]) switch { ({ } single, null) => [single], (null, JsonArray { Count: > 0 } many) => many.ToList(), _ => null };
        if (listed is null) { Fail(at, "must have port, or a list ports"); return null; }
        var ranges = new List<(int, int)>();
        foreach (var item in listed)
        {
            if (PortSet.TryRange(item.Word() ?? "", out var range)) { ranges.Add(range); continue; }
            Fail(at + ".port", $"\"{item}\" is not a port between 1 and 65535 or a range of ports such as 8000-8100");
            return null;
        }
        return new PortSet(ranges);
    }
}
