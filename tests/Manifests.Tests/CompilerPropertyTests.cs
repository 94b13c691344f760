using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

/// <summary>What holds for every pod, policy, Service, PermissionSet and node. 100,000 inputs over the four properties that every release is measured by (no entry without a declaration, what is printed, adding, ceilings), and 35,000 over the others; ten times as many with EYRIE_LONG=1.</summary>
public sealed class CompilerPropertyTests
{
    private static readonly long Iterations = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? 250_000 : 25_000;

    private static Gen<string> Among(params string[] words) => Gen.Int[0, words.Length - 1].Select(index => words[index]);

    private static readonly Gen<string> Home = Among("shop", "ops"), App = Among("web", "db", "log"), Port = Among("80", "443", "5432", "8080", "70000", "\"x\""),
        Cidr = Among("10.0.0.0/8", "10.20.0.0/16", "10.20.30.0/24", "192.168.0.0/16", "0.0.0.0/0", "10.0.0.1/8", "nonsense"),
        Ports = Gen.Select(Port, Among("443", "\"8000-8100\"", "\"1-65535\"", "\"9-1\""), (one, other) => $"[{one},{other}]"),
        By = Among("\"TCP\"", "\"UDP\"", "null", "\"SCTP\""),
        Folder = Among("/", "/data", "/data/deep", "/var/cache", "/database", "../x", "relative", "/with space");

    private static readonly Gen<string> Name = Among("", "", "", ",\"name\":\"a\"", ",\"name\":\"b\"");

    private static readonly Gen<string> Connect = Gen.OneOf(
        Gen.Select(Home, App, Port, By, Name, (home, app, port, by, name) => $$"""{"service":"{{home}}/{{app}}","port":{{port}},"protocol":{{by}}{{name}}}"""),
        Gen.Select(App, Port, (app, port) => $$"""{"service":"{{app}}","port":{{port}}}"""),
        Gen.Select(Home, App, Port, By, (home, app, port, by) => $$"""{"pods":{"app":"{{app}}"},"namespace":"{{home}}","port":{{port}},"protocol":{{by}}}"""),
        Gen.Select(Cidr, Ports, By, Name, (cidr, ports, by, name) => $$"""{"cidr":"{{cidr}}","ports":{{ports}},"protocol":{{by}}{{name}}}"""),
        Gen.Select(Among("example.com", "api.example.com", "localhost", "*.example.com"), Ports, By, (host, ports, by) => $$"""{"host":"{{host}}","ports":{{ports}},"protocol":{{by}}}"""), Gen.Const("7"));

    private static readonly Gen<string> File = Gen.Select(Folder, Among("\"read\"", "\"write\"", "\"write\",\"create\":false", "\"write\",\"create\":true", "\"read\",\"create\":true", "\"create\"", "\"execute\""), (path, access) => $$"""{"path":"{{path}}","access":{{access}}}""");
    private static readonly Gen<string> Accept = Gen.OneOf(Gen.Select(Home, App, Port, By, (home, app, port, by) => $$"""{"pods":{"app":"{{app}}"},"namespace":"{{home}}","port":{{port}},"protocol":{{by}}}"""), Home.Select(home => $$"""{"namespace":"{{home}}"}"""));
    private static readonly Gen<string> Signal = Gen.Select(Among("c", "d", "gone", "../c"), Among("[\"HUP\"]", "[\"HUP\",\"TERM\"]", "[\"KILL\",\"HUP\",\"TERM\"]", "[\"LOUD\"]", "[]"), (container, signals) => $$"""{"container":"{{container}}","signals":{{signals}}}""");
    private static readonly Gen<string> Device = Gen.Select(Among("/dev/fuse", "/dev/kvm", "/dev/null"), Among("read", "write"), (path, access) => $$"""{"path":"{{path}}","access":"{{access}}"}""");
    private static readonly Gen<string> Listen = Gen.Select(Port, By, (port, by) => $$"""{"port":{{port}},"protocol":{{by}}}""");

    private static readonly Gen<string> Gates = Gen.OneOf(Among("web", "db", "ops/web", "shop/db", "Not a gate").Select(gate => $$"""{"service":"{{gate}}"}"""), Among("web", "ops/db").Select(gate => $$"""{"service":"{{gate}}","rights":["call"]}"""));
    private static readonly Gen<string> Publish = Gen.Select(App, Among("", ",\"accept\":[{\"namespace\":\"shop\"}]", ",\"accept\":[{\"namespace\":\"ops\",\"pods\":{\"app\":\"web\"}}]", ",\"accept\":[{}]"), (app, accept) => $$"""{"gate":"{{app}}"{{accept}}}""");

