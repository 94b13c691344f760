using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Limits;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>A server with narrow limits: requests end, and one user has so many watches.</summary>
public sealed class DeadlineTests : IAsyncLifetime
{
    private readonly ApiServer _server = new() { Limits = new LimitOptions { LongRunningPerUser = 2, Deadline = TimeSpan.FromSeconds(3) } };

    public Task InitializeAsync() => _server.InitializeAsync();
    public Task DisposeAsync() => _server.DisposeAsync();

    private Task<HttpResponseMessage> WatchAsync(string token = "")
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/namespaces/default/configmaps?watch=true&resourceVersion=0");
        if (token.Length > 0) request.Headers.Authorization = new("Bearer", token);
        return _server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>Sends the beginning of a body and never the rest; what is answered.</summary>
    private async Task<string> HalfAsync()
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, _server.Client.BaseAddress!.Port);
        await using var stream = new SslStream(socket.GetStream(), false, (_, _, _, _) => true);
        await stream.AuthenticateAsClientAsync("localhost");
        await stream.WriteAsync(Encoding.ASCII.GetBytes("POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var answer = new StreamReader(stream);
        return await answer.ReadToEndAsync(deadline.Token);
    }

    [Fact]
    public async Task A_request_that_takes_too_long_is_answered_504_while_a_watch_goes_on_and_only_so_many_watches_are_open()
    {
        using var first = await WatchAsync();
        using var second = await WatchAsync();
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (first.StatusCode, second.StatusCode));
        using (var third = await WatchAsync())
        {
            var status = JsonNode.Parse(await third.Content.ReadAsStringAsync())!;
            Assert.Equal((HttpStatusCode.TooManyRequests, "1"), (third.StatusCode, third.Headers.GetValues("Retry-After").Single()));
            Assert.Equal(("Status", "TooManyRequests", 429), (status["kind"]!.ToString(), status["reason"]!.ToString(), status["code"]!.GetValue<int>()));
        }
        await _server.NamespaceAsync("others"); // one request at a time, and no kubectl beside it: each has no more than its 3 s
        await _server.DoneAsync("POST", "api/v1/namespaces/others/serviceaccounts", """{"metadata":{"name":"other"}}""");
        await _server.DoneAsync("POST", "apis/rbac.authorization.k8s.io/v1/clusterrolebindings", """{"metadata":{"name":"other"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},"subjects":[{"kind":"ServiceAccount","name":"other","namespace":"others"}]}""");
        var token = (await _server.DoneAsync("POST", "api/v1/namespaces/others/serviceaccounts/other/token", """{"spec":{}}"""))["status"]!["token"]!.ToString();
        using var another = await WatchAsync(token); // whose watches are counted apart
        Assert.Equal(HttpStatusCode.OK, another.StatusCode);

        var answered = await HalfAsync();
        Assert.StartsWith("HTTP/1.1 504 ", answered, StringComparison.Ordinal);
        Assert.Contains("\"message\":\"the request did not complete within 3 s\",\"reason\":\"Timeout\",\"code\":504", answered, StringComparison.Ordinal);
        await _server.DoneAsync("POST", "api/v1/namespaces/default/configmaps", """{"metadata":{"name":"late"}}""");
        using var lines = new StreamReader(await second.Content.ReadAsStreamAsync());
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        string told;
        do told = JsonNode.Parse((await lines.ReadLineAsync(deadline.Token))!)!["object"]!["metadata"]!["name"]!.ToString();
        while (told != "late");

        first.Dispose();
        while (true) // until the server has seen that it is gone
        {
            using var again = await WatchAsync();
            if (again.StatusCode == HttpStatusCode.OK) break;
            Assert.Equal(HttpStatusCode.TooManyRequests, again.StatusCode);
            deadline.Token.ThrowIfCancellationRequested();
        }
    }
}
