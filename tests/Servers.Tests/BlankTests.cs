namespace Eyrie.Servers.Tests;

/// <summary>Processes that have begun to be a container before anybody asks for one.</summary>
public sealed class BlankTests : IAsyncLifetime
{
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();
    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    /// <summary>The standard three, two pipes to the kernel, four places and the keeper.</summary>
    [Fact]
    public async Task They_hold_nothing_of_the_containers_that_run_and_of_the_kernel_only_what_they_need()
    {
        var spec = _kernel.Script("sleep 1000");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        string[] expected = ["anon_inode:[pidfd]", "file", "file", "file", "mnt", "pipe", "pipe"];
        string[] seen = [];
        await _kernel.UntilAsync(() => _kernel.Blanks() is { Length: 2 } blanks && blanks.All(blank => (seen = Held(blank)).SequenceEqual(expected)), "two blanks with nothing more than " + string.Join(", ", expected));
        Assert.Equal(expected, seen);
        await _kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
    }

    private static string[] Held(int blank)
    {
        try
        {
            return [.. Directory.GetFileSystemEntries($"/proc/{blank}/fd").Where(descriptor => int.Parse(Path.GetFileName(descriptor), System.Globalization.CultureInfo.InvariantCulture) > 2).Select(descriptor => new FileInfo(descriptor).LinkTarget ?? "")
                .Select(target => target.StartsWith('/') ? "file" : target.StartsWith("pipe:", StringComparison.Ordinal) ? "pipe" : target.StartsWith("mnt:", StringComparison.Ordinal) ? "mnt" : target).Order(StringComparer.Ordinal)];
        }
        catch (IOException) { return []; } // it has just ended
    }

    [Fact]
    public async Task A_container_starts_also_when_those_that_waited_for_it_were_killed()
    {
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks");
        foreach (int blank in _kernel.Blanks()) RunningKernel.Kill(blank);
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 0, "their ends");
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("echo started"));
        Assert.Equal((0, "started"), (exit.ExitCode, output.Trim()));
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks anew");
    }
}
