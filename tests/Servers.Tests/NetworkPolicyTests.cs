using System.Text;
using CsCheck;
using Eyrie.Microkernel.Servers.Network;

namespace Eyrie.Servers.Tests;

/// <summary>The network server's decision alone: no kernel, no sockets.</summary>
public sealed class NetworkPolicyTests
{
    private const string Services = "default/hello 80 127.79.0.10 127.79.16.2:8080 127.79.16.3:8081\ndefault/empty 80 127.79.0.11\n";
    private const string Grants = "8 connect tcp service default/hello 80\n9 connect tcp cidr 10.20.0.0/16 443,8000-8100\n10 listen tcp 8080\n";
    private static readonly uint Pod = Address("127.79.16.1"), Loopback = Address("127.95.16.1");

    private sealed record Verdict(DecisionKind Kind, uint Address, ushort Port, int Grant, string Service);

    private static readonly Gen<uint> AnyAddress = Gen.OneOf(
        Gen.UInt, Gen.UInt.Select(low => 127u << 24 | low & 0xFFFFFF), Gen.UInt.Select(low => 10u << 24 | 20u << 16 | low & 0xFFFF),
        Among("127.79.0.10", "127.79.0.11", "127.79.16.1", "127.79.16.2", "127.95.16.1", "127.95.16.2", "127.0.0.1", "0.0.0.0").Select(Address));

    private static readonly Gen<ushort> AnyPort = Gen.OneOf(Gen.UShort, Among<ushort>(0, 80, 443, 7999, 8000, 8080, 8081, 8100, 8101));

    private static Gen<T> Among<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(index => values[index]);

    private static uint Address(string text) => text.Split('.').Aggregate(0u, (address, part) => address << 8 | uint.Parse(part, System.Globalization.CultureInfo.InvariantCulture));

    private static Verdict Connect(string grants, uint address, ushort port, uint random = 0)
    {
        var session = new Session { Pod = Pod, Loopback = Loopback, Grants = Encoding.ASCII.GetBytes(grants) };
        return Of(Policy.Connect(session, Encoding.ASCII.GetBytes(Services), address, port, random));
    }

    private static Verdict Bind(string grants, uint address, ushort port, bool listening)
    {
        var session = new Session { Pod = Pod, Loopback = Loopback, Grants = Encoding.ASCII.GetBytes(grants) };
        return Of(Policy.Bind(session, address, port, listening));
    }

    private static Verdict Of(Decision decision) => new(decision.Kind, decision.Address, decision.Port, decision.Grant, Encoding.ASCII.GetString(decision.Service));

    [Fact]
    public void Without_a_grant_only_the_pod_itself_can_be_reached() =>
        Gen.Select(AnyAddress, AnyPort).Sample((address, port) =>
        {
            var verdict = Connect("", address, port);
            return verdict.Grant == 0 && (verdict.Kind == DecisionKind.Deny || verdict.Address == Pod || verdict.Address == Loopback);
        });

    [Fact]
    public void A_grant_of_everything_reaches_no_closed_pod_and_no_private_localhost_of_another() =>
        Gen.Select(AnyAddress, AnyPort, Gen.UInt).Sample((address, port, random) =>
        {
            var session = new Session { Pod = Pod, Loopback = Loopback, Grants = "8 connect any\n"u8, Audit = default };
            var verdict = Of(Policy.Connect(session, Encoding.ASCII.GetBytes(Services + "closed 127.79.16.2 127.79.16.3\n"), address, port, random));
            bool own = verdict.Address == Pod || verdict.Address == Loopback;
            return verdict.Kind != DecisionKind.Allow || own || verdict.Grant == 9 && verdict.Address != Address("127.79.16.2") && verdict.Address != Address("127.79.16.3") && verdict.Address >> 20 != Address("127.80.0.0") >> 20;
        });

    [Fact]
    public void An_audit_changes_nothing_about_what_is_granted_and_marks_what_it_lets_through() =>
        Gen.Select(AnyAddress, AnyPort, Gen.UInt).Sample((address, port, random) =>
        {
            var services = Encoding.ASCII.GetBytes(Services);
            var plain = new Session { Pod = Pod, Loopback = Loopback, Grants = Encoding.ASCII.GetBytes(Grants) };
            var audited = new Session { Pod = Pod, Loopback = Loopback, Grants = plain.Grants, Audit = "20 connect any\n"u8 };
            var before = Policy.Connect(plain, services, address, port, random);
            var after = Policy.Connect(audited, services, address, port, random);
            return before.Kind == DecisionKind.Deny ? after.Kind == DecisionKind.Deny || after.Audited && (after.Grant == 21 || after.Kind == DecisionKind.Refuse) : Of(before) == Of(after) && !after.Audited;
        });

    [Fact]
    public void What_is_allowed_beyond_the_pod_names_the_grant_that_allows_it() =>
        Gen.Select(AnyAddress, AnyPort, Gen.UInt).Sample((address, port, random) =>
        {
            var verdict = Connect(Grants, address, port, random);
            if (verdict.Kind != DecisionKind.Allow || verdict.Address == Pod || verdict.Address == Loopback) return true;
            bool endpoint = (verdict.Address, verdict.Port) == (Address("127.79.16.2"), 8080) || (verdict.Address, verdict.Port) == (Address("127.79.16.3"), 8081);
            bool range = verdict.Address >> 16 == (10u << 8 | 20u) && verdict.Port is 443 or (>= 8000 and <= 8100);
            return verdict.Grant == 9 && endpoint || verdict.Grant == 10 && range;
        });