    private static Gen<string> List(Gen<string> item, int most = 4) => item.List[0, most].Select(items => $"[{string.Join(',', items)}]");

    private static readonly Gen<string> WithoutGates = Gen.Select(List(Connect), List(File, 2), List(Listen, 2), Gen.Select(Gen.OneOf(Gen.Const("null"), List(Accept, 1)), List(Signal, 2), (accept, signals) => $"{accept},\"signals\":{signals}"), Among("""{"max":8}""", """{"max":1000,"sharedMemory":true}""", """{"sharedMemory":false}""", """{"fork":false,"threads":32}""", """{"max":8,"threads":1}""", """{"threads":9}""", """{"fork":false}""", """{"exec":["/bin/web","/lib"]}""", """{"exec":["/bin"]}""", "{}", """{"max":0}"""), Among("\"read\"", "\"none\"", """null,"host":{"paths":[{"path":"/srv/data","access":"write"}]}""", """null,"host":{"paths":[{"path":"/srv"}]}""", """null,"devices":[{"path":"/dev/fuse"},{"path":"/dev/kvm","access":"write"}]""", """null,"hostFacts":["memory","cpu"]""", """null,"hostFacts":["load","drivers","memory"]""", """null,"api":{"token":true}""", """null,"api":{"audiences":["vault"]}"""),
        (connect, files, listen, accept, processes, clock) => $$"""{"connect":{{connect}},"files":{{files}},"listen":{{listen}},"accept":{{accept}},"processes":{{processes}},"clock":{{clock}}}""");

    private static readonly Gen<string> Permissions = Gen.Select(WithoutGates, List(Gates, 2), List(Publish, 2), (others, gates, publish) => $$"""{{others[..^1]}},"gates":{{gates}},"publish":{{publish}}}""");

    /// <summary>What it takes over, and what it says of grants by their names.</summary>
    private static readonly Gen<string> About = Gen.Select(Among("", "", ",\"sets\":[\"uses\"]", ",\"sets\":[\"uses\",\"gone\"]", ",\"sets\":\"uses\""), Among("", ",\"optional\":[\"a\"]", ",\"optional\":[\"a\",\"b\"]", ",\"optional\":[7]"), Among("", ",\"transitional\":[\"b\"]", ",\"transitional\":[\"a\",\"c\"]"), (sets, optional, transitional) => sets + optional + transitional);

    private static Gen<string> Named(string name) => Gen.Select(Gen.Select(Permissions, About, (permissions, about) => permissions[..^1] + about + "}"), List(Gen.Select(Port, By, (port, by) => $$"""{"containerPort":{{port}},"protocol":{{by}}}"""), 2), List(Gen.Select(Folder, Among("", ",\"readOnly\":true"), (path, mode) => $$"""{"name":"v","mountPath":"{{path}}"{{mode}}}"""), 1),
        Among("{}", """{"runAsUser":1000}""", """{"readOnlyRootFilesystem":false}""", """{"runAsUser":-1}"""), Among("{}", """{"limits":{"memory":"64Mi","cpu":"500m"}}""", """{"requests":{"cpu":"lots"}}"""),
        (permissions, ports, mounts, security, resources) => $$"""{"name":"{{name}}","permissions":{{permissions}},"ports":{{ports}},"volumeMounts":{{mounts}},"securityContext":{{security}},"resources":{{resources}}}""");

    /// <summary>One, or two that may signal each other.</summary>
    private static readonly Gen<string> Container = Gen.OneOf(Named("c"), Named("c"), Gen.Select(Named("c"), Named("d"), (one, other) => one + "," + other));

    private static readonly Gen<string> Bare = Among("""{"name":"c"}""", """{"name":"c","image":"a","command":["sh"]}""");

    private static readonly Gen<string> Volumes = Among("[]", """[{"name":"v","emptyDir":{}}]""", """[{"name":"v","hostPath":{"path":"/srv/data"}}]""", """[{"name":"v","hostPath":{"path":"/srv/data/deep/"}}]""", """[{"name":"v","hostPath":{"path":"/etc"}}]""",
        """[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"audience":"vault","path":"t"}}]}}]""");

