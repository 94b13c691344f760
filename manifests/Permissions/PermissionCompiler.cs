using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// From what a pod declares to one capability set a container. Pure and total: the same input gives the same sets, and every error is
/// found at once, with its field path. No entry comes from anything but a declaration (DESIGN section 4).
/// </summary>
public static class PermissionCompiler
{
    /// <param name="pod">The pod, or a template with a namespace.</param>
    /// <param name="context">The cluster around it; null: the pod alone, as when a template is checked.</param>
    public static CompileResult Compile(JsonObject pod, CompileContext? context = null)
    {
        context ??= CompileContext.Nothing;
        var errors = new List<PermissionError>();
        var notes = new List<PermissionError>();
        var sets = new List<ContainerCapabilitySet>();
        var around = new Surroundings(pod, context, errors, notes);
        foreach (var list in new[] { "initContainers", "containers", "ephemeralContainers" })
        {
            if (pod.At("spec", list) is not JsonArray containers) continue;
            for (int i = 0; i < containers.Count; i++)
                if (containers[i] is JsonObject container) sets.Add(new ContainerScope(around, pod.At("spec"), container, $"spec.{list}[{i}]").Compile());
        }
        return new CompileResult(sets, errors) { Notes = notes };
    }
}

/// <summary>What is the same for every container of a pod: its namespace's defaults and ceiling, the policies that select it, and whether its peers take it.</summary>
internal sealed class Surroundings
{
    public const string Defaults = "eyrie.dev/permission-defaults", Ceiling = "eyrie.dev/permission-ceiling";
    private readonly CompileContext _context;
    private readonly Acceptance _acceptance;
    private readonly JsonNode? _labels;

    public Surroundings(JsonObject pod, CompileContext context, List<PermissionError> errors, List<PermissionError> notes)
    {
        (_context, _acceptance, Errors, Notes, Namespace, _labels) = (context, new Acceptance(context), errors, notes, pod.NamespaceOf(), pod.At("metadata", "labels"));
        var policies = new NetworkPolicies(context);
        Given = [.. policies.Of(Namespace, _labels)];
        Notes.AddRange(policies.Notes);
        var home = context.Namespaces.FirstOrDefault(item => item.NameOf() == Namespace);
        var annotations = home.At("metadata", "annotations");
        if (annotations.At(Defaults).Word() is { Length: > 0 } defaults) DefaultSet = Set(defaults, new SourceLocation($"metadata.annotations[{Defaults}]", Object: "namespace/" + Namespace));
        if (annotations.At(Ceiling).Word() is { Length: > 0 } ceiling) Bound = Set(ceiling, new SourceLocation($"metadata.annotations[{Ceiling}]", Object: "namespace/" + Namespace));
        Level = Levels.Of(pod, context, Bound, Errors);
        if (Bound is not null && !_acceptance.Says(pod)) Taken = [.. Bound.Entries.Where(IsAccept).Select(entry => entry with { Name = "" })];
    }

    public string Namespace { get; }
    public List<PermissionError> Errors { get; }
    public List<PermissionError> Notes { get; }
    public NodeFacts Node => _context.Node;
    /// <summary>From NetworkPolicies.</summary>
    public IReadOnlyList<ExplainedEntry> Given { get; }
    public Declaration? DefaultSet { get; }
    /// <summary>null: there is no ceiling.</summary>
    public Declaration? Bound { get; }

    /// <summary>A pod that everybody may connect to, below a ceiling that names who may, has the ceiling's.</summary>
    public IReadOnlyList<ExplainedEntry> Taken { get; } = [];

    /// <summary>Whether the ceiling says who may connect. One that does not leaves <c>accept</c> alone: an entry narrows there.</summary>
    public bool BoundsAccept => Bound?.Entries.Any(IsAccept) == true;

    private static bool IsAccept(ExplainedEntry entry) => entry.Entry.StartsWith("accept ", StringComparison.Ordinal);

    /// <summary>From the namespace's level, or a record of this workload; null: what is granted is all.</summary>
    public Level? Level { get; }

    /// <summary>A PermissionSet of this namespace. One that is not there declares nothing: as a ceiling, that nothing may be granted.</summary>
    public Declaration Set(string name, SourceLocation asked)
    {
        var found = _context.PermissionSets.FirstOrDefault(set => set.NamespaceOf() == Namespace && set.NameOf() == name);
        if (found is not null) return new DeclarationReader(Namespace, $"permissionset/{Namespace}/{name}", Errors).Read(found.At("spec"), "spec");
        if (!ReferenceEquals(_context, CompileContext.Nothing)) Errors.Add(new PermissionError(asked, $"there is no PermissionSet \"{name}\" in namespace {Namespace}"));
        return new Declaration();
    }

