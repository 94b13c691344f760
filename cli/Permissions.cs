using System.CommandLine;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests.Yaml;

namespace Eyrie.Cli;

/// <summary>A pod to look at: a manifest's, or one of the cluster's.</summary>
public sealed record PermissionTarget(JsonObject Pod, string Path, ManifestDocument? Document)
{
    /// <summary>Where something stands: file, line and column for a manifest.</summary>
    public string Place(SourceLocation source) =>
        source.Object.Length == 0 && Document?.PlaceOf(Path + source.FieldPath) is { Line: > 0 } place ? $"{place.File}:{place.Line}:{place.Column}" : source.ToString();
}

/// <summary>permissions explain, diff, graph, doctor and score: what the library says, printed.</summary>
public static class Permissions
{
    public static Command Command(Func<ParseResult, Cluster?> open, Option<string> namespaceOption, Func<Func<Task>, Task<int>> guard)
    {
        var target = new Argument<string>("target") { Description = "A manifest file, KIND/NAME, or the name of a pod." };
        var other = new Argument<string>("other") { Description = "The newer one, of the same form." };
        var dot = new Option<bool>("--dot") { Description = "As Graphviz reads it." };
        Command Make(string name, string description, Func<ParseResult, Cluster?, string, Task> run, params Symbol[] symbols)
        {
            var command = new Command(name, description);
            foreach (var symbol in symbols)
                if (symbol is Argument argument) command.Add(argument);
                else command.Add((Option)symbol);
            command.SetAction(async (parsed, _) => await guard(async () =>
            {
                using var cluster = open(parsed);
                await run(parsed, cluster, parsed.GetValue(namespaceOption)!);
            }));
            return command;
        }
        var workload = new Argument<string>("workload") { Description = "KIND/NAME, or the name of a pod." };
        var span = new Option<string>("--for") { Description = "How long, such as 90s, 10m or 2h.", DefaultValueFactory = _ => "10m" };
        var stop = new Option<bool>("--stop") { Description = "Ends the record now." };
        var keep = new Option<bool>("--keep-unused") { Description = "Grants that were not used stay, and nothing that is open (programs, the number of processes) is narrowed." };
        var digest = new Option<string>("--digest") { Description = "What `suggest` printed: the manifest and the proposal that were reviewed.", Required = true };
        return new Command("permissions", "What containers may do, and why.")
        {
            Make("record", "Runs a workload in audit for a while and counts what it uses.", async (parsed, cluster, home) => await Learning.RecordAsync(Needed(cluster), parsed.GetValue(workload)!, home, Learning.Duration(parsed.GetValue(span)!), parsed.GetValue(stop)), workload, span, stop),
            Make("suggest", "Proposes the least permissions that cover what was recorded, and says why.", async (parsed, cluster, home) => await Learning.SuggestAsync(Needed(cluster), parsed.GetValue(workload)!, home, parsed.GetValue(keep)), workload, keep),
            Make("approve", "Applies what was suggested, if neither the workload nor the proposal has changed since.", async (parsed, cluster, home) =>
                await Learning.ApproveAsync(Needed(cluster), parsed.GetValue(workload)!, home, parsed.GetValue(keep), parsed.GetValue(digest)!), workload, keep, digest),
            Make("explain", "Prints every entry of the capability sets with the declaration it comes from.", async (parsed, cluster, home) => Explain(await TargetsAsync(cluster, parsed.GetValue(target)!, home), await AroundAsync(cluster)), target),
            Make("diff", "Prints what the second may do that the first may not, and the other way round.", async (parsed, cluster, home) =>
                Diff((await TargetsAsync(cluster, parsed.GetValue(target)!, home)), await TargetsAsync(cluster, parsed.GetValue(other)!, home), await AroundAsync(cluster)), target, other),
            Make("graph", "Prints who may talk to whom in the cluster.", async (parsed, cluster, _) => Graph(await AroundAsync(Needed(cluster)), parsed.GetValue(dot)), dot),
            Make("doctor", "Says what a pod was refused and which lines would grant it.", async (parsed, cluster, home) => await DoctorAsync(Needed(cluster), parsed.GetValue(target)!, home), target),
            Make("score", "Prints how much of the world each container can reach.", async (parsed, cluster, home) => Score(await TargetsAsync(cluster, parsed.GetValue(target)!, home), await AroundAsync(cluster)), target),
        };
    }

