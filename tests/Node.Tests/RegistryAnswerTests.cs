using System.Net;
using System.Net.Http.Headers;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>What registries may answer: by digest, not now, only with a token.</summary>
public sealed class RegistryAnswerTests : IDisposable
{
    private readonly PullingNode _node = new();

    public void Dispose() => _node.Dispose();

    private static Dictionary<string, string> Files(string text) => new() { ["etc/text"] = text };

    private async Task<string> RefusedAsync(string name, PullCredentials? credentials = null) => (await Assert.ThrowsAsync<ImageUnavailableException>(() => _node.PullAsync(name, credentials))).Message;

    [Fact]
    public async Task A_digest_means_one_image_whatever_its_tag_means_now()
    {
        await using var registry = await RegistryServer.StartAsync();
        var digest = await registry.PushLayersAsync("app:1", Files("one"));
        await registry.PushLayersAsync("app:1", Files("two"));
        Assert.Equal("two", _node.Read(await _node.PullAsync($"{registry.Address}/app:1"), "etc/text"));
        Assert.Equal("one", _node.Read(await _node.PullAsync($"{registry.Address}/app@{digest}"), "etc/text"));
        Assert.Equal("one", _node.Read(await _node.PullAsync($"{registry.Address}/app:1@{digest}"), "etc/text"));
        Assert.Contains("is not in its registry", await RefusedAsync($"{registry.Address}/app@sha256:{new string('0', 64)}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_that_is_not_what_its_digest_says_is_refused()
    {
        await using var registry = await RegistryServer.StartAsync();
        var digest = await registry.PushLayersAsync("app:1", Files("one"));
        await registry.PushLayersAsync("other:1", Files("two"));
        await using var front = await RegistryFront.StartAsync(registry.Address, (_, _) => null, instead: path => path.Contains("/manifests/sha256:", StringComparison.Ordinal) ? "/v2/other/manifests/1" : path);
        Assert.Contains("has another digest", await RefusedAsync($"{front.Address}/app@{digest}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registry_that_cannot_answer_now_is_asked_again()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushAsync("app:1", Files("one"));
        await using var front = await RegistryFront.StartAsync(registry.Address, (path, times) => times > 1 ? null : path.Contains("/manifests/", StringComparison.Ordinal) ? (HttpStatusCode.TooManyRequests, "0") : (HttpStatusCode.ServiceUnavailable, "Thu, 01 Jan 1970 00:00:00 GMT"));
        Assert.Equal("one", _node.Read(await _node.PullAsync($"{front.Address}/app:1"), "etc/text"));
        Assert.Equal([429, 200, 503, 200, 503, 200], front.Answers.Select(answer => answer.Code)); // manifest, configuration, layer
    }

    [Theory]
    [InlineData(HttpStatusCode.TooManyRequests, "0", "the registry asks for patience (429)", RegistryRetry.Tries)]
    [InlineData(HttpStatusCode.BadGateway, "0", "the registry answered 502", RegistryRetry.Tries)]
    [InlineData(HttpStatusCode.TooManyRequests, "3600", "the registry asks for patience (429)", 1)]
    [InlineData(HttpStatusCode.NotFound, "0", "is not in its registry", 1)]
    public async Task It_is_not_asked_for_ever_and_the_message_says_what_it_answered(HttpStatusCode code, string after, string expected, int times)
    {
        await using var front = await RegistryFront.StartAsync("127.0.0.1:1", (_, _) => (code, after));
        Assert.Contains(expected, await RefusedAsync($"{front.Address}/app:1"), StringComparison.Ordinal);
        Assert.Equal(times, front.Answers.Count);
    }

    [Fact]
    public async Task A_layer_is_asked_for_five_times_in_all_whichever_way_it_fails()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushAsync("app:1", Files("one"));
        int blobs = 0;
        var first = "";
        await using var front = await RegistryFront.StartAsync(registry.Address, (path, times) =>
        {
            if (!path.Contains("/blobs/", StringComparison.Ordinal)) return null;
            if (blobs++ == 0) first = path; // the configuration
            return path == first ? null : times % 2 == 1 ? (HttpStatusCode.ServiceUnavailable, "0") : (0, null);
        });
        var failure = await Record.ExceptionAsync(() => _node.PullAsync($"{front.Address}/app:1"));
        Assert.True(failure is ImageUnavailableException or HttpRequestException, $"{failure}");
        Assert.Equal([503, 0, 503, 0, 503], front.Answers.Where(answer => answer.Path.Contains("/blobs/", StringComparison.Ordinal) && answer.Path != first).Select(answer => answer.Code));
    }

    [Theory]
    [InlineData(1, HttpStatusCode.TooManyRequests, null, 400)]
    [InlineData(2, HttpStatusCode.InternalServerError, null, 800)]
    [InlineData(4, HttpStatusCode.GatewayTimeout, null, 3200)]
    [InlineData(5, HttpStatusCode.TooManyRequests, null, null)]
    [InlineData(1, HttpStatusCode.TooManyRequests, "7", 7000)]
    [InlineData(1, HttpStatusCode.ServiceUnavailable, "Thu, 26 Nov 2026 10:00:03 GMT", 3000)]
    [InlineData(1, HttpStatusCode.ServiceUnavailable, "Thu, 26 Nov 2026 09:00:00 GMT", 0)]
    [InlineData(1, HttpStatusCode.ServiceUnavailable, "21", null)]
    [InlineData(1, HttpStatusCode.Unauthorized, null, null)]
    [InlineData(1, HttpStatusCode.NotFound, "1", null)]
    [InlineData(1, HttpStatusCode.OK, null, null)]
    public void The_pause_is_the_registrys_or_doubles(int attempt, HttpStatusCode code, string? after, int? milliseconds) =>
        Assert.Equal(milliseconds is { } expected ? TimeSpan.FromMilliseconds(expected) : null, RegistryRetry.Wait(attempt, code, after is null ? null : RetryConditionHeaderValue.Parse(after), new DateTimeOffset(2026, 11, 26, 10, 0, 0, TimeSpan.Zero)));

    [Fact]
    public async Task A_token_comes_from_the_service_that_the_registry_names()
    {
        await using var tokens = await TokenServer.StartAsync();
        await using var registry = await RegistryServer.StartAsync(tokens.Configuration);
        await registry.PushAsync("public/app:1", Files("open"));
        await registry.PushAsync("team/app:1", Files("closed"));
        int before = tokens.Given;
        Assert.Equal("open", _node.Read(await _node.PullAsync($"{registry.Address}/public/app:1"), "etc/text"));
        Assert.Equal(1, tokens.Given - before); // for the manifest, the configuration and the layer
        var name = $"{registry.Address}/team/app:1";
        Assert.Contains("gave no token (401); give the pod `imagePullSecrets`", await RefusedAsync(name), StringComparison.Ordinal);
        Assert.Contains("gave no token (401); check the name and password", await RefusedAsync(name, ImageStoreTests.Credentials(registry.Address, RegistryServer.User, "wrong")), StringComparison.Ordinal);
        Assert.Equal("closed", _node.Read(await _node.PullAsync(name, ImageStoreTests.Credentials(registry.Address, RegistryServer.User, RegistryServer.Password)), "etc/text"));
    }
}
