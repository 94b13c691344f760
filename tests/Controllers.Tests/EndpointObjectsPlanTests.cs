using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests;

public sealed class EndpointObjectsPlanTests
{
    private static JsonObject Slice(IEnumerable<WorkloadAction> actions) => Assert.Single(actions.OfType<CreateObject>(), action => action.Kind == Kinds.EndpointSlice).Document;

    private static JsonObject Endpoints(IEnumerable<WorkloadAction> actions) => Assert.Single(actions.OfType<CreateObject>(), action => action.Kind == Kinds.Endpoints).Document;

    /// <summary>As the store would hold what an action wrote.</summary>
    private static JsonObject Stored(JsonObject made)
    {
        var stored = (JsonObject)made.DeepClone();
        stored["metadata"]!["uid"] = "uid-of-" + stored["metadata"]!["name"];
        return stored;
    }

    [Fact]
    public void A_ready_pod_is_an_endpoint_and_one_that_is_not_ready_says_so()
    {
        var actions = EndpointObjectsPlan.Decide(Service("web"), [Pod("a", "web", "127.64.16.1"), Pod("b", "web", "127.64.16.2", ready: false), Pod("c", "other", "127.64.16.3")], [], null);
        var slice = Slice(actions);
        Assert.Equal("web", slice["metadata"]!["labels"]!["kubernetes.io/service-name"]!.ToString());
        Assert.Equal(["127.64.16.1 True", "127.64.16.2 False"], slice["endpoints"]!.AsArray().Select(endpoint => $"{endpoint!["addresses"]![0]} {endpoint["conditions"]!["ready"]!.GetValue<bool>()}"));
        Assert.Equal("""[{"name":"","port":8080,"protocol":"TCP"}]""", slice["ports"]!.ToJsonString());
        var subset = Assert.Single(Endpoints(actions)["subsets"]!.AsArray())!;
        Assert.Equal("127.64.16.1", Assert.Single(subset["addresses"]!.AsArray())!["ip"]!.ToString());
        Assert.Equal("127.64.16.2", Assert.Single(subset["notReadyAddresses"]!.AsArray())!["ip"]!.ToString());
    }

    [Fact]
    public void A_pod_that_is_being_deleted_serves_until_it_ends_but_takes_nothing_new()
    {
        var actions = EndpointObjectsPlan.Decide(Service("web"), [Pod("a", "web", "127.64.16.1", deleted: true)], [], null);
        Assert.Equal("""{"ready":false,"serving":true,"terminating":true}""", Slice(actions)["endpoints"]![0]!["conditions"]!.ToJsonString());
        Assert.Empty(Endpoints(actions)["subsets"]!.AsArray());
    }

    [Fact]
    public void Pods_that_resolve_a_named_port_differently_stand_in_different_slices()
    {
        var service = Service("web", """[{"port":80,"targetPort":"http"}]""");
        var actions = EndpointObjectsPlan.Decide(service,
        [
            Pod("a", "web", "127.64.16.1", containers: """[{"ports":[{"name":"http","containerPort":8080}]}]"""), Pod("b", "web", "127.64.16.2", containers: """[{"ports":[{"name":"http","containerPort":9090}]}]"""),
        ], [], null);
        Assert.Equal(["8080", "9090"], actions.OfType<CreateObject>().Where(action => action.Kind == Kinds.EndpointSlice).Select(action => action.Document["ports"]![0]!["port"]!.ToString()).Order());
    }

    [Fact]
    public void More_than_a_hundred_endpoints_are_cut_into_slices_of_a_hundred()
    {
        var pods = Enumerable.Range(0, 250).Select(index => Pod($"p{index:000}", "web", $"127.64.16.{index}"));
        var slices = EndpointObjectsPlan.Decide(Service("web"), pods, [], null).OfType<CreateObject>().Where(action => action.Kind == Kinds.EndpointSlice).ToList();
        Assert.Equal([100, 100, 50], slices.Select(slice => slice.Document["endpoints"]!.AsArray().Count));
        Assert.Equal(3, slices.Select(slice => slice.Document["metadata"]!["name"]!.ToString()).Distinct().Count());
    }

    [Fact]
    public void What_stands_already_is_not_written_again_and_what_is_of_no_use_goes()
    {
        var service = Service("web");
        JsonObject[] pods = [Pod("a", "web", "127.64.16.1")];
        var first = EndpointObjectsPlan.Decide(service, pods, [], null);
        JsonObject slice = Stored(Slice(first)), endpoints = Stored(Endpoints(first));
        Assert.Empty(EndpointObjectsPlan.Decide(service, pods, [slice], endpoints));
        var left = Stored(Slice(EndpointObjectsPlan.Decide(Service("web", """[{"port":80,"targetPort":1}]"""), pods, [], null)));
        Assert.Equal(left["metadata"]!["name"]!.ToString(), Assert.IsType<DeleteObject>(Assert.Single(EndpointObjectsPlan.Decide(service, pods, [slice, left], endpoints))).Name.Name);
        var grown = EndpointObjectsPlan.Decide(service, [.. pods, Pod("b", "web", "127.64.16.2")], [slice], endpoints);
        Assert.Equal([Kinds.EndpointSlice, Kinds.Endpoints], grown.Cast<UpdateObject>().Select(action => action.Kind));
    }

    [Fact]
    public void A_service_without_a_selector_is_its_owners_own_business()
    {
        var service = Service("web");
        service["spec"]!.AsObject().Remove("selector");
        Assert.Empty(EndpointObjectsPlan.Decide(service, [Pod("a", "web", "127.64.16.1")], [], null));
    }

    [Theory]
    [InlineData("2026-01-01T10:00:00Z", false)]
    [InlineData("2026-01-01T08:59:59Z", true)]
    public void An_event_is_kept_for_an_hour(string last, bool over) =>
        Assert.Equal(over, EventExpiry.IsOver(Json($$"""{"lastTimestamp":"{{last}}"}"""), DateTimeOffset.Parse("2026-01-01T10:00:00Z", System.Globalization.CultureInfo.InvariantCulture)));
}
