using System.Text;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Manifests.Permissions;

/// <summary>How much of the world a container can reach, in numbers that a change moves. Smaller is better.</summary>
/// <param name="SystemCalls">Calls that reach the host's kernel, whatever their arguments.</param>
/// <param name="Addresses">Addresses outside the cluster.</param>
public sealed record PermissionScore(string Container, int SystemCalls, int ClusterPeers, long Addresses, int ListeningPorts, int WritablePaths, long Processes)
{
    /// <summary>Allowed by Docker's default seccomp profile on x86-64 without further capabilities, and by gVisor's sandbox to its host: published figures.</summary>
    public const int DockerDefault = 300, GvisorHost = 68;

    public static PermissionScore Of(ContainerCapabilitySet set)
    {
        var entries = set.Lines.Select(line => CapabilityEntry.TryParse(line, out var entry) ? entry : null).OfType<CapabilityEntry>().ToList();
        return new PermissionScore(set.Container, ReachableCalls(set.Lines), entries.Count(entry => entry is CapabilityEntry.ConnectService or CapabilityEntry.ConnectPods or CapabilityEntry.GateCall && !ClusterDns.Is(entry)),
            entries.OfType<CapabilityEntry.ConnectRange>().Sum(range => 1L << (32 - range.Network.PrefixLength)) + entries.Count(entry => entry is CapabilityEntry.ConnectHost), entries.Count(entry => entry is CapabilityEntry.Listen),
            entries.Count(entry => entry is CapabilityEntry.Files { Writable: true }), entries.OfType<CapabilityEntry.Quota>().Sum(quota => quota.Limit.Total));
    }

    /// <summary>Numbers that the filter of a container with these lines lets through for some argument. A trapped call ends in Eyrie's own kernel and is not among them.</summary>
    public static int ReachableCalls(IEnumerable<string> lines)
    {
        var classes = lines.Aggregate(CallClass.None, (sum, line) => sum | CallClasses.Of(Encoding.UTF8.GetBytes(line)));
        var calls = new HashSet<int>();
        for (int group = 0; group < SystemCallPolicy.Groups; group++)
            foreach (short number in SystemCallPolicy.Native(group, out var needed))
                if (needed == CallClass.None || (needed & classes) != 0) calls.Add(number);
        var rules = SystemCallPolicy.Rules;
        for (int i = 0; i < rules.Length; i += ArgumentRule.Width)
            if (rules[i + 5] == Verdict.Allow && (rules[i] == 0 || ((CallClass)rules[i] & classes) != 0)) calls.Add((int)rules[i + 1]);
        return calls.Count;
    }
}
