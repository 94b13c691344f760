using System.Text.Json.Nodes;
using Eyrie.Node.Tokens;
using Eyrie.Node.Volumes;
using Grpc.Core;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class TokenTests
{
    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        public override DateTimeOffset GetUtcNow() => Now;
    }

    private static readonly JsonObject Pod = JsonNode.Parse("""{"spec":{"volumes":[{"name":"t","projected":{"sources":[{"serviceAccountToken":{"audience":"vault","path":"v"}},{"serviceAccountToken":{"path":"api","expirationSeconds":700}}]}}]}}""")!.AsObject();

    [Theory]
    [InlineData("", "", "")]
    [InlineData("", "api token", " 3600 automatic")]
    [InlineData("", "api token vault", "")] // granted, and nothing carries it
    [InlineData("""{"name":"t","mountPath":"/t"}""", "connect any", "")]
    [InlineData("""{"name":"t","mountPath":"/t"}""", "api token vault", "vault 3600")]
    [InlineData("""{"name":"t","mountPath":"/t"}""", "api token", " 3600 automatic; 700")]
    [InlineData("""{"name":"t","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount/"}""", "api token;api token vault", " 700;vault 3600")] // a volume of its own where the token would be
    public void What_a_container_needs_is_what_it_mounts_and_was_granted(string mount, string entries, string expected)
    {
        var needs = TokenNeed.Of(Pod, JsonNode.Parse($$"""{"volumeMounts":[{{mount}}]}""")!.AsObject(), entries.Split(';'));
        Assert.Equal(expected.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(need => need.Trim()).Order(), needs.Select(need => $"{need.Audience} {need.Seconds}{(need.Automatic ? " automatic" : "")}".Trim()).Order());
    }

    [Fact]
    public async Task A_token_is_made_anew_when_four_fifths_of_its_time_are_over_and_kept_where_none_can_be_had()
    {
        var (clock, asked, there) = (new Clock(), 0, true);
        var tokens = new HeldTokens((need, _) => there ? Task.FromResult(new TimedToken($"token {++asked}", clock.Now, clock.Now.AddSeconds(need.Seconds))) : throw new RpcException(new Status(StatusCode.Unavailable, "nobody there")), clock);
        var need = TokenNeed.Account;
        Assert.True(await tokens.RenewAsync([need], true, CancellationToken.None));
        clock.Now += TimeSpan.FromSeconds(2879);
        Assert.False(await tokens.RenewAsync([need], true, CancellationToken.None));
        Assert.Equal("token 1", tokens.Find(need));
        clock.Now += TimeSpan.FromSeconds(2);
        there = false;
        Assert.Contains("nobody there", (await Assert.ThrowsAsync<VolumeUnavailableException>(() => tokens.RenewAsync([need], true, CancellationToken.None))).Message, StringComparison.Ordinal);
        Assert.Equal("token 1", tokens.Find(need));
        there = true;
        Assert.True(await tokens.RenewAsync([need], true, CancellationToken.None));
        Assert.Equal("token 2", tokens.Find(need));
        await tokens.RenewAsync([], true, CancellationToken.None);
        Assert.Null(tokens.Find(need));
    }

    [Fact]
    public void A_token_of_many_days_is_made_anew_after_one() =>
        Assert.Equal(TimeSpan.FromHours(24), new TimedToken("t", DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(30)).RenewAt - DateTimeOffset.UnixEpoch);
}
