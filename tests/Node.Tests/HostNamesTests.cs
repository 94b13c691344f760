using System.Net;
using System.Net.Sockets;
using Eyrie.Node.Dns;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Names outside the cluster, with a resolver of the test's own on the loopback.</summary>
public sealed class HostNamesTests : IDisposable
{
    private readonly Socket _resolver = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch);
    private readonly List<string> _told = [], _asked = [];
    private readonly HostNames _names;
    private List<DnsRecord> _records = [];
    private ResponseCode _code;

    public HostNamesTests()
    {
        _resolver.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        HostNames? made = null;
        _names = made = new HostNames(new UpstreamResolver((IPEndPoint)_resolver.LocalEndPoint!).AskAsync, () =>
        {
            _told.Add(string.Join("; ", made!.Pins));
            return Task.CompletedTask;
        }, _time);
        _ = ServeAsync();
    }

    private async Task ServeAsync()
    {
        var buffer = new byte[4096];
        while (true)
        {
            try
            {
                var received = await _resolver.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0));
                var question = DnsMessage.Read(buffer.AsSpan(0, received.ReceivedBytes), out _)!;
                _asked.Add(question.Name);
                // First somebody who guesses: another question's answer must not be taken.
                await _resolver.SendToAsync(DnsMessage.Write(question with { Id = (ushort)(question.Id + 1) }, new DnsAnswer(ResponseCode.NoError, [A("api.example.com", "6.6.6.6")], []), true), received.RemoteEndPoint);
                await _resolver.SendToAsync(DnsMessage.Write(question, new DnsAnswer(_code, _records, []), true), received.RemoteEndPoint);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    public void Dispose()
    {
        _names.Dispose();
        _resolver.Dispose();
    }

    private static DnsRecord A(string name, string address, int seconds = 60) => new(name, RecordType.A, IPAddress.Parse(address).GetAddressBytes(), seconds);

    private async Task<string> ResolveAsync(string name = "api.example.com") => await _names.ResolveAsync(name, CancellationToken.None) is var (addresses, seconds) ? $"{string.Join(' ', addresses)} for {seconds}" : "nobody answered";

    [Fact]
    public async Task The_network_server_is_told_before_the_asker_and_until_the_answer_ends()
    {
        _records = [A("api.example.com", "10.9.8.7"), A("api.example.com", "10.9.8.8", 45)];
        Assert.Equal("10.9.8.7 10.9.8.8 for 45", await ResolveAsync());
        Assert.Equal(["host api.example.com 10.9.8.7 10.9.8.8"], _told);
        _time.Advance(TimeSpan.FromSeconds(40));
        Assert.Equal("10.9.8.7 10.9.8.8 for 5", await ResolveAsync());
        Assert.Single(_asked); // it is known still
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("", _told[^1]);
        _records = [A("api.example.com", "10.9.8.9")];
        Assert.Equal("10.9.8.9 for 60", await ResolveAsync());
    }

    [Fact]
    public async Task An_address_that_left_the_answer_holds_as_long_as_it_was_said_to()
    {
        _records = [A("api.example.com", "10.9.8.7", 1)];
        Assert.Equal("10.9.8.7 for 1", await ResolveAsync());
        _time.Advance(TimeSpan.FromSeconds(2));
        _records = [A("api.example.com", "10.9.8.8")];
        await ResolveAsync();
        Assert.Equal("host api.example.com 10.9.8.7 10.9.8.8", _told[^1]); // half a minute at least, for who asked a moment ago
        _time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal("host api.example.com 10.9.8.8", _told[^1]);
    }

    [Fact]
    public async Task A_chain_of_names_is_followed_and_nothing_beside_it_is_taken()
    {
        _records = [new DnsRecord("api.example.com", RecordType.Cname, DnsMessage.Encode("edge.example.net"), 60), A("evil.example.net", "10.6.6.6"), A("edge.example.net", "10.9.8.7")];
        Assert.Equal("10.9.8.7 for 60", await ResolveAsync());
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.64.16.2")] // a pod
    [InlineData("0.0.0.0")]
    [InlineData("169.254.169.254")]
    [InlineData("224.0.0.1")]
    public async Task An_address_of_the_host_or_of_the_cluster_is_never_taken(string address)
    {
        _records = [A("api.example.com", address)];
        Assert.Equal(" for 60", await ResolveAsync());
        Assert.Empty(_told);
    }

    [Fact]
    public async Task A_name_that_is_not_there_is_none_and_a_resolver_that_fails_is_no_answer()
    {
        _code = ResponseCode.NameError;
        Assert.Equal(" for 0", await ResolveAsync());
        _code = ResponseCode.ServerFailure;
        Assert.Equal("nobody answered", await ResolveAsync("other.example.com"));
    }

    [Fact]
    public void Only_a_pod_with_the_grant_may_ask()
    {
        var reach = new PodReach(["connect tcp host api.example.com 443"]);
        Assert.True(reach.ReachesHost("API.example.com"));
        Assert.False(reach.ReachesHost("secret.api.example.com"));
        Assert.False(reach.ReachesHost("example.com"));
    }

    [Theory]
    [InlineData("127.0.0.1:5300", "127.0.0.1:5300")]
    [InlineData("10.0.0.2", "10.0.0.2:53")]
    [InlineData("nonsense", null)]
    [InlineData("::1", null)]
    public void The_resolver_is_an_address_with_or_without_a_port(string text, string? expected) => Assert.Equal(expected, UpstreamResolver.Parse(text)?.ToString());

    [Fact]
    public void The_hosts_resolver_is_the_first_of_resolv_conf() => Assert.Equal("10.0.0.2:53", UpstreamResolver.OfHost(["# nameserver 1.1.1.1", "search x", "nameserver fe80::1", "nameserver 10.0.0.2", "nameserver 10.0.0.3"])?.ToString());
}
