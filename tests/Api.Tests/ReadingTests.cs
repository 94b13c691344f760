using System.Net;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Lists at one revision, in pages, and watches that begin where a list ended.</summary>
[Collection(nameof(ApiServer))]
public sealed class ReadingTests(ApiServer server)
{
    private async Task<string> SpaceAsync(string name, int objects)
    {
        await server.SendAsync("POST", "api/v1/namespaces", $$$"""{"metadata":{"name":"{{{name}}}"}}""");
        for (int i = 0; i < objects; i++) await server.SendAsync("POST", $"api/v1/namespaces/{name}/configmaps", """{"metadata":{"name":"cI","labels":{"odd":"ODD"}}}""".Replace("ODD", i % 2 == 1 ? "yes" : "no", StringComparison.Ordinal).Replace("cI", $"c{i}", StringComparison.Ordinal));
        return $"api/v1/namespaces/{name}/configmaps";
    }

    private static IEnumerable<string> Names(JsonNode list) => list["items"]!.AsArray().Select(item => item!["metadata"]!["name"]!.ToString()).Where(name => name != "kube-root-ca.crt");

    private static string Next(JsonNode list) => list["metadata"]!["continue"]?.ToString() ?? "";

    [Fact]
    public async Task Pages_are_of_one_revision_whatever_is_written_meanwhile()
    {
        var space = await SpaceAsync("paged", 5);
        var first = (await server.SendAsync("GET", space + "?limit=2")).Body;
        await server.SendAsync("DELETE", space + "/c3");
        await server.SendAsync("POST", space, """{"metadata":{"name":"c30"}}""");
        var names = Names(first).ToList();
        for (var page = first; Next(page).Length > 0;)
        {
            page = (await server.SendAsync("GET", $"{space}?limit=2&continue={Next(page)}")).Body;
            Assert.Equal(first["metadata"]!["resourceVersion"]!.ToString(), page["metadata"]!["resourceVersion"]!.ToString());
            names.AddRange(Names(page));
        }
        Assert.Equal(["c0", "c1", "c2", "c3", "c4"], names);
        Assert.Equal(["c0", "c1", "c2", "c30", "c4"], Names((await server.SendAsync("GET", space)).Body));
        Assert.Equal(["c1", "c3"], Names((await server.SendAsync("GET", $"{space}?labelSelector=odd%3Dyes&resourceVersion={first["metadata"]!["resourceVersion"]}&resourceVersionMatch=Exact")).Body));
    }

    [Fact]
    public async Task A_page_says_how_many_follow_when_nothing_is_selected()
    {
        var space = await SpaceAsync("remaining", 5);
        static int? Rest(JsonNode page) => page["metadata"]!["remainingItemCount"]?.GetValue<int>();
        var first = (await server.SendAsync("GET", space + "?limit=2")).Body;
        var second = (await server.SendAsync("GET", $"{space}?limit=2&continue={Next(first)}")).Body;
        var last = (await server.SendAsync("GET", $"{space}?limit=2&continue={Next(second)}")).Body;
        Assert.Equal([3, 1, null], new[] { first, second, last }.Select(Rest));
        Assert.Null(Rest((await server.SendAsync("GET", space + "?limit=1&labelSelector=odd%3Dyes")).Body));
        Assert.Null(Rest((await server.SendAsync("GET", space)).Body));
        await server.SendAsync("DELETE", space + "/c4"); // the pages stay of their revision
        Assert.Equal(1, Rest((await server.SendAsync("GET", $"{space}?limit=2&continue={Next(first)}")).Body));
    }

    [Fact]
    public async Task Pages_of_what_selectors_choose_are_whole()
    {
        var space = await SpaceAsync("chosen", 7);
        var names = new List<string>();
        for (var next = ""; ;)
        {
            var page = (await server.SendAsync("GET", $"{space}?limit=2&labelSelector=odd%3Dno&fieldSelector=metadata.name%21%3Dc2&continue={next}")).Body;
            Assert.InRange(Names(page).Count(), 1, 2);
            names.AddRange(Names(page));
            if ((next = Next(page)).Length == 0) break;
        }
        Assert.Equal(["c0", "c4", "c6"], names);
        await server.SendAsync("PATCH", space + "/c1", """{"metadata":{"labels":{"odd":"no"}}}""", "application/merge-patch+json");
        Assert.Equal(["c0", "c1", "c2", "c4", "c6"], Names((await server.SendAsync("GET", space + "?labelSelector=odd%3Dno")).Body));
    }

