using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Collection;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Collection;

public sealed class CollectionPlanTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly JsonObject Home = Json("""{"metadata":{"name":"shop","uid":"u","deletionTimestamp":"2026-01-01T11:00:00Z"},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Terminating"}}""");

    private static string Conditions(NamespaceStep step) => string.Join("; ", (step.Status["conditions"] as JsonArray)!.OfType<JsonObject>().Where(condition => condition.Text("status") == "True").Select(condition => $"{condition.Text("reason")}: {condition.Text("message")}"));

    [Fact]
    public void A_namespace_ends_its_pods_first_then_the_rest_and_says_what_is_left()
    {
        var held = Json("""{"metadata":{"name":"held","deletionTimestamp":"2026-01-01T11:00:00Z","finalizers":["example.com/f"]}}""");
        NamespaceContent[] full = [new(Kinds.Pod, [Pod("p1", "a", "1"), Pod("p2", "a", "2", deleted: true)]), new(Kinds.ConfigMap, [Json("""{"metadata":{"name":"c"}}"""), held]), new(Kinds.Deployment, [])];
        var step = NamespacePlan.Decide(Home, full, [], Now);
        Assert.Equal(["p1"], step.Delete.Select(entry => entry.Item.Name()));
        Assert.Equal("SomeResourcesRemain: Some resources are remaining: configmaps. has 2 resource instances, pods. has 2 resource instances; SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/f in 1 resource instances", Conditions(step));
        var later = NamespacePlan.Decide(Home, full[1..], ["configmaps c: the store is away"], Now);
        Assert.Equal(["c"], later.Delete.Select(entry => entry.Item.Name()));
        Assert.Contains("ContentDeletionFailed: Failed to delete all resource types, 1 remaining: configmaps c: the store is away", Conditions(later));
        Assert.False(later.Empty);
    }

    [Fact]
    public void An_empty_namespace_may_go_and_its_conditions_say_so()
    {
        var step = NamespacePlan.Decide(Home, [new(Kinds.Pod, [])], [], Now);
        Assert.True(step.Empty);
        Assert.Equal("", Conditions(step));
        Assert.Equal(5, step.Status["conditions"]!.AsArray().Count);
    }

    private static JsonObject Node(string name, bool ready, string taints = "[]") => Json($$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"taints":{{{taints}}}},"status":{"conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "Unknown")}}}"}]}}""");

    private static JsonObject On(string name, string node, string phase = "Running", bool deleted = false, string created = "2026-01-01T00:00:00Z") =>
        Json($$$"""{"metadata":{"name":"{{{name}}}","namespace":"default","uid":"{{{name}}}","creationTimestamp":"{{{created}}}"{{{(deleted ? ""","deletionTimestamp":"2026-01-01T00:00:00Z" """ : "")}}}},"spec":{"nodeName":"{{{node}}}"},"status":{"phase":"{{{phase}}}"}}""");

    private static string Found(IReadOnlyCollection<JsonObject> pods, JsonObject[] nodes, Dictionary<string, DateTimeOffset>? missing = null, int threshold = 100) =>
        string.Join("; ", PodGarbagePlan.Decide(pods, name => nodes.FirstOrDefault(node => node.Name() == name), missing ?? [], Now, threshold).Select(garbage => $"{garbage.Pod.Name()} {garbage.Message}".TrimEnd()));

    [Theory]
    [InlineData(39, "")]
    [InlineData(40, "lost PodGC: node no longer exists")]
    public void Pods_of_a_node_that_is_no_more_go_after_the_quarantine(int seconds, string found) =>
        Assert.Equal(found, Found([On("lost", "gone"), On("kept", "here")], [Node("here", true)], new() { ["gone"] = Now.AddSeconds(-seconds) }));

    [Fact]
    public void A_node_that_came_back_starts_its_quarantine_anew()
    {
        var missing = PodGarbagePlan.Missing([On("a", "gone"), On("b", "here")], name => name == "here" ? Node("here", true) : null, new Dictionary<string, DateTimeOffset> { ["gone"] = Now.AddSeconds(-30), ["here"] = Now.AddSeconds(-90) }, Now);
        Assert.Equal(new Dictionary<string, DateTimeOffset> { ["gone"] = Now.AddSeconds(-30) }, missing);
    }

    [Fact]
    public void Pods_that_never_had_a_node_or_whose_node_is_out_of_service_are_not_waited_for()
    {
        var fenced = """[{"key":"node.kubernetes.io/out-of-service","effect":"NoExecute"}]""";
        Assert.Equal("unscheduled PodGC: pod was never scheduled; fenced PodGC: node is out of service",
            Found([On("unscheduled", "", deleted: true), On("waits", ""), On("fenced", "off", deleted: true), On("ready", "on", deleted: true), On("running", "off")], [Node("off", false, fenced), Node("on", true, fenced)]));
    }

    [Fact]
    public void Of_the_ended_the_oldest_over_the_threshold_go() =>
        Assert.Equal("c; a", Found([On("a", "here", "Failed", created: "2026-01-01T00:00:02Z"), On("b", "here", "Succeeded", created: "2026-01-01T00:00:03Z"), On("c", "here", "Succeeded", created: "2026-01-01T00:00:01Z"), On("d", "here")], [Node("here", true)], threshold: 1));
}
