using System.Text;
using CsCheck;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Servers.Network;

namespace Eyrie.Servers.Tests;

/// <summary>Which decisions the kernel may repeat, and where those lead: nowhere that a decision of its own would not have led.</summary>
public sealed class StandingTests
{
    private const string Services = "default/hello 80 127.79.0.10 127.79.16.2:8080 127.79.16.3:8081\ndefault/own 80 127.79.0.12 127.79.16.1:8080 127.79.16.2:8080\ndefault/away 80 127.79.0.13 10.20.0.1:80\ndefault/kept 80 127.79.0.14 @60 127.79.16.2:8080\nclosed 127.79.16.3\n";
    private const string Grants = "8 connect tcp service default/hello 80\n10 connect tcp service default/own 80\n11 connect tcp service default/away 80\n12 connect tcp service default/kept 80\n13 connect tcp cidr 10.0.0.0/8 443\n";
    private static readonly uint Pod = Address("127.79.16.1"), Loopback = Address("127.95.16.1");

    private static uint Address(string text) => text.Split('.').Aggregate(0u, (address, part) => address << 8 | uint.Parse(part, System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>The pod's own address, then the endpoints; empty: the decision does not stand.</summary>
    private static List<(uint Address, ushort Port)> Written(string services, string grants, string audit, uint address, ushort port, uint random)
    {
        var session = new Session { Pod = Pod, Loopback = Loopback, Grants = Encoding.ASCII.GetBytes(grants), Audit = Encoding.ASCII.GetBytes(audit) };
        var table = Encoding.ASCII.GetBytes(services);
        var space = new byte[8 * (StandingAnswer.MaxEndpoints + 1)];
        int length = Standing.Write(session, table, Policy.Connect(session, table, address, port, random), space);
        return [.. Enumerable.Range(0, length / 8).Select(i => ((uint)(space[8 * i + 4] << 24 | space[8 * i + 5] << 16 | space[8 * i + 6] << 8 | space[8 * i + 7]), (ushort)(space[8 * i + 2] << 8 | space[8 * i + 3])))];
    }

    private static List<(uint Address, ushort Port)> Written(string to, ushort port, string grants = Grants, string audit = "", string services = Services) => Written(services, grants, audit, Address(to), port, 0);

    [Fact]
    public void A_Service_stands_with_all_its_endpoints_and_an_address_with_itself()
    {
        Assert.Equal([(Pod, (ushort)0), (Address("127.79.16.2"), (ushort)8080), (Address("127.79.16.3"), (ushort)8081)], Written("127.79.0.10", 80));
        Assert.Equal([(Pod, (ushort)0), (Address("127.79.16.2"), (ushort)8080)], Written("127.79.16.2", 8080));
    }

    [Theory]
    [InlineData("127.0.0.1", 80)] // the pod's own localhost: no grant's
    [InlineData("127.79.0.12", 80)] // one endpoint is the pod itself
    [InlineData("127.79.0.13", 80)] // off this host
    [InlineData("10.20.0.1", 443)]
    [InlineData("127.79.0.14", 80)] // session affinity
    [InlineData("127.79.0.11", 80)] // denied
    public void What_is_looked_at_anew_does_not_stand(string address, ushort port) => Assert.Empty(Written(address, port));

    [Fact]
    public void Of_an_audited_session_nothing_stands() => Assert.Empty(Written("127.79.0.10", 80, audit: "20 connect any\n"));

    [Fact]
    public void A_grant_of_everything_does_not_stand_where_an_endpoint_is_closed()
    {
        Assert.Empty(Written("127.79.0.10", 80, "8 connect any\n"));
        Assert.Equal(3, Written("127.79.0.10", 80, "8 connect any\n", services: Services.Replace("closed 127.79.16.3", "closed 127.79.16.9", StringComparison.Ordinal)).Count);
    }

    [Fact]
    public void More_endpoints_than_an_answer_holds_do_not_stand()
    {
        string Of(int count) => "default/hello 80 127.79.0.10 " + string.Join(' ', Enumerable.Range(1, count).Select(i => $"127.79.17.{i}:80")) + "\n";
        Assert.Equal(1 + StandingAnswer.MaxEndpoints, Written("127.79.0.10", 80, services: Of(StandingAnswer.MaxEndpoints)).Count);
        Assert.Empty(Written("127.79.0.10", 80, services: Of(StandingAnswer.MaxEndpoints + 1)));
    }

    [Fact]
    public void Wherever_a_standing_answer_leads_a_decision_leads_as_well() =>
        Gen.Select(Gen.UInt[0, 31], Gen.UShort[78, 82], Gen.Int[0, 255], Gen.UInt, Gen.Bool).Sample((last, port, held, random, any) =>
        {
            var grants = string.Concat(Grants.Split('\n').Where((line, i) => line.Length > 0 && (held & 1 << i) != 0).Select(line => line + "\n")) + (any ? "14 connect any\n" : "");
            uint address = Address("127.79.0.0") | last;
            var session = new Session { Pod = Pod, Loopback = Loopback, Grants = Encoding.ASCII.GetBytes(grants) };
            var table = Encoding.ASCII.GetBytes(Services);
            int grant = Policy.Connect(session, table, address, port, random).Grant;
            foreach (var endpoint in Written(Services, grants, "", address, port, random).Skip(1))
            {
                bool reached = false;
                for (uint choice = 0; choice < 4 && !reached; choice++)
                {
                    var decision = Policy.Connect(session, table, address, port, choice);
                    reached = decision.Kind == DecisionKind.Allow && decision.Grant == grant && (decision.Address, decision.Port) == endpoint;
                }
                if (!reached) return false;
            }
            return true;
        });
}
