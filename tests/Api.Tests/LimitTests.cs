using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Eyrie.ControlPlane.Api.Limits;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Hostile clients, and what others see of them.</summary>
[Collection(nameof(ApiServer))]
public sealed class LimitTests(ApiServer server)
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(50), Long = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_flow_with_many_requests_leaves_seats_to_the_others_and_takes_turns_with_them()
    {
        var seats = new FairSeats(4, 3);
        var greedy = Enumerable.Range(0, 20).Select(_ => seats.TakeAsync("greedy", 1, default)).ToList();
        Assert.Equal(3, greedy.Count(seat => seat.IsCompleted));
        var other = await seats.TakeAsync("other", 1, default).WaitAsync(Moment * 100);
        var second = seats.TakeAsync("other", 1, default);
        Assert.False(second.IsCompleted);
        (await greedy[0]).Dispose();
        await second.WaitAsync(Moment * 100); // whoever has fewer is next, though seventeen waited longer
        other.Dispose();
        (await second).Dispose();
        foreach (var seat in greedy) (await seat.WaitAsync(Moment * 100)).Dispose();
    }

    [Fact]
    public async Task Whoever_gives_up_waiting_leaves_nothing_behind()
    {
        var seats = new FairSeats(2, 1);
        var held = await seats.TakeAsync("a", 1, default);
        using var gone = new CancellationTokenSource();
        var waiting = seats.TakeAsync("a", 1, gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        held.Dispose();
        for (int i = 0; i < 100; i++) (await seats.TakeAsync("a", 5, default).WaitAsync(Moment * 100)).Dispose();
    }

    [Fact]
    public void Requests_and_watches_of_a_user_are_counted_apart_and_bounded()
    {
        var limits = new RequestLimits(new LimitOptions { OpenPerUser = 2, LongRunningPerUser = 1 });
        var ann = new ControlPlane.Api.Access.Subject("ann", []);
        using var first = limits.Enter(ann);
        using var second = limits.Enter(ann);
        Assert.Equal(429, Assert.Throws<ControlPlane.Api.StatusException>(() => limits.Enter(ann)).Code);
        using var bob = limits.Enter(ann with { Name = "bob" });
        first.GoOn();
        using var third = limits.Enter(ann);
        Assert.Equal(429, Assert.Throws<ControlPlane.Api.StatusException>(second.GoOn).Code);
    }

    /// <summary>A connection that sends what it is told, byte by byte if so.</summary>
    private async Task<SslStream> ConnectAsync()
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, server.Client.BaseAddress!.Port);
        var stream = new SslStream(socket.GetStream(), false, (_, _, _, _) => true);
        await stream.AuthenticateAsClientAsync("localhost");
        return stream;
    }

    [Fact]
    public async Task A_hundred_clients_that_send_their_bodies_slowly_keep_nobody_waiting()
    {
        var slow = new List<SslStream>();
        for (int i = 0; i < 100; i++)
        {
            var stream = await ConnectAsync();
            await stream.WriteAsync(Encoding.ASCII.GetBytes("POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"));
            slow.Add(stream);
        }
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < 50; i++) Assert.Equal(HttpStatusCode.OK, (await server.SendAsync("GET", "api/v1/namespaces/default")).Code);
        Assert.True(clock.Elapsed < Long, $"50 requests took {clock.Elapsed}");
        foreach (var stream in slow) await stream.DisposeAsync();
    }

    [Fact]
    public async Task A_user_who_lists_everything_all_the_time_does_not_keep_another_from_reading_one_object()
    {
        var output = await server.KubectlAsync("flood", "K create serviceaccount flooder >/dev/null; K create clusterrolebinding flooder --clusterrole=view --serviceaccount=flood:flooder > /dev/null; K create token flooder");
        var token = output.Trim();
        for (int i = 0; i < 200; i++) await server.SendAsync("POST", "api/v1/namespaces/flood/configmaps", $$$"""{"metadata":{"name":"c{{{i}}}"},"data":{"a":"{{{new string('x', 2000)}}}"}}""");
        using var over = new CancellationTokenSource();
        int answered = 0;
        var flood = Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/configmaps") { Headers = { Authorization = new("Bearer", token) } };
                using var response = await server.Client.SendAsync(request);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                await response.Content.ReadAsByteArrayAsync();
                Interlocked.Increment(ref answered);
            }
        })).ToList();
        while (Volatile.Read(ref answered) < 64) await Task.Delay(Moment);
        var (times, lists) = (new List<TimeSpan>(), new List<int>());
        for (int i = 0; i < 30; i++)
        {
            int before = Volatile.Read(ref answered);
            var clock = Stopwatch.StartNew();
            Assert.Equal(HttpStatusCode.OK, (await server.SendAsync("GET", "api/v1/namespaces/flood/configmaps/c1")).Code);
            times.Add(clock.Elapsed);
            lists.Add(Volatile.Read(ref answered) - before);
        }
        await over.CancelAsync();
        await Task.WhenAll(flood);
        times.Sort();
        lists.Sort();
        // Where a machine is so slow that a request takes a second, still few of the 64 lists that always wait may be answered before it.
        Assert.True(times[15] < TimeSpan.FromSeconds(1) || lists[15] < 16, $"median {times[15].TotalMilliseconds} ms, slowest {times[^1].TotalMilliseconds} ms beside {answered} lists, {lists[15]} of them within one request");
    }

    [Theory]
    [InlineData(3 << 20, HttpStatusCode.RequestEntityTooLarge)]
    [InlineData(100, HttpStatusCode.Created)]
    public async Task A_body_has_a_greatest_size(int bytes, HttpStatusCode expected) =>
        Assert.Equal(expected, (await server.SendAsync("POST", "api/v1/namespaces/default/configmaps?dryRun=All", $$$"""{"metadata":{"name":"big"},"data":{"a":"{{{new string('x', bytes)}}}"}}""")).Code);

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/yaml")]
    [InlineData("application/apply-patch+yaml")]
    public async Task A_body_has_a_greatest_depth(string type)
    {
        var deep = $"{{\"metadata\":{{\"name\":\"deep\"}},\"data\":{string.Concat(Enumerable.Repeat("{\"a\":", 5000))}1{new string('}', 5000)}}}";
        bool patch = type.Contains("patch", StringComparison.Ordinal);
        var (code, body) = await server.SendAsync(patch ? "PATCH" : "POST", "api/v1/namespaces/default/configmaps" + (patch ? "/deep?fieldManager=m" : ""), deep, type);
        Assert.Equal((HttpStatusCode.BadRequest, "Status"), (code, body["kind"]!.ToString()));
    }
}