    /// <summary>null: the peer takes this pod; otherwise why not.</summary>
    public string? Refusing(CapabilityEntry entry)
    {
        if (entry is CapabilityEntry.GateCall call) return GatePublishers.Refusing(_context, call.Gate, Namespace, _labels);
        var (protocol, targets) = entry switch
        {
            CapabilityEntry.ConnectService service => (service.Protocol, OfService(service)),
            CapabilityEntry.ConnectPods pods => (pods.Protocol, Matching(pods.Namespace, pods.Pods).Select(pod => (pod, pods.Port))),
            _ => (Protocol.Tcp, []),
        };
        foreach (var (pod, port) in targets)
        {
            bool Takes(CapabilityEntry.Accept accept) => accept.Protocol == protocol && accept.Namespace == Namespace && accept.Pods.Selects(_labels) && accept.Ports.Contains(port);
            if (_acceptance.Refusing(pod, Takes) is { } why) return $"{(pod.NameOf() is { Length: > 0 } name ? $"pod {pod.NamespaceOf()}/{name}" : $"the policy of {pod.NamespaceOf()}")} does not accept this pod{why}";
        }
        return null;
    }

    private IEnumerable<JsonObject> Matching(string home, LabelSelector selector) => _context.Pods.Where(pod => pod.NamespaceOf() == home && selector.Selects(pod.At("metadata", "labels")));

    /// <summary>The pods behind a Service at the port it leads to; and, for policies that are there before the pods, its selector as if it were a pod.</summary>
    private IEnumerable<(JsonObject Pod, int Port)> OfService(CapabilityEntry.ConnectService grant)
    {
        var service = _context.Services.FirstOrDefault(item => $"{item.NamespaceOf()}/{item.NameOf()}" == grant.Service);
        if (service.At("spec", "selector") is not JsonObject { Count: > 0 } labels) yield break;
        var port = service.At("spec", "ports").Objects().FirstOrDefault(item => item["port"].Whole() == grant.Port && (Protocols.Of(item["protocol"].Word()) ?? Protocol.Tcp) == grant.Protocol);
        var home = service!.NamespaceOf();
        var expected = new JsonObject { ["metadata"] = new JsonObject { ["namespace"] = home, ["labels"] = labels.DeepClone() } };
        if (port?["targetPort"] is null or JsonValue && (port?["targetPort"].Whole() ?? (port?["targetPort"] is null ? grant.Port : null)) is { } number) yield return (expected, (int)number);
        foreach (var pod in Matching(home, LabelSelector.Of(labels.Select(label => KeyValuePair.Create(label.Key, label.Value.Word() ?? ""))))) yield return (pod, Target(port, pod, grant.Port));
    }

    private static int Target(JsonObject? port, JsonObject pod, int same)
    {
        if (port?["targetPort"] is not { } target) return same;
        if (target.Whole() is { } number) return (int)number;
        return (int)(pod.At("spec", "containers").Objects().SelectMany(container => container["ports"].Objects()).FirstOrDefault(named => named["name"].Word() == target.Word())?["containerPort"].Whole() ?? 0);
    }
}

/// <summary>One container.</summary>
internal sealed class ContainerScope(Surroundings around, JsonNode? spec, JsonObject container, string path)
{
    private const long DefaultMemory = 512L << 20;
    private readonly List<ExplainedEntry> _entries = [];

    public ContainerCapabilitySet Compile()
    {
        var own = new DeclarationReader(around.Namespace, "", around.Errors).Read(container["permissions"], path + ".permissions");
        List<Declaration> declared = [own, .. own.Sets.Select(set => around.Set(set.Name, set.Source))];
        if (around.DefaultSet is { } defaults) declared.Add(defaults);
        Resources(declared);
        Add(new CapabilityEntry.Log(), "name");
        Ports();
        Files(declared);
        Identity();
        _entries.AddRange(around.Given);
        _entries.AddRange(around.Taken);
        var optional = declared.SelectMany(declaration => declaration.Optional).ToHashSet();
        var transitional = declared.SelectMany(declaration => declaration.Transitional).ToHashSet();
        foreach (var entry in declared.SelectMany(declaration => declaration.Entries)) _entries.Add(entry);
        if (around.Level is { } level) _entries.AddRange(level.OfPod());
        foreach (var entry in _entries.Where(entry => entry.Name.Length > 0 && transitional.Contains(entry.Name))) around.Notes.Add(new PermissionError(entry.Source, $"transitional, to be removed: {entry.Entry}"));
        return new ContainerCapabilitySet(container["name"].Word() ?? "", [.. Fitting(WithNames(Widened(Executing(_entries.Where(entry => Allowed(entry, optional)).ToList()))))]);
    }