    private static Cluster Needed(Cluster? cluster) => cluster ?? throw new Failure("there is no cluster; start one with: eyrie up FILE");

    private static async Task<List<PermissionTarget>> TargetsAsync(Cluster? cluster, string target, string home)
    {
        if (File.Exists(target))
        {
            var found = ManifestReader.Read(await File.ReadAllTextAsync(target), target).Select(document => DescribedPod.Of(document.Content) is { } at ? new PermissionTarget(at.Pod, at.Path, document) : null).OfType<PermissionTarget>().ToList();
            return found.Count > 0 ? found : throw new Failure($"{target}: there is no pod and no workload in it");
        }
        var parts = target.Split('/');
        if (parts.Length > 2) throw new Failure($"\"{target}\" is no file, and not KIND/NAME or the name of a pod");
        var resources = await Resources.DiscoverAsync(Needed(cluster));
        var type = resources.Named(parts.Length == 2 ? parts[0] : "pods");
        var stored = await cluster!.GetAsync($"{type.Collection(home)}/{parts[^1]}") ?? throw new Failure($"there is no {target} in namespace {home}");
        return DescribedPod.Of(stored) is { } pod ? [new PermissionTarget(pod.Path.Length == 0 ? stored : pod.Pod, pod.Path, null)] : throw new Failure($"{target} has no pods");
    }

    /// <summary>The cluster around a pod; without a cluster nothing is.</summary>
    internal static async Task<CompileContext> AroundAsync(Cluster? cluster)
    {
        if (cluster is null) return CompileContext.Nothing;
        async Task<List<JsonObject>> AllAsync(string path) => [.. (await cluster.GetAsync(path))?["items"]?.AsArray().OfType<JsonObject>() ?? []];
        return new CompileContext
        {
            Namespaces = await AllAsync("/api/v1/namespaces"), NetworkPolicies = await AllAsync("/apis/networking.k8s.io/v1/networkpolicies"), Services = await AllAsync("/api/v1/services"), Pods = await AllAsync("/api/v1/pods"),
            PermissionSets = await AllAsync("/apis/eyrie.dev/v1/permissionsets"), PermissionRecords = await AllAsync("/apis/eyrie.dev/v1/permissionrecords"),
        };
    }

    private static void Explain(List<PermissionTarget> targets, CompileContext around)
    {
        foreach (var target in targets)
        {
            var result = PermissionCompiler.Compile(target.Pod, around);
            foreach (var set in result.Sets)
            {
                Console.WriteLine($"{target.Pod.NamespaceOf()}/{target.Pod.NameOf()}, container {set.Container}");
                var entries = set.Entries.OrderBy(entry => entry.Entry, StringComparer.Ordinal).ToList();
                int width = entries.Max(entry => entry.Entry.Length);
                foreach (var entry in entries) Console.WriteLine($"  {entry.Entry.PadRight(width)}  {target.Place(entry.Source)}");
            }
            foreach (var note in result.Notes) Console.WriteLine($"  note: {target.Place(note.Source)}: {note.Message}");
            if (result.Errors.Count > 0) throw new Failure(string.Join('\n', result.Errors.Select(error => $"{target.Place(error.Source)}: {error.Message}")));
        }
    }

    private static void Diff(List<PermissionTarget> before, List<PermissionTarget> after, CompileContext around)
    {
        bool single = before.Count == 1 && after.Count == 1; // two pods are compared whatever their names
        static string Key(PermissionTarget target) => $"{target.Pod.NamespaceOf()}/{target.Pod.NameOf()}";
        foreach (var key in before.Concat(after).Select(Key).Distinct().Take(single ? 1 : int.MaxValue))
        {
            IEnumerable<ContainerCapabilitySet> Sets(List<PermissionTarget> targets) => targets.Where(target => single || Key(target) == key).SelectMany(target => PermissionCompiler.Compile(target.Pod, around).Sets);
            foreach (var difference in SetDifference.Of(Sets(before), Sets(after)).Where(difference => !difference.Nothing))
            {
                Console.WriteLine($"{key}, container {difference.Container}");
                foreach (var line in difference.Wider) Console.WriteLine($"  + {line}");
                foreach (var line in difference.Narrower) Console.WriteLine($"  - {line}");
                foreach (var line in difference.Restated) Console.WriteLine($"  = {line}    (allowed before)");
            }
        }
    }

