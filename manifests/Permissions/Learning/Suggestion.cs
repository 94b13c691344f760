using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Yaml;

namespace Eyrie.Manifests.Permissions.Learning;

/// <summary>
/// From a workload and what it was seen to use to the least permissions that cover it: declared grants that were used stay as they are, those that were not are proposed to go, and what only the audit let through (or what
/// was refused) is added, generalised where single grants would not last (<see cref="Generalisation"/>). Pure.
/// </summary>
public static class Suggestion
{
    private static readonly string[] Lists = ["connect", "listen", "files"];

    /// <param name="workload">The workload, as the cluster has it.</param>
    /// <param name="uses">What was seen, by container.</param>
    /// <param name="cluster">What is around it.</param>
    /// <param name="keepUnused">Grants that were not used stay.</param>
    public static Proposal For(JsonObject workload, IReadOnlyList<SeenUse> uses, CompileContext cluster, bool keepUnused = false)
    {
        uses = [.. uses.Where(use => !ClusterDns.Is(use.Entry))]; // comes along with what has a name
        var pod = DescribedPod.Of(workload)?.Pod ?? throw new ArgumentException("the workload describes no pod", nameof(workload));
        var enforced = cluster with { PermissionRecords = [], Namespaces = [.. cluster.Namespaces.Select(Enforced)] };
        var compiled = PermissionCompiler.Compile(pod, enforced);
        var specs = new[] { "initContainers", "containers" }.SelectMany(list => pod.At("spec", list).Objects().Select((spec, i) => (Spec: spec, Path: $"spec.{list}[{i}]"))).ToList();
        var containers = new List<ProposedContainer>();
        foreach (var (spec, path) in specs)
        {
            var name = spec["name"].Word() ?? "";
            var own = uses.Where(use => use.Container == name).Select(use => use.Resolved(cluster)).ToList();
            var set = compiled.Sets.FirstOrDefault(set => set.Container == name)?.Entries ?? [];
            containers.Add(Container(name, spec, path + ".permissions", set, own, pod.NamespaceOf(), keepUnused));
        }
        var proposal = new Proposal(containers, [], Digests.Of(pod.At("spec")));
        CompileResult Applied(Proposal proposal) => PermissionCompiler.Compile(DescribedPod.Of(proposal.AppliedTo(workload))!.Value.Pod, enforced);
        var refused = Applied(proposal).Errors;
        proposal = proposal with { Containers = [.. containers.Select((container, i) => Without(container, specs[i].Path + ".permissions", refused))] };
        var after = Applied(proposal);
        return proposal with { Problems = [.. refused.Select(error => $"not proposed: {error.Message}"), .. after.Errors.Select(error => $"would be refused: {error.Source}: {error.Message}"), .. after.Notes.Where(note => !compiled.Notes.Contains(note)).Select(note => $"{note.Source}: {note.Message}"), .. Open(after, containers, uses, cluster)] };
    }

    /// <summary>The container's proposal without the grants that the cluster would refuse, such as those beyond the ceiling.</summary>
    private static ProposedContainer Without(ProposedContainer container, string path, IReadOnlyList<PermissionError> refused)
    {
        var permissions = (JsonObject)container.Permissions.DeepClone();
        var grants = container.Grants.ToList();
        foreach (var list in Lists)
            foreach (var grant in permissions[list].Objects().Where((_, i) => refused.Any(error => error.Source.Object.Length == 0 && error.Source.FieldPath.StartsWith($"{path}.{list}[{i}]", StringComparison.Ordinal))).ToList())
            {
                if (grants.RemoveAll(proposed => proposed.Change == ProposedChange.Added && proposed.Grant == Line(list, grant)) > 0) Remove(permissions, list, grant);
            }
        return container with { Permissions = permissions, Grants = grants };
    }

    /// <summary>What was seen and would still not be allowed.</summary>
    private static IEnumerable<string> Open(CompileResult after, List<ProposedContainer> containers, IReadOnlyList<SeenUse> uses, CompileContext cluster) =>
        uses.Where(use => containers.Any(container => container.Container == use.Container)).Select(use => use.Resolved(cluster)).Select(use => (use.Container, use.Entry)).Distinct()
            .Where(use => !after.Sets.Any(set => set.Container == use.Container && ProcessProposal.Allows(set.Lines, use.Entry)))
            .Select(use => $"container {use.Container}: \"{use.Entry}\" was seen, and no declaration gives it");

    private static JsonObject Enforced(JsonObject home)
    {
        var plain = (JsonObject)home.DeepClone();
        (plain.At("metadata", "labels") as JsonObject)?.Remove(Levels.Label);
        return plain;
    }

    private static ProposedContainer Container(string name, JsonObject spec, string path, IReadOnlyList<ExplainedEntry> set, List<SeenUse> uses, string home, bool keepUnused)
    {
        var permissions = (JsonObject)(spec["permissions"]?.DeepClone() ?? new JsonObject());
        var grants = new List<ProposedGrant>();
        foreach (var list in Lists)
        {
            var declared = permissions[list].Objects().ToList();
            for (int i = 0; i < declared.Count; i++)
            {
                var entries = set.Where(entry => entry.Source.Object.Length == 0 && entry.Source.FieldPath == $"{path}.{list}[{i}]").ToList();
                long count = uses.Where(use => entries.Any(entry => Coverage.Covers(entry.Entry, use.Entry))).Sum(use => use.Count);
                bool elsewhere = entries.Any(entry => entry.Entry.EndsWith(" read", StringComparison.Ordinal));
                if (count > 0 || keepUnused || elsewhere || entries.Count == 0) grants.Add(new ProposedGrant(ProposedChange.Kept, Line(list, declared[i]), count > 0 ? Words.Times("used", count) : elsewhere ? "every file of the image may be read, with it or without" : "was not used"));
                else
                {
                    grants.Add(new ProposedGrant(ProposedChange.Removed, Line(list, declared[i]), "was not used while it was recorded"));
                    Remove(permissions, list, declared[i]);
                }
            }
        }
        grants.AddRange(ProcessProposal.Apply(permissions, set, uses, keepUnused));
        var missing = uses.Where(use => !ProcessProposal.Concerns(use) && !set.Any(entry => Coverage.Covers(entry.Entry, use.Entry))).ToList();
        foreach (var (entry, why) in Generalisation.Of(missing))
        {
            if (Remedy.Grant(entry, home) is not var (list, lines)) continue;
            var grant = ManifestReader.Read(lines, "grant")[0].Content;
            if (permissions[list] is not JsonArray items) permissions[list] = items = [];
            items.Add(grant);
            grants.Add(new ProposedGrant(ProposedChange.Added, Line(list, grant), why));
        }
        return new ProposedContainer(name, permissions, grants);
    }

    /// <summary>The grant goes, and its name with it.</summary>
    private static void Remove(JsonObject permissions, string list, JsonObject grant)
    {
        var items = (JsonArray)permissions[list]!;
        items.Remove(grant);
        if (items.Count == 0) permissions.Remove(list);
        foreach (var names in new[] { "optional", "transitional" })
            if (permissions[names] is JsonArray named && grant["name"].Word() is { } name && named.FirstOrDefault(item => item.Word() == name) is { } found)
            {
                named.Remove(found);
                if (named.Count == 0) permissions.Remove(names);
            }
    }

    private static string Line(string list, JsonObject grant) => $"{list}: {FlowYaml.Of(grant)}";
}

internal static class Words
{
    public static string Times(string what, long count) => string.Create(CultureInfo.InvariantCulture, $"{what} {(count == 1 ? "once" : $"{count} times")}");
}