    [Fact]
    public void Adding_a_grant_never_takes_one_away() =>
        Gen.Select(AnyAddress, AnyPort, Among(Grants.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Array[0, 2]).Sample((address, port, some) =>
        {
            var few = string.Concat(some.Select(line => line + "\n"));
            return Connect(few, address, port).Kind == DecisionKind.Deny || Connect(few + Grants, address, port).Kind != DecisionKind.Deny;
        });

    [Fact]
    public void Another_pods_private_localhost_is_never_reached_by_a_range() =>
        Gen.Select(Gen.UInt, AnyPort).Sample((low, port) =>
        {
            uint address = Address("127.64.0.0") | low & 0x1FFFFF;
            return address == Pod || address == Loopback || Connect("8 connect tcp cidr 0.0.0.0/0 0-65535\n", address, port).Kind == DecisionKind.Deny;
        });

    [Fact]
    public void Pods_granted_by_their_labels_are_reached_at_their_own_address_and_port_only()
    {
        const string table = "default/app=cache 6379  127.79.16.7:6379\ndefault/app=db 5432  127.79.16.8:5432\n", grant = "8 connect tcp pods default/app=cache 6379\n";
        static DecisionKind Kind(string address, ushort port)
        {
            var session = new Session { Pod = Address("127.79.16.1"), Loopback = Address("127.95.16.1"), Grants = Encoding.ASCII.GetBytes(grant) };
            return Policy.Connect(session, Encoding.ASCII.GetBytes(table), Address(address), port, 0).Kind;
        }
        Assert.Equal(DecisionKind.Allow, Kind("127.79.16.7", 6379));
        Assert.Equal(DecisionKind.Deny, Kind("127.79.16.7", 6380));
        Assert.Equal(DecisionKind.Deny, Kind("127.79.16.8", 5432));
    }

    [Fact]
    public void Every_ready_endpoint_is_picked_in_its_turn()
    {
        Assert.Equal(new Verdict(DecisionKind.Allow, Address("127.79.16.2"), 8080, 9, ""), Connect(Grants, Address("127.79.0.10"), 80, 0));
        Assert.Equal(new Verdict(DecisionKind.Allow, Address("127.79.16.3"), 8081, 9, ""), Connect(Grants, Address("127.79.0.10"), 80, 1));
    }

    [Fact]
    public void An_endpoint_that_is_kept_is_picked_whatever_the_draw_as_long_as_the_Service_has_it() =>
        Gen.Select(Gen.UInt, Among("127.79.16.2:8080", "127.79.16.3:8081", "127.79.16.9:8080", "127.79.16.2:8081")).Sample((random, kept) =>
        {
            const string table = "default/hello 80 127.79.0.10 @10800 127.79.16.2:8080 127.79.16.3:8081\n";
            var session = new Session { Pod = Pod, Loopback = Loopback, Grants = Encoding.ASCII.GetBytes(Grants) };
            var peer = new Peer(Address(kept.Split(':')[0]), ushort.Parse(kept.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture));
            var decision = Policy.Connect(session, Encoding.ASCII.GetBytes(table), Address("127.79.0.10"), 80, random, false, peer);
            var (address, port) = table.Contains(kept, StringComparison.Ordinal) ? (peer.Address, peer.Port) : random % 2 == 0 ? (Address("127.79.16.2"), 8080) : (Address("127.79.16.3"), (ushort)8081);
            return decision.Kind == DecisionKind.Allow && decision.Affinity == 10800 && decision.Choices == 2 && (decision.Address, decision.Port) == (address, port);
        });

    [Fact]
    public void A_granted_service_with_nobody_ready_refuses_and_an_ungranted_one_denies_by_name()
    {
        Assert.Equal(DecisionKind.Refuse, Connect("8 connect tcp service default/empty 80\n", Address("127.79.0.11"), 80).Kind);
        var denied = Connect(Grants, Address("127.79.0.11"), 80);
        Assert.Equal((DecisionKind.Deny, "default/empty 80"), (denied.Kind, denied.Service));
    }

    [Theory]
    [InlineData("127.0.0.1", 9999, true, DecisionKind.Allow, "127.95.16.1")]
    [InlineData("0.0.0.0", 8080, true, DecisionKind.Allow, "127.79.16.1")]
    [InlineData("0.0.0.0", 8081, false, DecisionKind.Deny, "127.79.16.1")]
    [InlineData("0.0.0.0", 0, false, DecisionKind.Allow, "127.79.16.1")]
    [InlineData("0.0.0.0", 0, true, DecisionKind.Deny, "127.79.16.1")]
    [InlineData("127.79.16.2", 8080, false, DecisionKind.Deny, "127.79.16.2")]
    public void Binding_stays_on_the_pods_own_addresses(string address, ushort port, bool listening, DecisionKind kind, string bound)
    {
        var verdict = Bind(Grants, Address(address), port, listening);
        Assert.Equal((kind, Address(bound)), (verdict.Kind, verdict.Address));
    }
}
