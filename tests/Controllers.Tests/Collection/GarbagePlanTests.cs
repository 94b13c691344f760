using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers.Collection;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Collection;

[Collection(nameof(Alone))]
public sealed class GarbagePlanTests
{
    private static OwnedObject Item(ResourceKind kind, string name, string finalizer = "", bool going = false, string home = "default", params (OwnedObject Owner, bool Blocks)[] owners) =>
        new(kind, new ObjectName(kind.Namespaced ? home : "", name), "uid-" + name, [.. owners.Select(owner => new OwnerReference(owner.Owner.Kind.ApiVersion, owner.Owner.Kind.Kind, owner.Owner.Name.Name, owner.Owner.Uid, owner.Blocks))], going, finalizer == Finalizers.Foreground, finalizer == Finalizers.Orphan);

    private static ResourceKind? KindOf(OwnerReference owner) => Kinds.Served.FirstOrDefault(kind => kind.Kind == owner.Kind && kind.Group == owner.Group);

    private static OwnerGraph Graph(params OwnedObject[] items)
    {
        var graph = new OwnerGraph();
        foreach (var item in items) graph.Set(item);
        return graph;
    }

    private static string Words(OwnedObject item, OwnerGraph graph) => string.Join("; ", GarbagePlan.Decide(item, graph, KindOf).Select(action => action switch
    {
        Collect collect => $"delete {collect.Item.Name.Name} {collect.Propagation}{(collect.Absent.Count > 0 ? ", absent " : "")}{string.Join(",", collect.Absent.Select(owner => owner.Name))}",
        Disown disown => $"{disown.Item.Name.Name} loses {string.Join(",", disown.Owners)}", Release release => $"release {release.Item.Name.Name} {release.Finalizer}", _ => "?",
    }));

    private static readonly OwnedObject Top = Item(Kinds.Deployment, "top"), Other = Item(Kinds.Deployment, "other");

    [Fact]
    public void What_has_lost_its_last_owner_goes_and_what_has_another_loses_the_reference_only()
    {
        var set = Item(Kinds.ReplicaSet, "set", owners: (Top, true));
        var shared = Item(Kinds.ConfigMap, "shared", owners: [(Top, false), (Other, false)]);
        Assert.Equal("", Words(set, Graph(Top, set)));
        Assert.Equal("delete set Background, absent top", Words(set, Graph(set)));
        Assert.Equal("shared loses uid-top", Words(shared, Graph(Other, shared)));
        Assert.Equal("delete shared Background, absent top,other", Words(shared, Graph(shared)));
    }

    [Fact]
    public void An_owner_of_another_namespace_or_another_life_is_none()
    {
        var set = Item(Kinds.ReplicaSet, "set", owners: (Top, true));
        Assert.Equal("delete set Background, absent top", Words(set, Graph(set, Item(Kinds.Deployment, "top", home: "elsewhere"))));
        Assert.Equal("delete set Background, absent top", Words(set, Graph(set, Top with { Uid = "uid-later" })));
    }

    [Fact]
    public void An_owner_of_a_kind_that_nobody_knows_is_taken_to_be_there()
    {
        var set = Item(Kinds.ReplicaSet, "set") with { Owners = [new OwnerReference("example.com/v1", "Shop", "s", "uid-s", true)] };
        Assert.Equal("", Words(set, Graph(set)));
    }

    [Fact]
    public void In_the_foreground_the_owner_waits_for_those_who_block_and_they_go_the_same_way()
    {
        var top = Top with { Going = true, Foreground = true };
        var set = Item(Kinds.ReplicaSet, "set", owners: (top, true));
        var pod = Item(Kinds.Pod, "pod", owners: (set, true));
        var slack = Item(Kinds.ConfigMap, "slack", owners: (top, false));
        var graph = Graph(top, set, pod, slack);
        Assert.Equal("", Words(top, graph));
        Assert.Equal("delete set Foreground", Words(set, graph));
        Assert.Equal("delete slack Background", Words(slack, graph));
        Assert.Equal("", Words(pod, graph));
        graph.Set(set with { Going = true, Foreground = true });
        Assert.Equal("delete pod Background", Words(pod, graph));
        graph.Remove(pod.Uid);
        Assert.Equal("release set foregroundDeletion", Words(graph.Find(set.Uid)!, graph));
        graph.Remove(set.Uid);
        Assert.Equal("release top foregroundDeletion", Words(top, graph));
    }

