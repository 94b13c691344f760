using System.Buffers.Binary;
using System.Net;
using System.Text;
using CsCheck;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Dns;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Names of the cluster as the Kubernetes DNS specification has them, and only of what the asking pod may reach.</summary>
public sealed class ClusterNamesTests
{
    private static readonly ClusterNames Names = new(
    [
        Port("shop", "web", "127.64.0.1", 80, "http", "", ("127.64.16.2", "")), Port("shop", "web", "127.64.0.1", 443, "https", "", ("127.64.16.2", "")),
        Port("shop", "db", "", 5432, "pg", "", ("127.64.16.3", "db-0"), ("127.64.16.4", "db-1"), ("127.64.16.5", "")), Port("shop", "db", "", 5353, "gossip", "UDP", ("127.64.16.3", "db-0")),
        Port("ops", "log", "127.64.0.2", 514, "log", "UDP"), new ServicePort { Namespace = "shop", Name = "outside", ExternalName = "api.example.com" },
        new ServicePort { Namespace = "shop", Name = "app=db", Port = 5432, Endpoints = { new Endpoint { Address = "127.64.16.4", Port = 5432 } } },
    ]);

    private static readonly PodReach Reach = new(["connect tcp service shop/web 80", "connect tcp service shop/db 5432", "connect tcp service shop/outside 443"]);

    private static ServicePort Port(string home, string name, string address, int port, string portName, string protocol, params (string Address, string Host)[] endpoints)
    {
        var made = new ServicePort { Namespace = home, Name = name, ClusterAddress = address, Port = port, PortName = portName, Protocol = protocol };
        made.Endpoints.AddRange(endpoints.Select(endpoint => new Endpoint { Address = endpoint.Address, Port = port, Hostname = endpoint.Host }));
        return made;
    }

    private static DnsQuestion Question(string name, RecordType type) => new(1, name, type, true, false, 512);

    private static string Ask(string name, RecordType type = RecordType.A, PodReach? reach = null) => Names.Answer(reach ?? Reach, Question(name, type)) is { } answer
        ? answer.Code == ResponseCode.NoError ? string.Join(' ', answer.Records.Select(Text).Order(StringComparer.Ordinal)) : answer.Code.ToString() : "not the cluster's";

    private static string Text(DnsRecord record)
    {
        int at = record.Type == RecordType.Srv ? 6 : 0;
        return record.Type switch
        {
            RecordType.A => new IPAddress(record.Data).ToString(),
            RecordType.Srv => $"{BinaryPrimitives.ReadUInt16BigEndian(record.Data.AsSpan(4))}:{DnsMessage.Name(record.Data, ref at)}",
            RecordType.Txt => Encoding.ASCII.GetString(record.Data.AsSpan(1)),
            _ => DnsMessage.Name(record.Data, ref at)!,
        };
    }

    [Theory]
    [InlineData("web.shop.svc.cluster.local", RecordType.A, "127.64.0.1")]
    [InlineData("WEB.Shop.svc.cluster.LOCAL", RecordType.A, "127.64.0.1")]
    [InlineData("web.shop.svc.cluster.local", RecordType.Aaaa, "")] // there is the name, and no such address
    [InlineData("db.shop.svc.cluster.local", RecordType.A, "127.64.16.3 127.64.16.4 127.64.16.5")]
    [InlineData("db-1.db.shop.svc.cluster.local", RecordType.A, "127.64.16.4")]
    [InlineData("db-1.db.shop.svc.cluster.local", RecordType.Aaaa, "")]
    [InlineData("127-64-16-5.db.shop.svc.cluster.local", RecordType.A, "127.64.16.5")]
    [InlineData("db-2.db.shop.svc.cluster.local", RecordType.A, "NameError")]
    [InlineData("_http._tcp.web.shop.svc.cluster.local", RecordType.Srv, "80:web.shop.svc.cluster.local")]
    [InlineData("_pg._tcp.db.shop.svc.cluster.local", RecordType.Srv, "5432:127-64-16-5.db.shop.svc.cluster.local 5432:db-0.db.shop.svc.cluster.local 5432:db-1.db.shop.svc.cluster.local")]
    [InlineData("1.0.64.127.in-addr.arpa", RecordType.Ptr, "web.shop.svc.cluster.local")]
    [InlineData("3.16.64.127.in-addr.arpa", RecordType.Ptr, "db-0.db.shop.svc.cluster.local")]
    [InlineData("outside.shop.svc.cluster.local", RecordType.A, "api.example.com")]
    [InlineData("outside.shop.svc.cluster.local", RecordType.Cname, "api.example.com")]
    [InlineData("dns-version.cluster.local", RecordType.Txt, "1.1.0")]
    [InlineData("svc.cluster.local", RecordType.A, "")]
    [InlineData("shop.svc.cluster.local", RecordType.A, "")]
    public void What_the_pod_may_reach_has_the_names_of_the_specification(string name, RecordType type, string expected) => Assert.Equal(expected, Ask(name, type));

