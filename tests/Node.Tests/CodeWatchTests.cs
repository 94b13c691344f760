using System.Diagnostics;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>What a container executes, loads and has of processes: how it is told apart, and that the host tells it.</summary>
public sealed class CodeWatchTests : IDisposable
{
    private static readonly byte[] Elf = [0x7f, (byte)'E', (byte)'L', (byte)'F'], Library = [(byte)'M', (byte)'Z', 0, 0], Text = "text"u8.ToArray();
    private readonly string _folder = Directory.CreateTempSubdirectory("eyrie-code-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Programs_and_code_that_is_loaded_are_told_and_what_is_only_read_is_not() =>
        Assert.Equal(
            [new("/bin/a", "/bin/a", true, 2), new("/lib/b.so", "/lib/b.so", false, 2), new("/app/c.dll", "/app/c.dll", false, 1), new("/run/script", "/run/script", true, 1), new("/tmp/gone", "/tmp/gone", true, 1), new("/opt/a b/tool", "/opt", true, 1)],
            RunCode.Of([new("/bin/a", true, Elf), new("/bin/a", false, Elf), new("/bin/a", true, Elf), new("/lib/b.so", false, Elf), new("/lib/b.so", false, Elf), new("/app/c.dll", false, Library), new("/etc/conf", false, Text), new("/empty", false, []),
                new("/run/script", true, Text), new("/tmp/gone (deleted)", true, Elf), new("/opt/a b/tool", true, Elf), new("", true, Elf)]));

    [Theory]
    [InlineData("12:pids:/eyrie-a/c1\n4:memory:/eyrie-a/c1\n0::/other\n", "/groups/pids/eyrie-a/c1")]
    [InlineData("0::/eyrie-a/c1\n", "/groups/eyrie-a/c1")]
    [InlineData("4:memory:/eyrie-a/c1\n", null)]
    public void The_group_of_a_process_is_found_in_either_version(string text, string? folder) => Assert.Equal(folder, ProcessCount.FolderOf(text, "/groups"));

    [Fact]
    public void A_peak_of_the_run_is_known_and_one_from_before_only_bounds_it()
    {
        void Now(int current, int peak)
        {
            File.WriteAllText(Path.Combine(_folder, "pids.current"), $"{current}\n");
            File.WriteAllText(Path.Combine(_folder, "pids.peak"), $"{peak}\n");
        }
        Now(1, 1);
        var count = new ProcessCount(_folder);
        Assert.Equal(new ProcessPeak(1, 1), count.Look());
        Now(2, 5); // between two looks there were five
        Assert.Equal(new ProcessPeak(5, 5), count.Look());
        count = new ProcessCount(_folder); // the group serves another
        Now(3, 5);
        Assert.Equal(new ProcessPeak(3, 5), count.Look());
        Now(1, 5);
        Assert.Equal(new ProcessPeak(3, 5), count.Look());
        Now(1, 7);
        Assert.Equal(new ProcessPeak(7, 7), count.Look());
        File.Delete(Path.Combine(_folder, "pids.peak"));
        Assert.Equal(new ProcessPeak(7, 0), count.Look());
    }

    [Fact]
    public async Task The_host_tells_what_is_opened_below_the_root_of_a_process_and_no_link_leads_out_of_it()
    {
        await using var disk = await SmallDisk.MountAsync(Path.Combine(_folder, "disk"), "16m");
        var tool = Path.Combine(disk.Path, "busybox");
        File.Copy("/bin/busybox", tool);
        File.SetUnixFileMode(tool, (UnixFileMode)0x1ED);
        var text = Path.Combine(disk.Path, "text");
        await File.WriteAllTextAsync(text, "text");
        File.CreateSymbolicLink(Path.Combine(disk.Path, "out"), _folder);
        var outside = Path.Combine(_folder, "outside");
        await File.WriteAllTextAsync(outside, "not watched");
        using var first = Process.Start("chroot", [disk.Path, "/busybox", "sleep", "60"]);
        try
        {
            while (new FileInfo($"/proc/{first.Id}/exe").LinkTarget != tool) await Task.Delay(1); // its root is the disk before that, and what it executes is not opened any more
            using var files = new Fanotify();
            files.Watch(first.Id, ["/out", "/not-there"]);
            Assert.Empty(files.Take(out _));
            using (var second = Process.Start("chroot", [disk.Path, "/busybox", "cat", "/text"])) await second.WaitForExitAsync();
            await File.ReadAllTextAsync(outside);
            var opened = files.Take(out bool lost);
            Assert.False(lost);
            Assert.Contains(opened, file => file.Path == tool && file.Executed && RunCode.IsCode(file.Head));
            Assert.Contains(opened, file => file.Path == text && !file.Executed && file.Head.SequenceEqual("text"u8.ToArray()));
            Assert.All(opened, file => Assert.StartsWith(disk.Path, file.Path, StringComparison.Ordinal));
        }
        finally
        {
            first.Kill();
            await first.WaitForExitAsync();
        }
    }
}
