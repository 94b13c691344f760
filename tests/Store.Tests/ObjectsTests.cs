using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Xunit;

namespace Eyrie.Store.Tests;

public sealed class ObjectsTests
{
    private readonly Objects _objects = new(new ModelStore(), TimeProvider.System);

    private static JsonObject Pod(string name, string? node = null) => new()
    {
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "default" }, ["spec"] = new JsonObject { ["nodeName"] = node, ["containers"] = new JsonArray() },
    };

    [Fact]
    public async Task A_deleted_object_is_gone_from_get_list_and_watch()
    {
        await _objects.CreateAsync(Kinds.Pod, Pod("a"), CancellationToken.None);
        await _objects.DeleteAsync(Kinds.Pod, new ObjectName("default", "a"), new DeleteOptions(), CancellationToken.None);
        Assert.Null(await _objects.GetAsync(Kinds.Pod, new ObjectName("default", "a"), CancellationToken.None));
        Assert.Empty((await _objects.ListAsync(Kinds.Pod, null, CancellationToken.None)).Items);
    }

    [Theory]
    [InlineData("""{"metadata":{"name":"a"}}""")]
    [InlineData("""{"metadata":{"name":"a","generation":7},"numbers":[0,7,999,1000,-1,-0,1.0,1e2,100,12345678901234567890,0.1],"flags":[true,false,null],"nothing":null,"empty":{},"none":[],"deep":[[{"a":[{}]}]]}""")]
    [InlineData("""{"metadata":{"name":"\u00E4"},"text":"tab\tquote\u0022 \u003C \uD83D\uDE00","\u00FC":"","":"","long":"0123456789012345678901234567890123456789012345678901234567890123456789","word":"word"}""")]
    public void A_stored_document_is_read_as_it_was_written(string text)
    {
        for (int i = 0; i < 2; i++) // the second time the words are known
        {
            var read = new EncodedObject(new StoreEntry("/core/pods/default/a", System.Text.Encoding.UTF8.GetBytes(text), new Revision(3), new Revision(3))).Read();
            Assert.Equal("3", read["metadata"]!["resourceVersion"]!.ToString());
            read["metadata"]!.AsObject().Remove("resourceVersion");
            Assert.Equal(text, read.ToJsonString());
            Assert.True(JsonNode.DeepEquals(JsonNode.Parse(text), read));
        }
    }

    [Theory]
    [InlineData("""{"metadata":{}""")]
    [InlineData("""{"metadata":{}}{}""")]
    [InlineData("""[]""")]
    [InlineData("""{"metadata":{"name":"a",}}""")]
    [InlineData("")]
    public void A_stored_document_that_is_none_is_refused(string text) =>
        Assert.ThrowsAny<System.Text.Json.JsonException>(() => new EncodedObject(new StoreEntry("/core/pods/default/a", System.Text.Encoding.UTF8.GetBytes(text), new Revision(3), new Revision(3))).Read());

    [Fact]
    public async Task Words_that_many_threads_read_stay_apart()
    {
        var texts = Enumerable.Range(0, 20_000).Select(i => $$"""{"metadata":{"name":"pod-{{i}}"},"field{{i % 5000}}":"value-{{i}}"}""").ToList();
        await Parallel.ForEachAsync(texts, new ParallelOptions { MaxDegreeOfParallelism = 2 }, (text, _) =>
        {
            var read = new EncodedObject(new StoreEntry("/core/pods/default/a", System.Text.Encoding.UTF8.GetBytes(text), new Revision(1), new Revision(1))).Read();
            read["metadata"]!.AsObject().Remove("resourceVersion");
            Assert.Equal(text, read.ToJsonString());
            return ValueTask.CompletedTask;
        });
    }

    [Fact]
    public async Task A_document_that_is_given_away_is_what_watchers_get_as_if_they_had_read_it()
    {
        var given = Pod("", "node-0");
        (given["metadata"]!["generateName"], given["spec"]!["terminationGracePeriodSeconds"], given["spec"]!["since"]) = ("web-", 5L, JsonValue.Create(DateTimeOffset.UnixEpoch));
        given["metadata"]!.AsObject().Remove("name");
        var (name, at) = await _objects.MakeAsync(Kinds.Pod, given, CancellationToken.None);
        Assert.Matches("^web-[a-z0-9]{5}$", name.Name);
        await foreach (var batch in _objects.WatchAsync(Kinds.Pod, Revision.Zero, CancellationToken.None))
        {
            var seen = Assert.Single(batch.Changes);
            Assert.Same(given, seen.Document);
            Assert.Equal((ChangeType.Added, name), (seen.Type, seen.Name));
            Assert.Equal((1, 1L, 5, 5L), (seen.Document["metadata"]!["generation"]!.GetValue<int>(), seen.Document["metadata"]!["generation"]!.GetValue<long>(), seen.Document["spec"]!["terminationGracePeriodSeconds"]!.GetValue<int>(), seen.Document["spec"]!["terminationGracePeriodSeconds"]!.GetValue<long>()));
            Assert.Equal("1970-01-01T00:00:00+00:00", seen.Document["spec"]!["since"]!.GetValue<string>());
            Assert.True(JsonNode.DeepEquals(await _objects.GetAsync(Kinds.Pod, name, CancellationToken.None), seen.Document));
            Assert.Equal(at.ToString(), seen.Document["metadata"]!["resourceVersion"]!.ToString());
            break;
        }
        await Assert.ThrowsAsync<ObjectExistsException>(() => _objects.MakeAsync(Kinds.Pod, Pod(name.Name), CancellationToken.None));
    }

    [Fact]
    public async Task Events_go_some_time_after_they_were_last_written_and_nothing_else_does()
    {
        var objects = new Objects(new ModelStore(), TimeProvider.System, TimeSpan.FromSeconds(3));
        static JsonObject Happened(string name) => new() { ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "default" }, ["reason"] = "Began" };
        await objects.CreateAsync(Kinds.Pod, Pod("a"), CancellationToken.None);
        await objects.CreateAsync(Kinds.Event, Happened("once"), CancellationToken.None);
        var again = await objects.CreateAsync(Kinds.Event, Happened("again"), CancellationToken.None);
        var began = DateTimeOffset.UtcNow;
        var left = new List<string>();
        for (int count = 2; left.Count < 2; await Task.Delay(100))
        {
            if (DateTimeOffset.UtcNow - began > TimeSpan.FromSeconds(20)) throw new TimeoutException($"after 20 s only these had gone: {string.Join(' ', left)}");
            var names = (await objects.ListAsync(Kinds.Event, null, CancellationToken.None)).Items.Select(item => item["metadata"]!["name"]!.ToString()).ToList();
            foreach (var gone in new[] { "once", "again" }.Except(names).Except(left).ToList()) left.Add(gone);
            if (count < 4 && names.Contains("again") && DateTimeOffset.UtcNow - began > TimeSpan.FromSeconds(count - 1))
            {
                again["count"] = count++;
                await objects.UpdateAsync(Kinds.Event, again, CancellationToken.None);
                again["metadata"]!.AsObject().Remove("resourceVersion");
            }
        }
        Assert.Equal(["once", "again"], left);
        Assert.NotNull(await objects.GetAsync(Kinds.Pod, new ObjectName("default", "a"), CancellationToken.None));
    }

    [Fact]
    public async Task A_pod_on_a_node_is_only_marked_until_the_node_confirms()
    {
        await _objects.CreateAsync(Kinds.Pod, Pod("a", "node-0"), CancellationToken.None);
        var marked = await _objects.DeleteAsync(Kinds.Pod, new ObjectName("default", "a"), new DeleteOptions(), CancellationToken.None);
        Assert.NotNull(marked["metadata"]!["deletionTimestamp"]);
        Assert.Equal(30, marked["metadata"]!["deletionGracePeriodSeconds"]!.GetValue<long>());
        await _objects.DeleteAsync(Kinds.Pod, new ObjectName("default", "a"), new DeleteOptions(0), CancellationToken.None);
        Assert.Null(await _objects.GetAsync(Kinds.Pod, new ObjectName("default", "a"), CancellationToken.None));
    }

    [Fact]
    public async Task A_change_in_place_sees_what_another_wrote_between_and_keeps_it()
    {
        var name = new ObjectName("default", "a");
        await _objects.CreateAsync(Kinds.Pod, Pod("a"), CancellationToken.None);
        int asked = 0;
        Assert.True(await _objects.ChangeAsync(Kinds.Pod, name, stored =>
        {
            if (++asked == 1) _objects.UpdateStatusAsync(Kinds.Pod, new JsonObject { ["metadata"] = new JsonObject { ["name"] = "a", ["namespace"] = "default" }, ["status"] = new JsonObject { ["phase"] = "Pending" } }, CancellationToken.None).Wait();
            stored["spec"]!["nodeName"] = "node-0";
            return true;
        }, CancellationToken.None));
        Assert.Equal(2, asked);
        var now = (await _objects.GetAsync(Kinds.Pod, name, CancellationToken.None))!;
        Assert.Equal(("node-0", "Pending"), (now["spec"]!["nodeName"]!.ToString(), now["status"]!["phase"]!.ToString()));
    }

    [Fact]
    public async Task A_change_in_place_may_leave_an_object_alone_or_free_one_that_was_deleted()
    {
        var name = new ObjectName("default", "a");
        Assert.False(await _objects.ChangeAsync(Kinds.ConfigMap, name, _ => throw new InvalidOperationException("nothing to change"), CancellationToken.None));
        var made = await _objects.CreateAsync(Kinds.ConfigMap, new JsonObject { ["metadata"] = new JsonObject { ["name"] = "a", ["namespace"] = "default", ["finalizers"] = new JsonArray("example.org/held") } }, CancellationToken.None);
        Assert.False(await _objects.ChangeAsync(Kinds.ConfigMap, name, stored => { stored["data"] = new JsonObject(); return false; }, CancellationToken.None));
        Assert.True(JsonNode.DeepEquals(made, await _objects.GetAsync(Kinds.ConfigMap, name, CancellationToken.None)));
        await _objects.DeleteAsync(Kinds.ConfigMap, name, new DeleteOptions(), CancellationToken.None);
        Assert.True(await _objects.ChangeAsync(Kinds.ConfigMap, name, stored => ((JsonObject)stored["metadata"]!).Remove("finalizers"), CancellationToken.None));
        Assert.Null(await _objects.GetAsync(Kinds.ConfigMap, name, CancellationToken.None));
    }

    [Fact]
    public async Task An_update_on_an_old_revision_is_refused_and_status_is_not_spec()
    {
        var first = await _objects.CreateAsync(Kinds.Pod, Pod("a"), CancellationToken.None);
        var second = (JsonObject)first.DeepClone();
        second["spec"]!["nodeName"] = "node-0";
        second["status"] = new JsonObject { ["phase"] = "Running" };
        var stored = await _objects.UpdateAsync(Kinds.Pod, second, CancellationToken.None);
        Assert.Null(stored["status"]);
        Assert.Equal(2, stored["metadata"]!["generation"]!.GetValue<long>());
        await Assert.ThrowsAsync<ObjectConflictException>(() => _objects.UpdateAsync(Kinds.Pod, second, CancellationToken.None));
    }

    [Fact]
    public async Task An_object_with_finalizers_goes_when_the_last_one_is_removed()
    {
        var pod = Pod("a");
        pod["metadata"]!["finalizers"] = new JsonArray("eyrie.dev/test");
        await _objects.CreateAsync(Kinds.Pod, pod, CancellationToken.None);
        var marked = await _objects.DeleteAsync(Kinds.Pod, new ObjectName("default", "a"), new DeleteOptions(), CancellationToken.None);
        marked["metadata"]!.AsObject().Remove("finalizers");
        await _objects.UpdateAsync(Kinds.Pod, marked, CancellationToken.None);
        Assert.Null(await _objects.GetAsync(Kinds.Pod, new ObjectName("default", "a"), CancellationToken.None));
    }

    [Fact]
    public async Task Watchers_that_keep_up_are_told_one_document_and_whoever_is_far_behind_is_told_the_same_in_another()
    {
        await _objects.CreateAsync(Kinds.Pod, Pod("a"), CancellationToken.None);
        await _objects.ChangeAsync(Kinds.Pod, new ObjectName("default", "a"), pod => { pod["spec"]!["nodeName"] = "node-0"; return true; }, CancellationToken.None);
        var (one, other) = (await ChangesAsync(2), await ChangesAsync(2));
        Assert.All(one.Zip(other), pair => Assert.Same(pair.First, pair.Second));
        for (int i = 0; i < 1100; i++) await _objects.CreateAsync(Kinds.Pod, Pod($"later-{i}"), CancellationToken.None);
        await ChangesAsync(1102);
        var late = await ChangesAsync(2);
        Assert.All(one.Zip(late), pair =>
        {
            Assert.NotSame(pair.First, pair.Second);
            Assert.Equal(pair.First.Document.ToJsonString(), pair.Second.Document.ToJsonString());
        });
        Assert.Equal(["", "node-0"], late.Select(change => change.Document["spec"]!["nodeName"]?.ToString() ?? ""));

        async Task<List<ObjectChange>> ChangesAsync(int count)
        {
            var told = new List<ObjectChange>();
            await foreach (var batch in _objects.WatchAsync(Kinds.Pod, Revision.Zero, CancellationToken.None))
            {
                told.AddRange(batch.Changes);
                if (told.Count >= count) break;
            }
            return [.. told.Take(count)];
        }
    }
}