    [Fact]
    public async Task A_page_of_a_forgotten_revision_is_gone_and_tells_how_to_go_on()
    {
        var space = await SpaceAsync("forgotten", 4);
        var first = (await server.SendAsync("GET", space + "?limit=2")).Body;
        await server.SendAsync("DELETE", space + "/c2");
        var store = server.Services.GetRequiredService<IStore>();
        await store.CompactAsync((await store.RangeAsync(new RangeQuery("/", "0", 1), CancellationToken.None)).At, CancellationToken.None);
        var (code, gone) = await server.SendAsync("GET", $"{space}?limit=2&continue={Next(first)}");
        Assert.Equal((HttpStatusCode.Gone, "Expired"), (code, gone["reason"]!.ToString()));
        var rest = (await server.SendAsync("GET", $"{space}?continue={Next(gone)}")).Body;
        Assert.Equal(["c3"], Names(rest));
        var old = first["metadata"]!["resourceVersion"];
        Assert.Equal(HttpStatusCode.Gone, (await server.SendAsync("GET", $"{space}?resourceVersion={old}&resourceVersionMatch=Exact")).Code);
        var told = (await WatchAsync($"{space}?watch=true&resourceVersion={old}", 1)).Single();
        Assert.Equal(("ERROR", 410), (told["type"]!.ToString(), told["object"]!["code"]!.GetValue<int>()));
    }

    [Fact]
    public async Task A_token_of_one_namespace_opens_no_other()
    {
        var (one, other) = (await SpaceAsync("aside-a", 3), await SpaceAsync("aside-b", 1));
        var token = Next((await server.SendAsync("GET", one + "?limit=1")).Body);
        var (code, body) = await server.SendAsync("GET", $"{other}?continue={token}");
        Assert.True(code == HttpStatusCode.BadRequest, body.ToString());
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync("GET", $"api/v1/configmaps?continue={token}")).Code);
    }

    private async Task<List<JsonNode>> WatchAsync(string path, int events, Func<JsonNode, Task>? seeing = null)
    {
        using var response = await server.Client.GetAsync(path + "&timeoutSeconds=60", HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        var seen = new List<JsonNode>();
        while (seen.Count < events && await lines.ReadLineAsync() is { } line)
        {
            seen.Add(JsonNode.Parse(line)!);
            if (seeing is not null) await seeing(seen[^1]);
        }
        return seen;
    }

    [Fact]
    public async Task Initial_events_end_with_a_bookmark_and_changes_of_the_selection_follow()
    {
        var space = await SpaceAsync("initial", 3);
        var seen = await WatchAsync($"{space}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=odd%3Dno", 5, async one =>
        {
            if (one["type"]!.ToString() != "BOOKMARK") return;
            await server.SendAsync("PATCH", space + "/c1", """{"metadata":{"labels":{"odd":"no"}}}""", "application/merge-patch+json");
            await server.SendAsync("PATCH", space + "/c0", """{"metadata":{"labels":{"odd":"yes"}}}""", "application/merge-patch+json");
        });
        Assert.Equal(["ADDED c0", "ADDED c2", "BOOKMARK ", "ADDED c1", "DELETED c0"], seen.Select(one => $"{one["type"]} {one["object"]!["metadata"]!["name"]}"));
        Assert.Equal("true", seen[2]["object"]!["metadata"]!["annotations"]!["k8s.io/initial-events-end"]!.ToString());
    }

    [Theory]
    [InlineData("resourceVersionMatch=Exact", 422)]
    [InlineData("resourceVersion=0&resourceVersionMatch=Exact", 422)]
    [InlineData("resourceVersion=1&resourceVersionMatch=Never", 422)]
    [InlineData("resourceVersion=9999999999", 504)]
    [InlineData("continue=abc", 400)]
    [InlineData("limit=-1", 400)]
    [InlineData("watch=true&sendInitialEvents=true", 422)]
    public async Task What_cannot_be_read_is_refused(string query, int code) => Assert.Equal(code, (int)(await server.SendAsync("GET", "api/v1/namespaces/default/configmaps?" + query)).Code);

    /// <summary>A client that reads to the end must find it: a connection that is cut off looks like a fault to it.</summary>
    [Fact]
    public async Task A_watch_whose_time_is_over_ends_and_is_not_cut_off()
    {
        async Task<string> WatchAsync(int number)
        {
            using var response = await server.Client.GetAsync($"api/v1/configmaps?watch=true&timeoutSeconds={1 + (number % 2)}&allowWatchBookmarks=true&resourceVersion=0", HttpCompletionOption.ResponseHeadersRead);
            return await response.Content.ReadAsStringAsync();
        }

        var told = await Task.WhenAll(Enumerable.Range(0, 60).Select(WatchAsync));
        Assert.All(told, text => Assert.DoesNotContain("\"ERROR\"", text, StringComparison.Ordinal));
        Assert.DoesNotContain(server.Log.Lines, line => line.Contains("NotSupportedException", StringComparison.Ordinal));
    }
}
