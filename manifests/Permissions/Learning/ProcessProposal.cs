using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions.Learning;

/// <summary>
/// What <c>processes</c> of a container should say, from what it executed and how many processes it had at once. Where nothing is declared everything may be executed and 256 processes started, so that the proposal narrows; what
/// is declared and was used stays. Pure.
/// </summary>
internal static class ProcessProposal
{
    /// <summary>Whether this is a use that <c>processes</c> speaks of.</summary>
    public static bool Concerns(SeenUse use) => use.Operation is "execute" or "load" or "fork";

    /// <summary>Whether a set allows a use. So many processes and threads are within a limit of so many, whichever of the two it lets be made: the filter of system calls sees to the kind.</summary>
    public static bool Allows(IEnumerable<string> lines, string use) => lines.Any(line => Coverage.Covers(line, use)
        || CapabilityEntry.TryParse(use, out var seen) && seen is CapabilityEntry.Quota { Limit.Total: var total } && CapabilityEntry.TryParse(line, out var held) && held is CapabilityEntry.Quota quota && quota.Limit.Total >= total);

    /// <summary>How many are proposed for so many at once: half as many again, up to the next power of two. One alone stays alone.</summary>
    public static long Room(long seen) => seen <= 1 ? 1 : (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)(seen + (seen + 1) / 2));

    /// <summary>Changes the container's permissions, and says what and why.</summary>
    /// <param name="permissions">The whole field.</param>
    /// <param name="set">The container's set, under enforcement.</param>
    /// <param name="uses">All that the container was seen to do.</param>
    /// <param name="keepUnused">Nothing becomes narrower.</param>
    public static IReadOnlyList<ProposedGrant> Apply(JsonObject permissions, IReadOnlyList<ExplainedEntry> set, IReadOnlyList<SeenUse> uses, bool keepUnused)
    {
        var processes = permissions["processes"] as JsonObject ?? [];
        var grants = new List<ProposedGrant>();
        var (added, reasons) = (new JsonObject(), new List<string>());
        Execute(processes, set, [.. uses.Where(use => use.Operation is "execute" or "load")], Made(set, uses), keepUnused, grants, added, reasons);
        Count(processes, set, [.. uses.Where(use => use.Operation == "fork")], keepUnused, added, reasons);
        if (added.Count > 0) grants.Add(new ProposedGrant(ProposedChange.Added, $"processes: {FlowYaml.Of(added)}", string.Join("; ", reasons)));
        if (processes.Count > 0 && processes.Parent is null) permissions["processes"] = processes;
        return grants;
    }

    /// <summary>Volumes and other writable directories, and what was written elsewhere. A root that can be written whole says nothing of where programs are made.</summary>
    private static List<(string Path, string Directory)> Made(IReadOnlyList<ExplainedEntry> set, IReadOnlyList<SeenUse> uses)
    {
        static string? Directory(string line) => CapabilityEntry.TryParse(line, out var entry) && entry is CapabilityEntry.Files { Writable: true } files ? files.Path : null;
        return [.. set.Select(entry => Directory(entry.Entry)).OfType<string>().Where(path => path != "/").Select(path => (path, path)),
            .. uses.Where(use => use.Operation == "write" && Directory(use.Entry) is not null).Select(use => (use.Target, Directory(use.Entry)!))];
    }

    private static void Execute(JsonObject processes, IReadOnlyList<ExplainedEntry> set, IReadOnlyList<SeenUse> uses, IReadOnlyList<(string Path, string Directory)> made, bool keepUnused, List<ProposedGrant> grants, JsonObject added, List<string> reasons)
    {
        if (uses.Count == 0) return; // the host tells nothing of it
        bool open = !set.Any(entry => entry.Entry.StartsWith("exec ", StringComparison.Ordinal));
        if (open && keepUnused) return;
        var named = processes["exec"] as JsonArray ?? [];
        foreach (var path in named.ToList())
        {
            var entry = new CapabilityEntry.Execute(path.Word() ?? "").ToString();
            long count = uses.Where(use => Coverage.Covers(entry, use.Entry)).Sum(use => use.Count);
            bool unused = count == 0 && !keepUnused;
            grants.Add(new ProposedGrant(unused ? ProposedChange.Removed : ProposedChange.Kept, $"processes: {{exec: [{path.Word()}]}}", count > 0 ? Words.Times("used", count) : unused ? "nothing was run from it while it was recorded" : "was not used"));
            if (unused) named.Remove(path);
        }
        var missing = Programs.Of([.. uses.Where(use => !set.Any(entry => Coverage.Covers(entry.Entry, use.Entry)))], made);
        if (missing.Count > 0)
        {
            added["exec"] = new JsonArray([.. missing.Select(program => (JsonNode)program.Path)]);
            reasons.Add((open ? "everything could be executed: " : "") + string.Join(", ", missing.Select(program => program.Why)));
            foreach (var (path, _) in missing) named.Add(path);
        }
        if (named.Count == 0) processes.Remove("exec");
        else if (named.Parent is null) processes["exec"] = named;
    }

    private static void Count(JsonObject processes, IReadOnlyList<ExplainedEntry> set, IReadOnlyList<SeenUse> uses, bool keepUnused, JsonObject added, List<string> reasons)
    {
        var peaks = uses.Select(use => (Use: use, Quota: CapabilityEntry.TryParse(use.Entry, out var entry) ? entry as CapabilityEntry.Quota : null)).Where(peak => peak.Quota is not null).ToList();
        if (peaks.Count == 0 || set.Select(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) ? parsed as CapabilityEntry.Quota : null).FirstOrDefault(quota => quota is not null) is not { Limit: var limit }) return;
        long seen = peaks.Max(peak => peak.Quota!.Limit.Total), most = peaks.Max(peak => long.TryParse(peak.Use.Target, NumberStyles.None, CultureInfo.InvariantCulture, out long known) ? known : 0);
        bool beyond = seen > limit.Total, said = limit.Total != Declaration.DefaultProcesses || processes.ContainsKey("max") || processes.ContainsKey("fork") || processes.ContainsKey("threads");
        long wanted = Room(Math.Max(seen, most));
        if (!beyond && (said || keepUnused || most == 0 || wanted >= limit.Total)) return;
        foreach (var name in new[] { "max", "fork", "threads" }) processes.Remove(name);
        var (field, value) = wanted == 1 ? ("fork", (JsonNode)false) : ("max", (JsonNode)wanted);
        processes[field] = value;
        added[field] = value.DeepClone();
        reasons.Add(string.Create(CultureInfo.InvariantCulture, $"there {(seen == 1 ? "was 1 process and no further thread" : $"were {seen} processes and threads at once")}{(beyond ? $", and {limit} is what is granted" : most > seen ? $", and no more than {most}" : "")}"));
    }
}
