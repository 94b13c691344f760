namespace Eyrie.Servers.Tests;

/// <summary>Limits on a host with control groups of the second version alone, in a virtual machine of its own.</summary>
public sealed class UnifiedGroupTests(UnifiedGroupTests.Guest guest) : IClassFixture<UnifiedGroupTests.Guest>
{
    public sealed class Guest : IAsyncLifetime
    {
        public IReadOnlyList<string> Said { get; private set; } = [];
        public async Task InitializeAsync() => Said = await GuestMachine.RunAsync();
        public Task DisposeAsync() => Task.CompletedTask;
    }

    [Theory]
    [InlineData("limits stand in the group's files and are read back as they were given")]
    [InlineData("a container over its memory is killed as out of memory and its neighbour is not")]
    [InlineData("a quota that does not suffice for starting is said to be the reason")]
    [InlineData("a limited CPU is not exceeded")]
    [InlineData("no more processes than promised")]
    [InlineData("a further program counts as the container's")]
    [InlineData("statistics count what is used")]
    [InlineData("a paused container stands still, goes on, and can be killed meanwhile")]
    [InlineData("nothing of a deleted container's group is left")]
    [InlineData("the node's group goes with its kernel")]
    public void Of_containers_in_groups_of_the_second_version(string holds) => Assert.True(guest.Said.Contains($"passed {holds}"), string.Join('\n', guest.Said));

    [Fact]
    public void Every_check_of_the_guest_has_passed() => Assert.Equal(10, guest.Said.Count(line => line.StartsWith("passed ", StringComparison.Ordinal)));

    [Fact]
    public async Task A_host_without_Landlock_is_told_so_and_nothing_is_started()
    {
        var said = await GuestMachine.RunAsync("lsm=lockdown");
        Assert.Contains(said, line => line.StartsWith("eyrie-kernel: the host has no Landlock of ABI 6", StringComparison.Ordinal));
        Assert.Contains("the kernel did not start", said);
    }
}