    /// <summary>What follows from the rest of the set: whom its gates accept below a ceiling, and what the level lets it do beyond its limits.</summary>
    private List<ExplainedEntry> Widened(List<ExplainedEntry> allowed)
    {
        if (around.Bound is { } bound) allowed.AddRange(GatePublishers.TakenBy(bound, allowed));
        if (around.Level is { } level) allowed.AddRange(level.OfContainer(allowed));
        return allowed;
    }

    /// <summary>A set that names nothing to be executed lets everything be: below a ceiling that names something it has the ceiling's.</summary>
    private List<ExplainedEntry> Executing(List<ExplainedEntry> allowed)
    {
        if (!allowed.Any(IsExecute) && around.Bound is { } bound) allowed.AddRange(bound.Entries.Where(IsExecute));
        if (allowed.Where(IsExecute).ToList() is { Count: > 0 } named && (container["command"] as JsonArray)?.FirstOrDefault().Word() is ['/', ..] program && !named.Any(entry => Coverage.Covers(entry.Entry, new CapabilityEntry.Execute(program).ToString())))
            around.Notes.Add(new PermissionError(new SourceLocation(path + ".command"), $"{program} is not among the files that may be executed (processes.exec): it starts only if it is a link to one of them"));
        return allowed;
    }

    private static bool IsExecute(ExplainedEntry entry) => entry.Entry.StartsWith("exec ", StringComparison.Ordinal);

    private void Add(CapabilityEntry entry, string field) => _entries.Add(new ExplainedEntry(entry.ToString(), new SourceLocation($"{path}.{field}")));

    private void Fail(string field, string message) => around.Errors.Add(new PermissionError(new SourceLocation($"{path}.{field}"), message));

    /// <summary>What has a name can be asked for: the first grant of that kind brings the name service along.</summary>
    private static IEnumerable<ExplainedEntry> WithNames(IEnumerable<ExplainedEntry> entries)
    {
        bool told = false;
        foreach (var explained in entries)
        {
            yield return explained;
            if (told || !CapabilityEntry.TryParse(explained.Entry, out var entry) || !ClusterDns.IsImpliedBy(entry)) continue;
            told = true;
            foreach (var implied in ClusterDns.Entries) yield return new ExplainedEntry(implied.ToString(), explained.Source);
        }
    }

    /// <summary>Within the ceiling, and taken by the other side.</summary>
    private bool Allowed(ExplainedEntry explained, HashSet<string> optional)
    {
        if (!CapabilityEntry.TryParse(explained.Entry, out var entry)) return false;
        if (entry is CapabilityEntry.Signal { Container: var other } && !new[] { "initContainers", "containers" }.Any(list => spec.At(list).Objects().Any(one => one["name"].Word() == other)))
        {
            (explained.Source.Object.Length > 0 ? around.Notes : around.Errors).Add(new PermissionError(explained.Source, $"the pod has no container \"{other}\" that could be signalled"));
            return false;
        }
        if (around.Bound is { } bound && IsBounded(entry, explained.Source) && !(entry is CapabilityEntry.GateAccept caller ? GatePublishers.IsWithin(bound, caller) : bound.Entries.Any(wide => Coverage.Covers(wide.Entry, explained.Entry))))
        {
            var beyond = new PermissionError(explained.Source, $"\"{explained.Entry}\" is beyond the ceiling of namespace {around.Namespace}; remove it, or let the ceiling's PermissionSet name it");
            // A policy is nobody's wish for this pod in particular: what it gives too much is left out, and the pod runs.
            bool spared = explained.Source.Object.StartsWith("networkpolicy/", StringComparison.Ordinal) || explained.Name.Length > 0 && optional.Contains(explained.Name);
            (spared ? around.Notes : around.Errors).Add(beyond);
            return false;
        }
        if (around.Refusing(entry is CapabilityEntry.Audit audit ? audit.Bound : entry) is not { } refusing) return true;
        around.Notes.Add(new PermissionError(explained.Source, $"not granted: \"{explained.Entry}\": {refusing}"));
        return false;
    }

