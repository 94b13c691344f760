using System.Net;
using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Hosting;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Limits;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Store;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Which Status a failure is, wherever in the way of a request it happens.</summary>
public sealed class RefusalTests : IDisposable
{
    private sealed class Life : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();
        public CancellationToken ApplicationStarted => CancellationToken.None;
        public CancellationToken ApplicationStopping => _stopping.Token;
        public CancellationToken ApplicationStopped => CancellationToken.None;
        public void StopApplication() => _stopping.Cancel();
        public void Dispose() => _stopping.Dispose();
    }

    private readonly Life _life = new();
    private readonly ErrorLog _log = new();

    public void Dispose() => _life.Dispose();

    private async Task<(int Code, string Reason, int Length)> AnswerAsync(Exception failure, bool gone = false)
    {
        using var factory = LoggerFactory.Create(builder => builder.AddProvider(_log));
        var refusals = new Refusals(new RequestLimits(new LimitOptions()), _life, factory.CreateLogger<Refusals>());
        var context = new DefaultHttpContext { RequestAborted = new CancellationToken(gone) };
        using var body = new MemoryStream();
        context.Response.Body = body;
        await refusals.AnswerAsync(context, _ => throw failure);
        await context.Response.BodyWriter.FlushAsync();
        return (context.Response.StatusCode, body.Length == 0 ? "" : JsonNode.Parse(body.ToArray())!["reason"]!.ToString(), (int)body.Length);
    }

    public static TheoryData<Exception, int, string> Failures => new()
    {
        { new StoreUnavailableException("away"), 503, "ServiceUnavailable" },
        { new NodeUnreachableException("away"), 503, "ServiceUnavailable" },
        { new TaskCanceledException(), 504, "Timeout" },
        { new TimeoutException(), 504, "Timeout" },
        { new BadHttpRequestException("too slow", 408), 408, "Timeout" },
        { new BadHttpRequestException("too large", 413), 413, "RequestEntityTooLarge" },
        { new BadHttpRequestException("cut off", 400), 400, "BadRequest" },
        { new FormatException("no number"), 400, "BadRequest" },
        { new RevisionCompactedException(new Revision(1), null), 410, "Expired" },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task A_failure_that_was_foreseen_has_its_own_answer_and_is_no_error_of_the_server(Exception failure, int code, string reason)
    {
        var answer = await AnswerAsync(failure);
        Assert.Equal((code, reason), (answer.Code, answer.Reason));
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task What_nobody_foresaw_is_500_with_a_Status_and_stands_in_the_log()
    {
        foreach (var fault in new Exception[] { new KeyNotFoundException(), new ObjectDisposedException("x"), new IOException("disk") })
        {
            var answer = await AnswerAsync(fault);
            Assert.Equal((500, "InternalError"), (answer.Code, answer.Reason));
        }
        Assert.Equal(3, _log.Lines.Count);
    }

    [Fact]
    public async Task A_client_that_has_gone_is_answered_nothing()
    {
        Assert.Equal(0, (await AnswerAsync(new OperationCanceledException(), gone: true)).Length);
        Assert.Equal(0, (await AnswerAsync(new IOException("reset"), gone: true)).Length);
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task What_fails_while_the_server_stops_can_be_tried_again_elsewhere()
    {
        _life.StopApplication();
        Assert.Equal((503, "ServiceUnavailable"), await AnswerAsync(new ObjectDisposedException("services")) is var (code, reason, _) ? (code, reason) : default);
    }

    private sealed class Deaf : ReceiveActor
    {
        public Deaf() => ReceiveAny(_ => { });
    }

    private sealed class Required(IActorRef actor) : IRequiredActor<NodeSessionsActor>
    {
        public IActorRef ActorRef => actor;
        public Task<IActorRef> GetAsync(CancellationToken cancellationToken = default) => Task.FromResult(actor);
    }

    [Fact]
    public async Task A_control_plane_too_busy_to_pass_a_request_on_to_a_node_says_so()
    {
        using var system = ActorSystem.Create("deaf");
        var gateway = new NodeGateway(new Required(system.ActorOf<Deaf>())) { Answer = TimeSpan.FromMilliseconds(200) };
        var failure = await Assert.ThrowsAsync<NodeUnreachableException>(() => gateway.ReadCapabilitiesAsync("n", "u", CancellationToken.None));
        Assert.Contains("busy", failure.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NodeUnreachableException>(() => gateway.OpenStreamAsync("n", new Eyrie.Node.Contract.V1.StreamRequest(), CancellationToken.None));
    }
}
