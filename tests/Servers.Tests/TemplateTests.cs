using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Eyrie.Servers.Tests;

/// <summary>The mount namespace that containers' are copied from.</summary>
public sealed partial class TemplateTests
{
    /// <summary>A volume in memory is its pod's; a disk that holds the node's images is the node's.</summary>
    [Fact]
    public async Task It_has_the_directory_of_the_node_without_volumes_in_memory_and_nothing_else_of_the_host()
    {
        var mounted = new List<string>();
        void Mount(string type, string directory)
        {
            Directory.CreateDirectory(directory);
            Run("mount", "-t", type, type, directory);
            mounted.Add(directory);
        }
        RunningKernel kernel = null!;
        try
        {
            kernel = await RunningKernel.StartAsync(root =>
            {
                Mount("ramfs", Path.Combine(root, "disk"));
                Mount("tmpfs", Path.Combine(root, "volumes", "a b"));
                Mount("tmpfs", Path.Combine(root, "volumes", "a b", "inside"));
            });
            Assert.Equal(["/ tmpfs", "/node", "/node/disk ramfs"], MountsOf(kernel).Select(mount => mount.StartsWith("/node ", StringComparison.Ordinal) ? "/node" : mount).Order(StringComparer.Ordinal)); // the node's directory is wherever the tests' temporary files are
        }
        finally
        {
            foreach (var directory in Enumerable.Reverse(mounted)) Run("umount", directory);
            if (kernel is not null) await kernel.DisposeAsync();
        }
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>Mount points and types, as a thread sees them that has gone there; it does not come back.</summary>
    private static string[] MountsOf(RunningKernel kernel)
    {
        const int OwnDirectories = 0x200, Mounts = 0x20000;
        var own = new FileInfo("/proc/self/ns/mnt").LinkTarget;
        var template = Directory.GetFileSystemEntries($"/proc/{kernel.ProcessId}/fd").Single(descriptor => new FileInfo(descriptor).LinkTarget is { } target && target.StartsWith("mnt:[", StringComparison.Ordinal) && target != own);
        int thread = 0;
        using var there = new ManualResetEventSlim();
        using var read = new ManualResetEventSlim();
        var visitor = new Thread(() =>
        {
            using var opened = File.OpenHandle(template);
            if (Unshare(OwnDirectories) == 0 && Setns((int)opened.DangerousGetHandle(), Mounts) == 0) thread = Gettid();
            there.Set();
            read.Wait();
        });
        visitor.Start();
        there.Wait();
        try
        {
            Assert.NotEqual(0, thread);
            return [.. File.ReadAllLines($"/proc/self/task/{thread}/mountinfo").Select(line => (Fields: line.Split(' '), Type: line[(line.IndexOf(" - ", StringComparison.Ordinal) + 3)..].Split(' ')[0])).Select(mount => $"{mount.Fields[4]} {mount.Type}")];
        }
        finally
        {
            read.Set();
            visitor.Join();
        }
    }

    [LibraryImport("libc", EntryPoint = "unshare")]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns")]
    private static partial int Setns(int descriptor, int type);

    [LibraryImport("libc", EntryPoint = "gettid")]
    private static partial int Gettid();
}