    [Theory]
    [InlineData("log.ops.svc.cluster.local", RecordType.A)]
    [InlineData("_log._udp.log.ops.svc.cluster.local", RecordType.Srv)]
    [InlineData("_https._tcp.web.shop.svc.cluster.local", RecordType.Srv)] // a port that is not granted
    [InlineData("_gossip._udp.db.shop.svc.cluster.local", RecordType.Srv)]
    [InlineData("2.0.64.127.in-addr.arpa", RecordType.Ptr)]
    [InlineData("2.16.64.127.in-addr.arpa", RecordType.Ptr)]
    [InlineData("ops.svc.cluster.local", RecordType.A)]
    [InlineData("nothing.shop.svc.cluster.local", RecordType.A)]
    [InlineData("secret-of-the-pod.evil.cluster.local", RecordType.A)]
    public void What_it_may_not_reach_has_no_name(string name, RecordType type) => Assert.Equal("NameError", Ask(name, type));

    [Fact]
    public void A_name_outside_is_not_the_clusters() => Assert.Equal("not the cluster's", Ask("secret-of-the-pod.evil.example.com"));

    [Fact]
    public void A_pod_that_is_granted_by_its_labels_is_found_behind_its_headless_Service()
    {
        var reach = new PodReach(["connect tcp pods shop/app=db 5432"]);
        Assert.Equal("127.64.16.4", Ask("db-1.db.shop.svc.cluster.local", RecordType.A, reach));
        Assert.Equal("NameError", Ask("db-0.db.shop.svc.cluster.local", RecordType.A, reach));
        Assert.Equal("NameError", Ask("db.shop.svc.cluster.local", RecordType.A, reach));
    }

    [Fact]
    public void A_Service_that_is_granted_and_not_there_is_told_of()
    {
        Assert.Equal("shop/nothing", Names.Missing(new PodReach(["connect tcp service shop/nothing 80"]), "nothing.shop.svc.cluster.local"));
        Assert.Null(Names.Missing(new PodReach(["connect any"]), "nothing.shop.svc.cluster.local"));
        Assert.Null(Names.Missing(Reach, "web.shop.svc.cluster.local"));
        Assert.Null(Names.Missing(Reach, "nothing.shop.svc.cluster.local"));
    }

    [Fact]
    public void A_Service_that_is_there_and_not_granted_is_told_of()
    {
        Assert.Equal("log", Names.Withheld(Reach, "log.ops.svc.cluster.local")?.Name);
        Assert.Null(Names.Withheld(Reach, "web.shop.svc.cluster.local"));
        Assert.Null(Names.Withheld(Reach, "nothing.shop.svc.cluster.local"));
    }

    [Fact]
    public void A_message_of_any_bytes_is_read_without_an_exception_and_one_that_was_written_is_read_back() => Gen.Byte.Array[0, 80].Sample(bytes =>
    {
        DnsMessage.Read(bytes, out _);
        if (bytes.Length > 2) bytes[2] &= 0x7F;
        if (DnsMessage.Read(bytes, out var problem) is { } question && problem == ResponseCode.NoError && question.Name.Split('.').All(label => label.Length is > 0 and < 64))
            Assert.NotEmpty(DnsMessage.Write(question, DnsAnswer.NoSuchName, false));
    }, iter: 20_000);

    [Fact]
    public void An_answer_that_is_too_long_for_a_datagram_says_so_and_goes_whole_over_a_stream()
    {
        var many = new DnsAnswer(ResponseCode.NoError, [.. Enumerable.Range(0, 100).Select(i => new DnsRecord("db.shop.svc.cluster.local", RecordType.A, [127, 64, 16, (byte)i], 5))], []);
        var question = Question("db.shop.svc.cluster.local", RecordType.A);
        var datagram = DnsMessage.Write(question, many, false);
        Assert.True(datagram.Length <= 512);
        Assert.Equal(0x02, datagram[2] & 0x02);
        Assert.True(DnsMessage.Write(question, many, true).Length > 3000);
    }
}