    private static void Graph(CompileContext cluster, bool dot)
    {
        var edges = PermissionGraph.Of(cluster);
        if (dot) { Console.Write(PermissionGraph.ToDot(edges)); return; }
        foreach (var edge in edges) Console.WriteLine($"{edge.From} -> {edge.To} : {edge.Ports}");
    }

    private static async Task DoctorAsync(Cluster cluster, string name, string home)
    {
        var target = (await TargetsAsync(cluster, name, home)).Single();
        var events = await cluster.GetAsync($"/api/v1/namespaces/{home}/events");
        var about = events?["items"]?.AsArray().OfType<JsonObject>().Where(item => item["involvedObject"]?["name"]?.ToString() == target.Pod.NameOf() && item["involvedObject"]?["kind"]?.ToString() == "Pod") ?? [];
        var findings = Diagnosis.Of(target.Pod, about, await AroundAsync(cluster));
        if (findings.Count == 0) { Console.WriteLine("nothing was refused for want of a grant, and every grant can be used"); return; }
        foreach (var finding in findings)
        {
            Console.WriteLine("- " + finding.Problem);
            if (finding.Remedy.Length > 0) Console.WriteLine($"  To allow it, add to container {finding.Container}:\n    {finding.Remedy.Replace("\n", "\n    ", StringComparison.Ordinal)}");
        }
    }

    private static void Score(List<PermissionTarget> targets, CompileContext around)
    {
        Console.WriteLine($"{"CONTAINER",-32} {"SYSTEM CALLS",12} {"PEERS",6} {"ADDRESSES",11} {"LISTENS",8} {"WRITABLE",9} {"PROCESSES",10}");
        foreach (var target in targets)
        {
            var result = PermissionCompiler.Compile(target.Pod, around);
            foreach (var score in result.Sets.Select(PermissionScore.Of))
                Console.WriteLine($"{$"{target.Pod.NameOf()}/{score.Container}",-32} {score.SystemCalls,12} {score.ClusterPeers,6} {score.Addresses,11} {score.ListeningPorts,8} {score.WritablePaths,9} {score.Processes,10}");
            foreach (var note in result.Notes.Where(note => note.Message.StartsWith("transitional", StringComparison.Ordinal))) Console.WriteLine($"  {target.Place(note.Source)}: {note.Message}");
        }
        Console.WriteLine($"System calls that reach the host's kernel; Docker's default profile: about {PermissionScore.DockerDefault}, gVisor's own: {PermissionScore.GvisorHost}.");
    }

    /// <summary>caps verify: every running pod's sets, read back from its node's kernel.</summary>
    public static async Task VerifyAsync(Cluster cluster)
    {
        int equal = 0;
        var differs = new List<string>();
        foreach (var pod in (await cluster.GetAsync("/api/v1/pods"))!["items"]!.AsArray().OfType<JsonObject>().Where(pod => pod["status"]?["phase"]?.ToString() == "Running" && pod["metadata"]!["deletionTimestamp"] is null))
        {
            var found = await cluster.GetAsync($"/apis/eyrie.dev/v1/namespaces/{pod.NamespaceOf()}/pods/{pod.NameOf()}/capabilities");
            foreach (var set in found?["containers"]?.AsArray().OfType<JsonObject>() ?? [])
            {
                if (set["kernel"] is JsonArray { Count: 0 }) continue; // an init container that is done
                if (set["equal"]!.GetValue<bool>()) { equal++; continue; }
                string Lines(string one, string two) => string.Join("; ", set[one]!.AsArray().Select(line => line!.ToString()).Except(set[two]!.AsArray().Select(line => line!.ToString())));
                differs.Add($"{pod.NamespaceOf()}/{pod.NameOf()} container {set["name"]}: only compiled [{Lines("compiled", "kernel")}], only in the kernel [{Lines("kernel", "compiled")}]");
            }
        }
        Console.WriteLine($"{equal} containers hold exactly what was compiled");
        if (differs.Count > 0) throw new Failure($"{differs.Count} differ:\n" + string.Join('\n', differs));
    }
}