    /// <summary>Whether a ceiling says how far it goes. Volumes are bounded by what may be mounted.</summary>
    private bool IsBounded(CapabilityEntry entry, SourceLocation source) => entry switch
    {
        CapabilityEntry.ConnectService or CapabilityEntry.ConnectPods or CapabilityEntry.ConnectRange or CapabilityEntry.ConnectHost or CapabilityEntry.Listen or CapabilityEntry.GateCall or CapabilityEntry.GateServe or CapabilityEntry.GateAccept => true,
        CapabilityEntry.SharedMemory or CapabilityEntry.HostPath or CapabilityEntry.ApiToken or CapabilityEntry.Device or CapabilityEntry.HostFact or CapabilityEntry.Signal => true,
        CapabilityEntry.Accept => around.BoundsAccept,
        CapabilityEntry.Execute => around.Bound?.Entries.Any(IsExecute) == true,
        CapabilityEntry.Files { Writable: true } => !source.FieldPath.Contains(".volumeMounts[", StringComparison.Ordinal) && !source.FieldPath.EndsWith(".terminationMessagePath", StringComparison.Ordinal),
        _ => false,
    };

    /// <summary>What the node's microkernel can hold: the line's length, and the number of lines.</summary>
    private IEnumerable<ExplainedEntry> Fitting(IEnumerable<ExplainedEntry> entries)
    {
        var seen = new HashSet<string>();
        bool told = false;
        foreach (var entry in entries)
        {
            if (entry.Entry.Length > around.Node.MaxEntryLength) around.Errors.Add(new PermissionError(entry.Source, $"the entry has more than {around.Node.MaxEntryLength} letters; grant fewer ports or labels at once"));
            else if (seen.Contains(entry.Entry) || seen.Count < around.Node.MaxEntries) { seen.Add(entry.Entry); yield return entry; }
            else if (!told) { told = true; around.Errors.Add(new PermissionError(entry.Source, $"a container cannot hold more than {around.Node.MaxEntries} entries; grant ranges instead of single ports")); }
        }
    }

    private void Resources(List<Declaration> declared)
    {
        JsonNode? limits = container.At("resources", "limits"), requests = container.At("resources", "requests");
        long memory = Amount(limits.At("memory"), "resources.limits.memory", 1) ?? DefaultMemory;
        long? limit = Amount(limits.At("cpu"), "resources.limits.cpu", 1000), request = Amount(requests.At("cpu"), "resources.requests.cpu", 1000);
        // A limit is a number of whole pages: the kernel rounds down, and the set must say what is in force.
        Add(new CapabilityEntry.Quota(Math.Max(memory / 4096, 1) * 4096, Processes(declared)), limits.At("memory") is null ? "resources" : "resources.limits.memory");
        if (limit is null && request is null) return;
        Add(new CapabilityEntry.Cpu(Math.Max(2, (long)Math.Min((decimal)(request ?? limit!.Value) * 1024 / 1000, 262144)), limit is { } bound ? Math.Max(bound, 10) : null), "resources");
    }

    /// <summary>The container's own word, or the largest of its sets'; never beyond the ceiling's.</summary>
    private ProcessLimit Processes(List<Declaration> declared)
    {
        var said = declared[0].Processes ?? declared.Skip(1).Select(declaration => declaration.Processes).Where(processes => processes is not null).OrderByDescending(processes => processes!.Value.Limit.Total).FirstOrDefault();
        var limit = said?.Limit ?? ProcessLimit.Of(Declaration.DefaultProcesses, null)!;
        if (around.Bound?.Processes is not { } most || limit.IsWithin(most.Limit)) return limit;
        if (said is { } asked) around.Errors.Add(new PermissionError(asked.Source, $"a limit of {limit} is beyond the ceiling of namespace {around.Namespace}, which is {most.Limit}"));
        return limit.Within(most.Limit);
    }

    private long? Amount(JsonNode? node, string field, int scale)
    {
        if (node is null) return null;
        if (node.Word() is { } text && Quantity.TryParse(text, scale, out long amount)) return amount;
        Fail(field, $"{node.ToJsonString()} is not a quantity; write for example 64Mi or 500m");
        return null;
    }

