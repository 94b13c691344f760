using System.Diagnostics;
using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A real kernel with its servers on a node root of its own, and one image: a busybox root file system.</summary>
public sealed class RunningKernel : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private readonly Process _process;
    private int _last;

    public string Root { get; }
    public string Group { get; }
    public ContainerService Service { get; private set; } = null!;
    public int ProcessId => _process.Id;

    private RunningKernel(string root, Process process, string group) => (Root, _process, Group) = (root, process, group);

    public static string Binaries => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../microkernel/bin"));

    public static async Task<RunningKernel> StartAsync()
    {
        var root = Directory.CreateTempSubdirectory("eyrie-").FullName;
        var image = Path.Combine(root, "images/busybox");
        foreach (var directory in new[] { "bin", "tmp", "etc", "data" }) Directory.CreateDirectory(Path.Combine(image, directory));
        Directory.CreateDirectory(Path.Combine(root, "logs"));
        File.Copy("/bin/busybox", Path.Combine(image, "bin/busybox"));
        foreach (var name in new[] { "sh", "cat", "ls", "wget", "nc", "httpd", "id", "mount", "unshare", "sleep", "echo", "ps", "true", "mknod", "chroot", "ip", "ping", "kill", "dd", "touch", "hostname", "yes", "head", "tail", "nproc", "dmesg", "swapoff", "insmod", "nsenter", "arping", "readlink", "cut", "grep", "stty", "tr", "sort", "wc", "seq" })
            File.CreateSymbolicLink(Path.Combine(image, "bin", name), "busybox");
        var group = "eyrie-test-" + Path.GetFileName(root).ToLowerInvariant().Replace("eyrie-", "", StringComparison.Ordinal);
        var start = new ProcessStartInfo(Path.Combine(Binaries, "eyrie-kernel")) { RedirectStandardOutput = true };
        foreach (var argument in new[] { "--root", root, "--socket", Path.Combine(root, "m.sock"), "--servers", Binaries, "--cgroup", group }) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        var kernel = new RunningKernel(root, process, group);
        var line = await process.StandardOutput.ReadLineAsync().WaitAsync(Deadline);
        Assert.Equal("ready", line);
        kernel.Service = await ContainerService.ConnectAsync(Path.Combine(root, "m.sock"), CancellationToken.None);
        return kernel;
    }

    /// <summary>A container that runs a shell script, with the entries given and a quota and log as every container has.</summary>
    public ContainerSpec Script(string script, params string[] entries)
    {
        var id = "c" + Interlocked.Increment(ref _last).ToString(CultureInfo.InvariantCulture);
        Directory.CreateDirectory(Path.Combine(Root, "containers", id, "upper"));
        Directory.CreateDirectory(Path.Combine(Root, "containers", id, "work"));
        Directory.CreateDirectory(Path.Combine(Root, "containers", id, "root"));
        return new ContainerSpec
        {
            Id = id, Layers = ["images/busybox"], Writable = $"containers/{id}", Arguments = ["sh", "-c", script], Environment = ["PATH=/bin"],
            LogPath = $"logs/{id}.log", PodAddress = $"127.79.16.{_last}", PodLoopback = $"127.95.16.{_last}", Hostname = id,
            Capabilities = [.. entries.Append("log write").Append("quota memory=67108864 processes=32")],
        };
    }

    /// <summary>Runs a container to its end and gives its exit code and what it wrote.</summary>
    public async Task<(ContainerExited Exit, string Output)> RunAsync(ContainerSpec spec)
    {
        await Service.CreateAsync(spec, CancellationToken.None);
        await Service.StartAsync(spec.Id, CancellationToken.None);
        var exit = await EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id);
        return (exit, Log(spec));
    }

    public string Log(ContainerSpec spec) =>
        string.Join('\n', File.ReadLines(Path.Combine(Root, spec.LogPath)).Select(line => line.Split(' ', 4)[3]));

    public async Task<T> EventAsync<T>(Func<T, bool> wanted) where T : ContainerEvent
    {
        using var deadline = new CancellationTokenSource(Deadline);
        var seen = new List<ContainerEvent>();
        try
        {
            await foreach (var occurred in Service.EventsAsync(deadline.Token))
            {
                seen.Add(occurred);
                if (occurred is T match && wanted(match)) return match;
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"waited {Deadline} for {typeof(T).Name}; saw: {string.Join("; ", seen)}");
        }
        throw new InvalidOperationException("the event stream ended");
    }

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        using (var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)])!) await kill.WaitForExitAsync();
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        _process.Dispose();
        Directory.Delete(Root, recursive: true);
    }
}
