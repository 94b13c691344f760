using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers.Collection;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Collection;

/// <summary>Namespaces with random contents come to their end, and random pods are garbage or not, each against its rule said once more by hand.</summary>
[Collection(nameof(Alone))]
public sealed class CollectionPropertyTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly Gen<int> Seeds = Gen.Int[0, int.MaxValue - 1];

    /// <summary>Deletions fail, finalizers stay on for a while, and somebody makes more.</summary>
    [Fact]
    public void A_namespace_goes_when_it_is_empty_its_pods_before_the_rest_and_tells_what_is_left() => Seeds.Sample(seed =>
    {
        var (chance, now, number) = (new Random(seed), Start, 0);
        var home = Json("""{"metadata":{"name":"shop","uid":"u","deletionTimestamp":"2026-01-01T11:00:00Z"},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Terminating"}}""");
        ResourceKind[] kinds = [Kinds.ConfigMap, Kinds.Pod, Kinds.Secret, Kinds.Deployment];
        var there = new List<(ResourceKind Kind, JsonObject Item)>();
        void Make()
        {
            var item = new JsonObject { ["metadata"] = new JsonObject { ["name"] = $"o{number++}" } };
            if (chance.Next(3) == 0) item["metadata"]!["finalizers"] = new JsonArray([.. new[] { "example.com/a", "example.com/b" }.Where(_ => chance.Next(2) == 0).Select(name => (JsonNode)name)]);
            there.Add((kinds[chance.Next(kinds.Length)], item));
        }
        static List<string> Held(JsonObject item) => [.. (item["metadata"]!["finalizers"] as JsonArray ?? []).Select(name => name!.ToString())];
        for (int i = chance.Next(8); i > 0; i--) Make();
        var (failures, since) = (new List<string>(), new Dictionary<string, (string Status, string At)>());
        for (int round = 0; ; round++)
        {
            Assert.True(round < 60, $"seed {seed}: it does not end; left are {string.Join(' ', there.Select(entry => entry.Item))}");
            var step = NamespacePlan.Decide(home, [.. kinds.Select(kind => new NamespaceContent(kind, [.. there.Where(entry => entry.Kind == kind).Select(entry => entry.Item)]))], failures, now);
            var pods = there.Where(entry => entry.Kind == Kinds.Pod).ToList();
            var due = (pods.Count > 0 ? pods : there).Where(entry => entry.Item["metadata"]!["deletionTimestamp"] is null).Select(entry => entry.Item["metadata"]!["name"]!.ToString());
            Assert.Equal(due.Order(), step.Delete.Select(entry => entry.Item["metadata"]!["name"]!.ToString()).Order());
            Assert.Equal(there.Count == 0, step.Empty);
            Assert.Equal("Terminating", step.Status["phase"]!.ToString());
            var conditions = step.Status["conditions"]!.AsArray().ToDictionary(condition => condition!["type"]!.ToString(), condition => condition!.AsObject());
            bool held = there.Any(entry => Held(entry.Item).Count > 0);
            foreach (var (type, holds) in new[] { ("NamespaceDeletionDiscoveryFailure", false), ("NamespaceDeletionGroupVersionParsingFailure", false), ("NamespaceDeletionContentFailure", failures.Count > 0), ("NamespaceContentRemaining", there.Count > 0), ("NamespaceFinalizersRemaining", held) })
            {
                Assert.True(conditions[type]["status"]!.ToString() == (holds ? "True" : "False"), $"seed {seed}, round {round}: {conditions[type]}");
                if (since.TryGetValue(type, out var known) && known.Status == conditions[type]["status"]!.ToString()) Assert.Equal(known.At, conditions[type]["lastTransitionTime"]!.ToString());
                else Assert.Equal(ObjectStamp.Time(now), conditions[type]["lastTransitionTime"]!.ToString());
                since[type] = (conditions[type]["status"]!.ToString(), conditions[type]["lastTransitionTime"]!.ToString());
            }
            var remaining = conditions["NamespaceContentRemaining"]["message"]!.ToString();
            foreach (var kind in kinds) Assert.Equal(there.Any(entry => entry.Kind == kind), remaining.Contains($"{kind.Plural}.{kind.Group} has {there.Count(entry => entry.Kind == kind)} resource instances", StringComparison.Ordinal));
            foreach (var name in new[] { "example.com/a", "example.com/b" }) Assert.Equal(there.Any(entry => Held(entry.Item).Contains(name)), conditions["NamespaceFinalizersRemaining"]["message"]!.ToString().Contains($"{name} in {there.Count(entry => Held(entry.Item).Contains(name))} resource instances", StringComparison.Ordinal));
            if (step.Empty) break;
            home["status"] = step.Status.DeepClone();
            failures.Clear();
            foreach (var (kind, item) in step.Delete)
            {
                if (chance.Next(5) == 0) failures.Add($"{kind} {item["metadata"]!["name"]}: the store is away");
                else if (Held(item).Count > 0) item["metadata"]!["deletionTimestamp"] = ObjectStamp.Time(now);
                else there.RemoveAll(entry => entry.Item == item);
            }
            foreach (var (_, item) in there.ToList())
                if (item["metadata"]!["deletionTimestamp"] is not null && chance.Next(3) == 0) there.RemoveAll(entry => entry.Item == item); // its finalizers are done
            if (round < 10 && chance.Next(6) == 0) Make();
            now = now.AddSeconds(chance.Next(1, 30));
        }
    }, iter: 400);

    /// <summary>Of kube-controller-manager: orphaned, never scheduled, out of service; of the ended those over the threshold, evicted ones first, then the oldest.</summary>
    [Fact]
    public void A_pod_is_garbage_exactly_when_nobody_else_removes_it() => Seeds.Sample(seed =>
    {
        var chance = new Random(seed);
        T Of<T>(params T[] choices) => choices[chance.Next(choices.Length)];
        var nodes = new[] { "n0", "n1", "n2" }.Where(_ => chance.Next(3) > 0).ToDictionary(name => name, name => (Ready: chance.Next(2) == 0, Fenced: chance.Next(2) == 0));
        var missing = new[] { "n0", "n1", "n2" }.Where(_ => chance.Next(2) == 0).ToDictionary(name => name, _ => Start.AddSeconds(-Of(5, 39, 40, 90)));
        List<JsonObject> pods = [.. Enumerable.Range(0, chance.Next(12)).Select(number =>
        {
            var pod = Json($$$"""{"metadata":{"name":"p{{{number}}}","namespace":"default","uid":"u{{{number.ToString("00", CultureInfo.InvariantCulture)}}}","creationTimestamp":"2026-01-01T00:00:0{{{chance.Next(6)}}}Z"},"spec":{},"status":{"phase":"{{{Of("Pending", "Running", "Succeeded", "Failed")}}}"}}""");
            if (chance.Next(4) > 0) pod["spec"]!["nodeName"] = Of("n0", "n1", "n2");
            if (chance.Next(3) == 0) pod["metadata"]!["deletionTimestamp"] = "2026-01-01T00:00:10Z";
            if (pod["status"]!["phase"]!.ToString() == "Failed" && chance.Next(2) == 0) pod["status"]!["reason"] = "Evicted";
            return pod;
        })];
        int threshold = chance.Next(4);
        JsonObject? Node(string name) => nodes.TryGetValue(name, out var node) ? Json($$$"""{"spec":{"taints":[{"key":"{{{(node.Fenced ? PodGarbagePlan.OutOfService : "other")}}}","effect":"NoExecute"}]},"status":{"conditions":[{"type":"Ready","status":"{{{(node.Ready ? "True" : "Unknown")}}}"}]}}""") : null;
        var expected = new Dictionary<string, string>();
        foreach (var pod in pods)
        {
            var (on, going) = (pod["spec"]!["nodeName"]?.ToString(), pod["metadata"]!["deletionTimestamp"] is not null);
            if (on is null && going) expected[pod["metadata"]!["name"]!.ToString()] = "PodGC: pod was never scheduled";
            if (on is not null && !nodes.ContainsKey(on) && missing.TryGetValue(on, out var since) && Start - since >= TimeSpan.FromSeconds(40)) expected[pod["metadata"]!["name"]!.ToString()] = "PodGC: node no longer exists";
            if (on is not null && nodes.TryGetValue(on, out var node) && node is { Ready: false, Fenced: true } && going) expected[pod["metadata"]!["name"]!.ToString()] = "PodGC: node is out of service";
        }
        var ended = pods.Where(pod => pod["status"]!["phase"]!.ToString() is "Succeeded" or "Failed" && pod["metadata"]!["deletionTimestamp"] is null)
            .Order(Comparer<JsonObject>.Create((one, other) => string.CompareOrdinal(Rank(one), Rank(other)))).ToList();
        foreach (var pod in ended.Take(ended.Count - threshold)) expected.TryAdd(pod["metadata"]!["name"]!.ToString(), "");
        var found = PodGarbagePlan.Decide(pods, Node, missing, Start, threshold).ToDictionary(garbage => garbage.Pod["metadata"]!["name"]!.ToString(), garbage => garbage.Message);
        Assert.True(expected.OrderBy(pair => pair.Key).SequenceEqual(found.OrderBy(pair => pair.Key)), $"seed {seed}, threshold {threshold}: {string.Join("; ", found)}, not {string.Join("; ", expected)}; {string.Join(' ', pods)}");

        static string Rank(JsonObject pod) => $"{(pod["status"]!["reason"] is null ? 1 : 0)} {pod["metadata"]!["creationTimestamp"]} {pod["metadata"]!["uid"]}";
    }, iter: 2_000);
}