    [Fact]
    public void Orphans_are_made_nobodys_before_their_owner_goes()
    {
        var top = Top with { Going = true, Orphan = true };
        var set = Item(Kinds.ReplicaSet, "set", owners: (top, true));
        var graph = Graph(top, set);
        Assert.Equal("set loses uid-top", Words(top, graph));
        Assert.Equal("", Words(set, graph));
        graph.Set(set with { Owners = [] });
        Assert.Equal("release top orphan", Words(top, graph));
    }

    /// <summary>Whoever owns whom, whichever way the first was deleted and in whatever order: those go that have lost every owner, the rest stays, nobody keeps a reference to what is gone, and nothing is left to do.</summary>
    [Fact]
    public void What_has_lost_every_owner_goes_whichever_way_the_first_was_deleted() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var chance = new Random(seed);
        string[] ways = ["Background", "Foreground", "Orphan"];
        var way = ways[chance.Next(3)];
        var items = new List<OwnedObject> { Top, Other };
        for (int i = chance.Next(14); i > 0; i--)
        {
            var owners = Enumerable.Range(0, chance.Next(4)).Select(_ => items[chance.Next(items.Count)]).Distinct().Select(owner => (owner, chance.Next(2) == 0)).ToArray();
            items.Add(Item(i % 2 == 0 ? Kinds.ReplicaSet : Kinds.ConfigMap, $"n{i}", owners: owners));
        }
        var stay = new HashSet<string>();
        foreach (var item in items.Where(item => item != Top && (way == "Orphan" || item.Owners.Count == 0 || item.Owners.Any(owner => stay.Contains(owner.Uid))))) stay.Add(item.Uid);
        var graph = Graph([.. items]);
        if (way == "Background") graph.Remove(Top.Uid);
        else graph.Set(Top with { Going = true, Foreground = way == "Foreground", Orphan = way == "Orphan" });
        for (int round = 0; ; round++)
        {
            Assert.True(round < 300, $"seed {seed}: it does not come to rest");
            var actions = graph.All.Select(uid => graph.Find(uid)!).SelectMany(item => GarbagePlan.Decide(item, graph, KindOf)).ToList();
            if (actions.Count == 0) break;
            switch (actions[chance.Next(actions.Count)])
            {
                case Collect { Propagation: "Foreground" } collect: graph.Set(collect.Item with { Going = true, Foreground = true }); break;
                case Release { Item: var item }:
                    Assert.DoesNotContain(graph.Dependents(item.Uid), dependent => dependent.Owners.Any(owner => owner.Uid == item.Uid && (owner.Blocks || way == "Orphan")));
                    graph.Remove(item.Uid);
                    break;
                case Disown disown: graph.Set(disown.Item with { Owners = [.. disown.Item.Owners.Where(owner => !disown.Owners.Contains(owner.Uid))] }); break;
                case var action: graph.Remove(action.Item.Uid); break;
            }
        }
        Assert.True(stay.Order().SequenceEqual(graph.All.Order()), $"seed {seed}, {way}: {string.Join(' ', graph.All.Order())} stay, not {string.Join(' ', stay.Order())}");
        Assert.All(graph.All, uid => Assert.All(graph.Find(uid)!.Owners, owner => Assert.Contains(owner.Uid, stay)));
    }, iter: 1_000);

    [Fact]
    public void A_finalizer_says_how_the_dependents_go()
    {
        JsonObject Made(JsonObject from, string? propagation) => Finalizers.For(from, propagation);
        var plain = Documents.Json("""{"metadata":{"name":"a","finalizers":["example.com/f"]}}""");
        Assert.Equal("""["example.com/f","foregroundDeletion"]""", Made(plain, "Foreground").Metadata()["finalizers"]!.ToJsonString());
        Assert.Equal("""["example.com/f","orphan"]""", Made(Made(plain, "Foreground"), "Orphan").Metadata()["finalizers"]!.ToJsonString());
        Assert.Equal("""["example.com/f"]""", Made(Made(plain, "Foreground"), "Background").Metadata()["finalizers"]!.ToJsonString());
    }
}
