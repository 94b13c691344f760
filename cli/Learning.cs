using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests.Permissions.Learning;

namespace Eyrie.Cli;

/// <summary>permissions record, suggest and approve: a workload runs in audit for a while, the least set that covers what was seen is proposed, and applied as it was reviewed.</summary>
public static class Learning
{
    private const string Records = "/apis/eyrie.dev/v1/namespaces/{0}/permissionrecords";

    /// <summary>A workload, where it is stored, and its record.</summary>
    private sealed record Found(JsonObject Document, string Path, WorkloadName Workload, JsonObject? Record)
    {
        public string RecordsPath => string.Format(CultureInfo.InvariantCulture, Records, Workload.Namespace);
        public string RecordPath => $"{RecordsPath}/{PermissionRecord.NameFor(Workload)}";
    }

    private static async Task<Found> FindAsync(Cluster cluster, string target, string home)
    {
        var parts = target.Split('/');
        if (parts.Length > 2) throw new Failure($"\"{target}\" is not KIND/NAME or the name of a pod");
        var type = (await Resources.DiscoverAsync(cluster)).Named(parts.Length == 2 ? parts[0] : "pods");
        var path = $"{type.Collection(home)}/{parts[^1]}";
        var document = await cluster.GetAsync(path) ?? throw new Failure($"there is no {target} in namespace {home}");
        document["kind"] ??= type.Kind;
        var workload = new WorkloadName(document["kind"]!.ToString(), home, parts[^1]);
        if (!PermissionRecord.Workloads.Contains(workload.Kind)) throw new Failure($"{target} has no pods; known are {string.Join(", ", PermissionRecord.Workloads)}");
        return new Found(document, path, workload, await cluster.GetAsync($"{string.Format(CultureInfo.InvariantCulture, Records, home)}/{PermissionRecord.NameFor(workload)}"));
    }

    /// <summary>Such as 90s, 10m or 2h.</summary>
    public static TimeSpan Duration(string text)
    {
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0)
            switch (text[^1])
            {
                case 's': return TimeSpan.FromSeconds(number);
                case 'm': return TimeSpan.FromMinutes(number);
                case 'h': return TimeSpan.FromHours(number);
            }
        throw new Failure($"\"{text}\" is not a time such as 90s, 10m or 2h");
    }

    public static async Task RecordAsync(Cluster cluster, string target, string home, TimeSpan span, bool stop)
    {
        var found = await FindAsync(cluster, target, home);
        static string Time(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        if (stop)
        {
            if (found.Record is not { } running || !PermissionRecord.Runs(running)) throw new Failure($"{found.Workload} is not recorded");
            await cluster.CallAsync(HttpMethod.Patch, found.RecordPath, new JsonObject { ["spec"] = new JsonObject { ["until"] = Time(DateTimeOffset.UtcNow) } }, "application/merge-patch+json"); // uses are written to the record meanwhile
            Console.WriteLine($"the record of {found.Workload} ends; its containers are restarted without the audit");
            return;
        }
        if (found.Record is { } before && PermissionRecord.Runs(before)) throw new Failure($"{found.Workload} is recorded already, until {before["spec"]!["until"]}; end that with: eyrie permissions record {target} --stop");
        if (found.Record is not null) await cluster.CallAsync(HttpMethod.Delete, found.RecordPath, null);
        var until = Time(DateTimeOffset.UtcNow + span);
        await cluster.CallAsync(HttpMethod.Post, found.RecordsPath, new JsonObject
        {
            ["apiVersion"] = "eyrie.dev/v1", ["kind"] = "PermissionRecord", ["metadata"] = new JsonObject { ["name"] = PermissionRecord.NameFor(found.Workload), ["namespace"] = home },
            ["spec"] = new JsonObject { ["workload"] = new JsonObject { ["kind"] = found.Workload.Kind, ["name"] = found.Workload.Name }, ["until"] = until },
        });
        Console.WriteLine($"{found.Workload} is recorded until {until}: its containers are restarted, what no grant allows is let through and counted. What it does only when its volumes are empty is seen of pods that are made meanwhile{(found.Workload.Kind is "Deployment" or "StatefulSet" or "DaemonSet" ? $": kubectl rollout restart {target}" : "")}. Then: eyrie permissions suggest {target}");
    }

    public static async Task SuggestAsync(Cluster cluster, string target, string home, bool keepUnused)
    {
        var (found, proposal) = await ProposeAsync(cluster, target, home, keepUnused);
        foreach (var container in proposal.Containers.Where(container => container.Grants.Count > 0))
        {
            Console.WriteLine($"container {container.Container}");
            foreach (var grant in container.Grants) Console.WriteLine($"  {grant.Change switch { ProposedChange.Added => '+', ProposedChange.Removed => '-', _ => '=' }} {grant.Grant}    # {grant.Why}");
        }
        foreach (var problem in proposal.Problems) Console.WriteLine($"note: {problem}");
        if (RecordedUses.Dropped(found.Record!) is > 0 and var dropped) Console.WriteLine($"note: {dropped} uses found no room in the record; grant what is proposed and record again");
        if (PermissionRecord.Runs(found.Record!)) Console.WriteLine($"note: the record goes on until {found.Record!["spec"]!["until"]}; what is seen then may change this");
        if (proposal.ChangesNothing) { Console.WriteLine("what is granted is what was used"); return; }
        foreach (var container in proposal.Containers)
            Console.WriteLine($"\nfor the manifest, container {container.Container}:\n{container.ToYaml()}\n");
        Console.WriteLine($"To apply it: eyrie permissions approve {target}{(keepUnused ? " --keep-unused" : "")} --digest {proposal.Digest}");
    }

    public static async Task ApproveAsync(Cluster cluster, string target, string home, bool keepUnused, string digest)
    {
        var (found, proposal) = await ProposeAsync(cluster, target, home, keepUnused);
        if (PermissionRecord.Runs(found.Record!)) throw new Failure($"the record goes on until {found.Record!["spec"]!["until"]}; wait for it, or end it with: eyrie permissions record {target} --stop");
        if (proposal.Differs(digest) is { } differs) throw new Failure($"not applied: {differs}; look at it again: eyrie permissions suggest {target}");
        await cluster.CallAsync(HttpMethod.Put, found.Path, proposal.AppliedTo(found.Document)); // with the revision that was looked at
        Console.WriteLine($"{found.Workload} has the permissions that were reviewed");
    }

    private static async Task<(Found, Proposal)> ProposeAsync(Cluster cluster, string target, string home, bool keepUnused)
    {
        var found = await FindAsync(cluster, target, home);
        if (found.Record is not { } record) throw new Failure($"{found.Workload} was not recorded; begin with: eyrie permissions record {target} --for 10m");
        return (found, Suggestion.For(found.Document, RecordedUses.Of(record), await Permissions.AroundAsync(cluster), keepUnused));
    }
}
