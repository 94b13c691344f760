using System.Text;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Servers.Tests;

/// <summary>What limits become in the files of a control group of the second version.</summary>
public sealed class GroupFileTests
{
    private static string[] Written(Limits limits, LimitKinds kinds = LimitKinds.All)
    {
        var lines = new List<string>();
        var text = new byte[64];
        for (int i = 0; i < GroupSettings.Count; i++)
        {
            var value = new Freestanding.TextWriter(text);
            var file = GroupSettings.Of(i, limits, kinds, ref value);
            if (file.Length > 0) lines.Add(Encoding.ASCII.GetString(file) + "=" + Encoding.ASCII.GetString(value.Written));
        }
        return [.. lines];
    }

    [Fact]
    public void Every_limit_has_its_file() => Assert.Equal(
        ["memory.max=67108864", "memory.swap.max=0", "memory.oom.group=1", "pids.max=32", "cpu.weight=4", "cpu.max=50000 100000"],
        Written(new Limits { MemoryBytes = 67108864, Processes = 32, CpuMilli = 500, Shares = 102 }));

    [Fact]
    public void What_is_not_limited_is_not_written() => Assert.Equal(["pids.max=3"], Written(new Limits { Processes = 3 }));

    [Theory]
    [InlineData(LimitKinds.None, 0)]
    [InlineData(LimitKinds.Memory, 3)]
    [InlineData(LimitKinds.Memory | LimitKinds.Processes, 4)]
    [InlineData(LimitKinds.Cpu, 2)]
    public void A_controller_that_the_host_keeps_for_itself_is_left_alone(LimitKinds kinds, int files) =>
        Assert.Equal(files, Written(new Limits { MemoryBytes = 1, Processes = 1, CpuMilli = 1, Shares = 2 }, kinds).Length);

    /// <summary>The ends and ordinary requests, as Kubernetes' kubelet converts them: 1 + (shares - 2) * 9999 / 262142.</summary>
    [Theory]
    [InlineData(2, 1)]
    [InlineData(102, 4)]
    [InlineData(1024, 39)]
    [InlineData(4096, 157)]
    [InlineData(262144, 10000)]
    [InlineData(1L << 40, 10000)]
    [InlineData(0, 1)]
    public void Shares_become_a_weight(long shares, long weight) => Assert.Equal(weight, GroupSettings.Weight(shares));

    [Fact]
    public void A_weight_read_back_is_the_same_weight_again()
    {
        for (long weight = 1; weight <= 10_000; weight++) Assert.Equal(weight, GroupSettings.Weight(GroupSettings.Shares(weight)));
    }

    /// <summary>The texts of Linux's Documentation/admin-guide/cgroup-v2.rst and of proc_pid_io(5).</summary>
    [Fact]
    public void What_was_read_and_written_is_added_up_over_devices_and_processes()
    {
        var used = new Usage { DiskReadBytes = 1, DiskWrittenBytes = 2 };
        DiskAccounts.AddDevices("8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n253:0 \n"u8, ref used);
        Assert.Equal((1L + 1459200 + 90430464, 2L + 314773504 + 299008000), (used.DiskReadBytes, used.DiskWrittenBytes));
        used = default;
        for (int process = 0; process < 2; process++) DiskAccounts.AddProcess("rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\nread_bytes: 4096\nwrite_bytes: 323932160\ncancelled_write_bytes: 7\n"u8, ref used);
        Assert.Equal((2L * 4096, 2L * 323932160), (used.DiskReadBytes, used.DiskWrittenBytes));
        DiskAccounts.AddDevices(""u8, ref used);
        DiskAccounts.AddProcess("read_bytes: "u8, ref used);
        Assert.Equal(2L * 4096, used.DiskReadBytes);
    }

    [Theory]
    [InlineData("cpuset cpu io memory hugetlb pids rdma misc\n", LimitKinds.All)]
    [InlineData("memory pids\n", LimitKinds.Memory | LimitKinds.Processes)]
    [InlineData("cpuset io\n", LimitKinds.None)]
    [InlineData("", LimitKinds.None)]
    public void Controllers_are_known_by_their_names(string line, LimitKinds kinds) => Assert.Equal(kinds, GroupSettings.Kinds(Encoding.ASCII.GetBytes(line)));
}
