using Eyrie.Microkernel.Abi;

namespace Eyrie.Node;

/// <summary>What a node says of limits that its host has no control groups for.</summary>
public static class UnenforcedLimits
{
    /// <summary>Type of the node's condition.</summary>
    public const string Condition = "LimitsNotEnforced";

    /// <summary>The condition's message; null: every limit is enforced.</summary>
    public static string? Message(LimitKinds enforced)
    {
        var watched = new[] { (LimitKinds.Memory, "memory"), (LimitKinds.Processes, "processes") }.Where(kind => !enforced.HasFlag(kind.Item1)).Select(kind => kind.Item2).ToArray();
        if (enforced.HasFlag(LimitKinds.All)) return null;
        var sentences = new List<string>();
        if (watched.Length > 0) sentences.Add($"Limits of {string.Join(" and ", watched)} are not enforced by the host: the kernel looks twice a second and kills a container that has more, which may harm its neighbours until then");
        if (!enforced.HasFlag(LimitKinds.Cpu)) sentences.Add("CPU requests and limits have no effect");
        return string.Join(". ", sentences) + ". Give the node control groups: the controllers memory, cpu and pids of cgroup v2, or memory, cpu, cpuacct and pids of cgroup v1, writable beneath /sys/fs/cgroup.";
    }
}
