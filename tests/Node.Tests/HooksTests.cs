using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Eyrie.Node.Probes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Hooks that ask a real server, or only wait.</summary>
public sealed class HooksTests
{
    private static async Task<ProbeOutcome> RunAsync(string hook, int port = 0)
    {
        var container = new JsonObject { ["ports"] = new JsonArray(new JsonObject { ["name"] = "web", ["containerPort"] = port }) };
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await Hooks.RunAsync(JsonNode.Parse(hook)!.AsObject(), new ProbeChecks("127.0.0.1", container, (_, _) => throw new InvalidOperationException("nothing is executed")), deadline.Token);
    }

    [Fact]
    public async Task A_hook_by_HTTP_is_one_request_with_its_headers_and_an_error_is_its_failure()
    {
        var asked = new List<string>();
        await using var server = HttpServer.Build();
        server.MapGet("/{**path}", (HttpContext context) =>
        {
            asked.Add($"{context.Request.Path} {context.Request.Headers["X-Why"]}");
            return context.Request.Path == "/stop" ? Results.Ok() : Results.StatusCode(500);
        });
        await server.StartAsync();
        int port = new Uri(server.Urls.Single()).Port;
        Assert.True((await RunAsync("""{"httpGet":{"path":"/stop","port":"web","httpHeaders":[{"name":"X-Why","value":"end"}]}}""", port)).Success);
        Assert.Equal(new ProbeOutcome(false, "HTTP probe failed with statuscode: 500"), await RunAsync("""{"httpGet":{"path":"/other","port":"web"}}""", port));
        Assert.Equal(["/stop end", "/other "], asked);
    }

    [Fact]
    public async Task A_hook_by_TCP_succeeds_where_somebody_listens()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        Assert.True((await RunAsync("""{"tcpSocket":{"port":"web"}}""", port)).Success);
        using (await listener.AcceptTcpClientAsync()) { }
        listener.Stop();
        Assert.StartsWith("dial tcp", (await RunAsync("""{"tcpSocket":{"port":"web"}}""", port)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hook_that_sleeps_takes_its_time()
    {
        long begun = Stopwatch.GetTimestamp();
        Assert.True((await RunAsync("""{"sleep":{"seconds":1}}""")).Success);
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0.99, 15);
    }
}
