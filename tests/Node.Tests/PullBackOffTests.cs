using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Tokens;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>A pod whose image a real server does not have, on a clock of the test's own.</summary>
public sealed class PullBackOffTests : IDisposable
{
    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-backoff-").FullName;
    private readonly HttpClient _cluster = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private readonly ConcurrentQueue<string> _waiting = new(), _events = new();

    public void Dispose()
    {
        _cluster.Dispose();
        Directory.Delete(_state, true);
    }

    private void Reported(NodeMessage message)
    {
        if (message.PodEvent is { } occurred) _events.Enqueue($"{occurred.Type} {occurred.Reason}: {occurred.Message}");
        if (message.PodStatus is { } report && JsonNode.Parse(report.StatusJson)!["containerStatuses"]![0]!["state"]!["waiting"] is { } waiting) _waiting.Enqueue($"{waiting["reason"]}: {waiting["message"]}");
    }

    private async Task UntilAsync(Func<bool> holds, string what)
    {
        // A timer that the worker makes while the clock is set is late by what it was set: it goes on a little.
        for (var end = DateTime.UtcNow.AddSeconds(20); !holds(); _time.Advance(TimeSpan.FromMilliseconds(1)))
        {
            Assert.True(DateTime.UtcNow < end, $"waited 20 s for {what}; told were:\n{string.Join('\n', _events.Concat(_waiting))}");
            await Task.Delay(50);
        }
    }

    [Fact]
    public async Task An_image_that_is_not_there_is_told_and_asked_for_less_and_less_often()
    {
        bool there = false;
        await using var front = await RegistryFront.StartAsync("127.0.0.1:1", (_, _) => there ? (HttpStatusCode.Forbidden, null) : (HttpStatusCode.NotFound, null));
        var (image, options) = ($"{front.Address}/team/app:7", ImageStoreTests.Options(_state));
        foreach (var directory in new[] { "images/layers", "containers", "logs", "pods" }) Directory.CreateDirectory(Path.Combine(_state, directory));
        var desired = new DesiredPod { Uid = "0123456789abcdef", PodJson = $$$"""{"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"a","image":"{{{image}}}"}]}}""" };
        desired.Capabilities.Add(new ContainerCapabilities { Container = "a" });
        var worker = new PodWorker(desired, options, () => null!, new ImageStore(options, _cluster, _time), new PodAddress("127.64.16.1", "127.80.16.1"), new DenialLog(_state), new TokenRequests(options, _cluster), _time, Reported);
        int Told() => _events.Count(told => told.StartsWith("Warning Failed: ", StringComparison.Ordinal) || told.StartsWith("Normal BackOff: ", StringComparison.Ordinal));
        int[] waits = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        for (int failure = 0; failure < waits.Length; failure++)
        {
            await UntilAsync(() => front.Answers.Count == failure + 1 && Told() == failure + 1, $"failure {failure + 1} to be told");
            _time.Advance(TimeSpan.FromSeconds(waits[failure]) - TimeSpan.FromMilliseconds(100));
            await Task.Delay(30); // whoever asks too early has time to
            Assert.Equal(failure + 1, front.Answers.Count);
            _time.Advance(TimeSpan.FromMilliseconds(100));
        }
        var message = $"image \"{image}\" is not in its registry; check its name and tag";
        Assert.Equal(["ContainerCreating: ", $"ErrImagePull: {message}", $"ImagePullBackOff: {message}"], _waiting.ToArray());
        Assert.Equal(["Normal Pulling: Pulling image \"" + image + "\"", "Warning Failed: " + message, "Normal Pulling: Pulling image \"" + image + "\"", "Normal BackOff: Back-off pulling image \"" + image + "\""], _events.Take(4));
        there = true; // and another reason is told
        await UntilAsync(() => front.Answers.Count == waits.Length + 1, "the next question");
        _time.Advance(TimeSpan.FromSeconds(300));
        await UntilAsync(() => _waiting.Last().Contains("the registry refuses (403); check the name and password in the pod's imagePullSecrets", StringComparison.Ordinal), "the other reason");
        worker.Remove();
        await worker.Completion.WaitAsync(TimeSpan.FromSeconds(20));
    }
}
