using System.Net;
using Eyrie.Node.Dns;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class ResolvedHostsTests
{
    [Theory]
    [InlineData("connect tcp cidr 203.0.113.7/32 443", "connect tcp host api.example.com 443")]
    [InlineData("connect udp cidr 203.0.113.8/32 53", "connect udp host api.example.com 53")]
    [InlineData("connect tcp cidr 203.0.113.9/32 443", "connect tcp cidr 203.0.113.9/32 443")] // nobody asked for its name
    [InlineData("connect tcp cidr 203.0.113.0/24 443", "connect tcp cidr 203.0.113.0/24 443")]
    [InlineData("listen tcp 443", "listen tcp 443")]
    public void An_address_that_was_told_for_a_name_is_named(string used, string named)
    {
        var hosts = new ResolvedHosts();
        hosts.Learn("API.example.com.", [IPAddress.Parse("203.0.113.7"), IPAddress.Parse("203.0.113.8")]);
        Assert.Equal(named, hosts.Named(used));
    }

    [Fact]
    public void What_is_remembered_is_bounded()
    {
        var hosts = new ResolvedHosts();
        for (int i = 0; i < 5_000; i++) hosts.Learn("a.example.com", [new IPAddress([10, 1, (byte)(i >> 8), (byte)i])]);
        Assert.Equal("connect tcp host a.example.com 1", hosts.Named("connect tcp cidr 10.1.0.1/32 1"));
        Assert.Equal("connect tcp cidr 10.1.19.1/32 1", hosts.Named("connect tcp cidr 10.1.19.1/32 1"));
    }
}