    private void Ports()
    {
        if (container["ports"] is not JsonArray ports) return;
        for (int i = 0; i < ports.Count; i++)
        {
            if (ports[i].At("containerPort").Whole() is not (> 0 and < 65536 and var port)) Fail($"ports[{i}].containerPort", "must be between 1 and 65535");
            else if (Protocols.Of(ports[i].At("protocol").Word()) is { } protocol) Add(new CapabilityEntry.Listen((int)port, protocol), $"ports[{i}]");
            else around.Notes.Add(new PermissionError(new SourceLocation($"{path}.ports[{i}].protocol"), $"not granted: {ports[i].At("protocol").Word()} is not available, only TCP and UDP"));
        }
    }

    private void Files(List<Declaration> declared)
    {
        bool writable = container.At("securityContext", "readOnlyRootFilesystem").Truth() == false;
        Add(new CapabilityEntry.Files("/", writable), writable ? "securityContext.readOnlyRootFilesystem" : "image");
        if (container["terminationMessagePath"].Word() is { Length: > 1 } message && CapabilityEntry.IsPath(message)) Add(new CapabilityEntry.Files(message, true), "terminationMessagePath");
        if (container["volumeMounts"] is not JsonArray mounts) return;
        for (int i = 0; i < mounts.Count; i++)
        {
            var target = mounts[i].At("mountPath").Word();
            if (!CapabilityEntry.IsPath(target)) Fail($"volumeMounts[{i}].mountPath", "must be an absolute path without spaces or \"..\"");
            else if (OfHost(mounts[i], declared) is { } missing) Fail($"volumeMounts[{i}]", $"the host's {missing.Path} needs a grant; add to the container: {Remedy.For(missing.ToString(), around.Namespace).Replace("\n", " ", StringComparison.Ordinal)}");
            else if (OfTokens(mounts[i], declared) is { } lacking) Fail($"volumeMounts[{i}]", $"the volume carries a token of the pod's account, which needs a grant; add to the container: {Remedy.For(lacking.ToString(), around.Namespace).Replace("\n", " ", StringComparison.Ordinal)}");
            else Add(new CapabilityEntry.Files(target!, mounts[i].At("readOnly").Truth() != true), $"volumeMounts[{i}]");
        }
    }

    /// <summary>The entry that a mount of the host's files lacks; null: it lacks none, or is no such mount.</summary>
    private CapabilityEntry.HostPath? OfHost(JsonNode? mount, List<Declaration> declared)
    {
        if (mount.At("name").Word() is not { } name || spec.At("volumes").Objects().FirstOrDefault(volume => volume["name"].Word() == name).At("hostPath", "path") is not { } node) return null;
        var path = node.Word() ?? "";
        var needed = new CapabilityEntry.HostPath(path.Length > 1 ? path.TrimEnd('/') : path, mount.At("readOnly").Truth() != true);
        return CapabilityEntry.IsPath(path) && declared.SelectMany(declaration => declaration.Entries).Any(entry => Coverage.Covers(entry.Entry, needed.ToString())) ? null : needed;
    }

    /// <summary>The token that a mounted volume carries and no grant allows; null: there is none.</summary>
    private CapabilityEntry.ApiToken? OfTokens(JsonNode? mount, List<Declaration> declared)
    {
        if (mount.At("name").Word() is not { } name || spec.At("volumes").Objects().FirstOrDefault(volume => volume["name"].Word() == name) is not { } volume) return null;
        return volume.At("projected", "sources").Objects().Select(source => source["serviceAccountToken"]).OfType<JsonObject>().Select(token => new CapabilityEntry.ApiToken(token["audience"].Word() ?? ""))
            .FirstOrDefault(token => !declared.Any(declaration => declaration.Entries.Any(entry => entry.Entry == token.ToString())));
    }

    private void Identity()
    {
        var named = new[] { "runAsUser", "runAsGroup" }.ToDictionary(name => name, name => container.At("securityContext", name) ?? spec.At("securityContext", name));
        foreach (var (name, node) in named)
            if (node is not null && node.Whole() is not (>= 0 and < uint.MaxValue)) Fail("securityContext." + name, string.Create(CultureInfo.InvariantCulture, $"{node.ToJsonString()} is not a number between 0 and {uint.MaxValue - 1}"));
        if (named["runAsUser"].Whole() is >= 0 and < uint.MaxValue and var user) Add(new CapabilityEntry.Identity(user, Math.Max(0, named["runAsGroup"].Whole() ?? 0)), "securityContext");
    }
}