    private static Gen<JsonObject> PodOf(Gen<string> container) => Gen.Select(Home, App, container, Volumes, (home, app, spec, volumes) =>
        JsonNode.Parse($$$"""{"metadata":{"name":"p","namespace":"{{{home}}}","labels":{"app":"{{{app}}}"}},"spec":{"volumes":{{{volumes}}},"containers":[{{{spec}}}]}}""")!.AsObject());

    private static readonly Gen<JsonObject> Policy = Gen.Select(Home, App, App, Cidr, Gen.Select(Port, By, (port, by) => port + ",\"protocol\":" + by), Among("Ingress", "Egress"), (home, app, peer, cidr, port, type) => JsonNode.Parse(
        $$$$"""{"metadata":{"name":"n","namespace":"{{{{home}}}}"},"spec":{"podSelector":{"matchLabels":{"app":"{{{{app}}}}"}},"policyTypes":["{{{{type}}}}"],"egress":[{"to":[{"podSelector":{"matchLabels":{"app":"{{{{peer}}}}"}}},{"ipBlock":{"cidr":"{{{{cidr}}}}","except":["10.20.30.0/24"]}}],"ports":[{"port":{{{{port}}}}}]}],"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"{{{{peer}}}}"}},"namespaceSelector":{}}]}]}}""")!.AsObject());

    private static readonly Gen<JsonObject> Service = Gen.Select(Home, App, Port, By, (home, app, port, by) => JsonNode.Parse(
        $$$$"""{"metadata":{"name":"{{{{app}}}}","namespace":"{{{{home}}}}"},"spec":{"selector":{"app":"{{{{app}}}}"},"ports":[{"port":{{{{port}}}},"targetPort":{{{{port}}}},"protocol":{{{{by}}}}}]}}""")!.AsObject());

    private static readonly Gen<NodeFacts> Node = Gen.Select(Gen.Int[1, 20], Gen.Int[30, 200], (entries, length) => new NodeFacts(entries, length));

    private static JsonObject[] Homes(string annotations) => [.. new[] { "shop", "ops" }.Select(home => JsonNode.Parse($$$"""{"metadata":{"name":"{{{home}}}","annotations":{{{annotations}}}}}""")!.AsObject())];

    private static JsonObject[] SetsOf(string name, string permissions) => [.. new[] { "shop", "ops" }.Select(home => JsonNode.Parse($$$"""{"metadata":{"name":"{{{name}}}","namespace":"{{{home}}}"},"spec":{{{permissions}}}}""")!.AsObject())];

    private static readonly Gen<CompileContext> Context = Gen.Select(Policy.Array[0, 2], Service.Array[0, 3], PodOf(Container).Array[0, 2], WithoutGates, (policies, services, pods, uses) =>
        new CompileContext { Namespaces = Homes("{}"), NetworkPolicies = policies, Services = services, Pods = pods, PermissionSets = SetsOf("uses", uses) });

    private static CompileContext Below(CompileContext context, string ceiling) => context with { Namespaces = Homes("""{"eyrie.dev/permission-ceiling":"most"}"""), PermissionSets = [.. context.PermissionSets, .. SetsOf("most", ceiling)] };

    private static IEnumerable<ExplainedEntry> Entries(CompileResult result) => result.Sets.SelectMany(set => set.Entries);

    [Fact]
    public void No_entry_stands_without_a_declaration_that_is_there() => Gen.Select(PodOf(Container), Context).Sample((pod, context) =>
        Entries(PermissionCompiler.Compile(pod, context)).All(entry =>
        {
            var source = entry.Source;
            if (source.Object == $"permissionset/{pod.NamespaceOf()}/uses") return Resolve(context.PermissionSets.First(set => set.NamespaceOf() == pod.NamespaceOf()), source.FieldPath) is not null && pod["spec"]!["containers"]!.AsArray().Any(container => container!["permissions"]!["sets"] is JsonArray);
            if (source.Object.Length > 0) return context.NetworkPolicies.Any(policy => source.Object == $"networkpolicy/{policy.NamespaceOf()}/{policy.NameOf()}" && policy.NamespaceOf() == pod.NamespaceOf() && Resolve(policy, source.FieldPath) is not null);
            // Every container has a log, its image to read, and a quota, by default where none is declared.
            return entry.Entry is "log write" or "dir / read" || entry.Entry.StartsWith("quota ", StringComparison.Ordinal) || Resolve(pod, source.FieldPath) is not null;
        }), iter: Iterations);

