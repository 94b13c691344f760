using System.Net;
using Eyrie.EndToEnd.Tests;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>events.k8s.io/v1: the events of the core group in other words.</summary>
[Collection(nameof(ApiServer))]
public sealed class EventViewTests(ApiServer server)
{
    private const string Core = "api/v1/namespaces/happened/events", Group = "apis/events.k8s.io/v1/namespaces/happened/events";

    [Fact]
    public async Task An_event_is_one_object_under_both_groups()
    {
        await server.SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"happened"}}""");
        var (code, made) = await server.SendAsync("POST", Group, """{"metadata":{"name":"e"},"regarding":{"kind":"Pod","name":"p","namespace":"happened"},"note":"it began","reason":"Began","type":"Normal","action":"Start","reportingController":"test","reportingInstance":"test-0","eventTime":"2026-01-01T00:00:00.000000Z"}""");
        Assert.True(code == HttpStatusCode.Created, made.ToString());
        Assert.Equal(("events.k8s.io/v1", "it began"), (made["apiVersion"]!.ToString(), made["note"]!.ToString()));
        var stored = (await server.SendAsync("GET", Core + "/e")).Body;
        Assert.Equal(("v1", "it began", "p", "test"), (stored["apiVersion"]!.ToString(), stored["message"]!.ToString(), stored["involvedObject"]!["name"]!.ToString(), stored["reportingComponent"]!.ToString()));
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync("PATCH", Core + "/e", """{"message":"it went on","count":2}""", "application/merge-patch+json")).Code);
        var shown = (await server.SendAsync("GET", Group + "?fieldSelector=regarding.name%3Dp")).Body["items"]![0]!;
        Assert.Equal(("it went on", 2, made["metadata"]!["uid"]!.ToString()), (shown["note"]!.ToString(), shown["deprecatedCount"]!.GetValue<int>(), shown["metadata"]!["uid"]!.ToString()));
        Assert.Null(shown["message"]);
        var since = made["metadata"]!["resourceVersion"]!.ToString();
        using var watch = await server.Client.GetAsync($"{Group}?watch=true&resourceVersion={since}&timeoutSeconds=60", HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await watch.Content.ReadAsStreamAsync());
        Assert.Contains("\"note\":\"it went on\"", await lines.ReadLineAsync(), StringComparison.Ordinal);
        Assert.Equal("Began", (await server.SendAsync("DELETE", Group + "/e")).Body["reason"]?.ToString() ?? "Began");
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", Core + "/e")).Code);
    }

    public static TheoryData<string> Programs => [.. KubectlPrograms.All];

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Kubectl_shows_them_explains_types_and_knows_who_asks(string program)
    {
        var output = await server.KubectlAsync("shown", """
            printf 'apiVersion: events.k8s.io/v1\nkind: Event\nmetadata: {name: f}\nregarding: {kind: Pod, name: p, namespace: shown}\nnote: hello\nreason: Greeted\ntype: Normal\naction: Greet\nreportingController: test\nreportingInstance: t\neventTime: "2026-01-01T00:00:00.000000Z"\n' | K apply -f - 2>&1
            K get events.events.k8s.io --no-headers | awk '{print $2, $3, $4, $5}'
            K get events.v1. --no-headers | awk '{print $2, $3, $4, $5}'
            K delete event f
            K explain pods --recursive | grep -c permissions
            K auth whoami -o 'jsonpath={.status.userInfo.username}{"\n"}'
            """, program);
        Assert.Equal("event.events.k8s.io/f created\nNormal Greeted pod/p hello\nNormal Greeted pod/p hello\nevent \"f\" deleted\n3\nadmin\n", output.Replace(" from shown namespace", "", StringComparison.Ordinal));
    }
}
