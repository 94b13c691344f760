using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Control groups of a kernel that was killed together with its keeper.</summary>
public sealed class LeftGroupsTests
{
    /// <summary>Such as the first process of a container that has made its parent's end no signal to itself.</summary>
    [Fact]
    public async Task What_still_runs_in_a_group_that_was_left_is_ended_and_the_group_goes()
    {
        var name = "eyrie-test-left-" + Guid.NewGuid().ToString("N")[..8];
        var group = Directory.CreateDirectory($"/sys/fs/cgroup/pids/{name}/container").FullName;
        using var left = Process.Start("sleep", "1000");
        await File.WriteAllTextAsync(Path.Combine(group, "cgroup.procs"), left.Id.ToString(CultureInfo.InvariantCulture));
        await LeftGroups.RemoveAsync(name, CancellationToken.None);
        await left.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(128 + HostProcess.Kill, left.ExitCode);
        Assert.False(Directory.Exists($"/sys/fs/cgroup/pids/{name}"));
    }
}