    [Fact]
    public void A_pod_that_declares_nothing_and_is_selected_by_nothing_holds_nothing_beyond_the_base() => Gen.Select(PodOf(Bare), Context).Sample((pod, context) =>
        PermissionCompiler.Compile(pod, context with { NetworkPolicies = [] }).Sets.Single().Lines.SequenceEqual(["dir / read", "log write", "quota memory=536870912 processes=256"]), iter: Iterations / 5);

    [Fact]
    public void What_is_printed_parses_back_to_the_same_and_fits_the_node() => Gen.Select(PodOf(Container), Context, Node).Sample((pod, context, node) =>
        PermissionCompiler.Compile(pod, context with { Node = node }).Sets.All(set => set.Lines.Count <= node.MaxEntries && set.Lines.All(line => line.Length <= node.MaxEntryLength && CapabilityEntry.TryParse(line, out var entry) && entry.ToString() == line)), iter: Iterations);

    /// <summary>A grant of any kind that is one, and the list that it stands in.</summary>
    private static readonly Gen<(string List, string Grant)> Grant = Gen.OneOf(Connect.Where(grant => !grant.Contains("name", StringComparison.Ordinal)).Select(grant => ("connect", grant)), File.Select(grant => ("files", grant)), Listen.Select(grant => ("listen", grant)),
        Accept.Select(grant => ("accept", grant)), Gates.Select(grant => ("gates", grant)), Publish.Select(grant => ("publish", grant)), Signal.Select(grant => ("signals", grant)), Device.Select(grant => ("devices", grant)),
        Among("\"memory\"", "\"drivers\"").Select(grant => ("hostFacts", grant)), Among("\"uses\"", "\"gone\"").Select(grant => ("sets", grant)), Among("\"a\"", "\"b\"").Select(grant => ("transitional", grant)));

    /// <summary>Which limit of processes holds is no grant: a set may bring another.</summary>
    [Fact]
    public void Adding_a_grant_never_takes_another_away() => Gen.Select(PodOf(Container), Grant.List[1, 3], Context).Sample((pod, grants, context) =>
    {
        static HashSet<string> Granted(CompileResult result) => [.. result.Sets.SelectMany(set => set.Lines.Where(line => !line.StartsWith("quota ", StringComparison.Ordinal)).Select(line => $"{set.Container}: {line}"))];
        var more = pod.DeepClone().AsObject();
        var permissions = more["spec"]!["containers"]![0]!["permissions"]!.AsObject();
        foreach (var (list, grant) in grants)
        {
            if (permissions[list] is not JsonArray) permissions[list] = new JsonArray();
            permissions[list]!.AsArray().Add(JsonNode.Parse(grant));
        }
        return Granted(PermissionCompiler.Compile(pod, context)).IsSubsetOf(Granted(PermissionCompiler.Compile(more, context)));
    }, iter: Iterations);

    [Fact]
    public void Nothing_is_granted_beyond_the_ceiling() => Gen.Select(PodOf(Container), Permissions, Context).Sample((pod, ceiling, context) =>
    {
        var result = PermissionCompiler.Compile(pod, Below(context, ceiling));
        var bound = new DeclarationReader(pod.NamespaceOf(), "", []).Read(JsonNode.Parse(ceiling), "spec");
        static bool Executes(ExplainedEntry entry) => entry.Entry.StartsWith("exec ", StringComparison.Ordinal);
        static bool Accepts(ExplainedEntry entry) => entry.Entry.StartsWith("accept ", StringComparison.Ordinal);
        bool Open() => context.NetworkPolicies.Count == 0 && !pod["spec"]!["containers"]!.AsArray().Any(container => container!["permissions"]!["sets"] is JsonArray || container["permissions"]!["accept"] is JsonArray);
        return (!bound.Entries.Any(Executes) || result.Sets.All(set => set.Entries.Any(Executes))) && (!bound.Entries.Any(Accepts) || !Open() || result.Sets.All(set => set.Entries.Any(Accepts))) && Entries(result).All(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) && parsed switch
        {
            CapabilityEntry.ConnectService service when ClusterDns.Is(service) => bound.Entries.Any(wide => CapabilityEntry.TryParse(wide.Entry, out var w) && ClusterDns.IsImpliedBy(w)),
            CapabilityEntry.ConnectService service => bound.Entries.Any(wide => wide.Entry == service.ToString()),
            CapabilityEntry.ConnectPods pods => bound.Entries.Any(wide => wide.Entry == pods.ToString()),
            CapabilityEntry.ConnectRange range => bound.Entries.Any(wide => CapabilityEntry.TryParse(wide.Entry, out var w) && w is CapabilityEntry.ConnectRange most && most.Protocol == range.Protocol && most.Network.Contains(range.Network.BaseAddress) && most.Network.PrefixLength <= range.Network.PrefixLength && range.Ports.Ports.All(most.Ports.Contains)),
            CapabilityEntry.ConnectHost host => bound.Entries.Any(wide => CapabilityEntry.TryParse(wide.Entry, out var w) && w is CapabilityEntry.ConnectHost most && (most.Host, most.Protocol) == (host.Host, host.Protocol) && host.Ports.Ports.All(most.Ports.Contains)),
            CapabilityEntry.Listen listen => bound.Entries.Any(wide => wide.Entry == listen.ToString()),
            CapabilityEntry.Execute file => !bound.Entries.Any(Executes) || bound.Entries.Any(wide => Coverage.Covers(wide.Entry, file.ToString())),
            CapabilityEntry.Accept accept => !bound.Entries.Any(Accepts) || bound.Entries.Any(wide => Coverage.Covers(wide.Entry, accept.ToString())),
            CapabilityEntry.Signal signal => bound.Entries.Any(wide => CapabilityEntry.TryParse(wide.Entry, out var w) && w is CapabilityEntry.Signal most && most.Container == signal.Container && signal.Signals.Split(',').All(most.Signals.Split(',').Contains)),
            CapabilityEntry.Files { Writable: true } files => entry.Source.FieldPath.Contains(".volumeMounts[", StringComparison.Ordinal) || bound.Entries.Any(wide => Coverage.Covers(wide.Entry, files.ToString())),
            CapabilityEntry.Device device => bound.Entries.Any(wide => Coverage.Covers(wide.Entry, device.ToString())),
            CapabilityEntry.HostPath host => bound.Entries.Any(wide => Coverage.Covers(wide.Entry, host.ToString())),
            CapabilityEntry.GateCall or CapabilityEntry.GateServe => bound.Entries.Any(wide => wide.Entry == entry.Entry),
            CapabilityEntry.GateAccept accept => MayAccept(bound, accept),
            CapabilityEntry.SharedMemory or CapabilityEntry.ApiToken or CapabilityEntry.HostFact => bound.Entries.Any(wide => wide.Entry == entry.Entry),
            CapabilityEntry.Quota quota => bound.Processes is not { } most || quota.Limit.Total <= most.Limit.Total && (most.Limit.Forks || !quota.Limit.Forks) && (most.Limit.Threads || !quota.Limit.Threads),
            _ => true,
        });
    }, iter: Iterations);

    /// <summary>Whom a ceiling names for the gate; where it names none, the pods of the gate's namespace.</summary>
    private static bool MayAccept(Declaration ceiling, CapabilityEntry.GateAccept accept)
    {
        var named = ceiling.Entries.Select(entry => entry.Entry).Where(line => line.StartsWith($"gate accept {accept.Gate} ", StringComparison.Ordinal)).ToList();
        return named.Count == 0 ? accept.Gate.StartsWith(accept.Namespace + "/", StringComparison.Ordinal) : named.Any(wide => Coverage.Covers(wide, accept.ToString()));
    }

    [Fact]
    public void No_gate_is_called_beyond_the_ceiling_of_those_who_serve_it() => Gen.Select(PodOf(Container), Permissions, Context).Sample((pod, ceiling, context) =>
    {
        var bounded = Below(context, ceiling);
        return Entries(PermissionCompiler.Compile(pod, bounded)).All(entry =>
        {
            if (!CapabilityEntry.TryParse(entry.Entry, out var parsed) || parsed is not CapabilityEntry.GateCall call || !context.Pods.Any(other => GatePublishers.Serves(other, call.Gate, context))) return true;
            var home = call.Gate.Split('/')[0];
            var named = new DeclarationReader(home, "", []).Read(JsonNode.Parse(ceiling), "spec").Entries.Select(line => CapabilityEntry.TryParse(line.Entry, out var wide) ? wide : null).OfType<CapabilityEntry.GateAccept>().Where(accept => accept.Gate == call.Gate).ToList();
            return named.Count == 0 ? pod.NamespaceOf() == home : named.Any(accept => accept.Namespace == pod.NamespaceOf() && accept.Pods.Selects(pod["metadata"]!["labels"]));
        });
    }, iter: Iterations / 5);

    [Fact]
    public void An_audit_takes_nothing_away_adds_nothing_but_audits_and_stays_below_the_ceiling() => Gen.Select(PodOf(Container), Permissions, Context, Among("audit", "off", "record")).Sample((pod, ceiling, context, level) =>
    {
        var bounded = Below(context, ceiling);
        var before = PermissionCompiler.Compile(pod, bounded).Sets;
        var widened = level == "record" ? bounded with { PermissionRecords = [JsonNode.Parse($$$$"""{"metadata":{"name":"r","namespace":"{{{{pod.NamespaceOf()}}}}"},"spec":{"workload":{"kind":"Pod","name":"p"}}}""")!.AsObject()] }
            : bounded with { Namespaces = [.. bounded.Namespaces.Select(home => { var labelled = home.DeepClone().AsObject(); labelled["metadata"]!["labels"] = new JsonObject { [Levels.Label] = level }; return labelled; })] };
        var bound = new DeclarationReader(pod.NamespaceOf(), "", []).Read(JsonNode.Parse(ceiling), "spec").Entries.Select(entry => entry.Entry).ToHashSet();
        // What a ceiling that does not speak of it leaves open: programs, and 256 processes.
        var most = new DeclarationReader(pod.NamespaceOf(), "", []).Read(JsonNode.Parse(ceiling), "spec").Processes?.Limit ?? ProcessLimit.Of(Declaration.DefaultProcesses, null);
        bool Unnamed(string line) => line == "audit exec /" ? !bound.Any(entry => entry.StartsWith("exec ", StringComparison.Ordinal)) : CapabilityEntry.TryParse(line, out var entry) && entry is CapabilityEntry.Audit { Bound: CapabilityEntry.Quota quota } && quota.Limit == most;
        bool Adds(IReadOnlyList<string> before, IReadOnlyList<string> after) => !before.Except(after).Any() && after.Except(before).All(line => ClusterDns.Is(line) ? after.Any(other => CapabilityEntry.TryParse(other, out var named) && ClusterDns.IsImpliedBy(named)) : level == "off" ? bound.Contains(line) || line == "exec /" && Unnamed("audit exec /") : line.StartsWith("audit ", StringComparison.Ordinal) && (bound.Contains(line["audit ".Length..]) || Unnamed(line)));
        return before.Zip(PermissionCompiler.Compile(pod, widened).Sets).All(pair => Adds(pair.First.Lines, pair.Second.Lines));
    }, iter: Iterations / 5);

    [Fact]
    public void A_gate_is_called_only_by_whom_everybody_who_serves_it_takes() => Gen.Select(PodOf(Container), Context).Sample((pod, context) =>
        Entries(PermissionCompiler.Compile(pod, context)).All(entry =>
        {
            if (!CapabilityEntry.TryParse(entry.Entry, out var parsed) || parsed is not CapabilityEntry.GateCall call) return true;
            var (home, name) = (call.Gate.Split('/')[0], call.Gate.Split('/')[1]);
            var published = context.Pods.Where(other => other.NamespaceOf() == home).SelectMany(other => other["spec"]!["containers"]!.AsArray()).SelectMany(container => container!["permissions"]!["publish"]!.AsArray()).Where(item => item!["gate"]!.ToString() == name).ToList();
            bool Takes(IEnumerable<JsonNode?> items)
            {
                // Generated are: nothing, all of shop, the web pods of ops, and an item that names nobody and is no declaration.
                var named = items.Select(item => item!["accept"]?[0]?["namespace"]?.ToString()).OfType<string>().ToList();
                return named.Count == 0 ? pod.NamespaceOf() == home : named.Contains(pod.NamespaceOf()) && (pod.NamespaceOf() == "shop" || pod["metadata"]!["labels"]!["app"]!.ToString() == "web");
            }
            return published.Count == 0 ? pod.NamespaceOf() == home : published.GroupBy(item => item!.Root).All(Takes);
        }), iter: Iterations);

    /// <summary>The field that a path such as <c>spec.containers[0].ports[1]</c> names.</summary>
    private static JsonNode? Resolve(JsonNode? node, string path)
    {
        foreach (var part in path.Replace("[", ".[", StringComparison.Ordinal).Split('.'))
            node = part[0] == '[' ? (node as JsonArray)?.ElementAtOrDefault(int.Parse(part[1..^1], System.Globalization.CultureInfo.InvariantCulture)) : node.At(part);
        return node;
    }
}
