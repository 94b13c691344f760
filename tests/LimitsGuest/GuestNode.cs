using System.Diagnostics;
using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.LimitsGuest;

/// <summary>The kernel of the virtual machine, one image (busybox), and the files of its control groups.</summary>
public sealed class GuestNode : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60), Look = TimeSpan.FromMilliseconds(20);
    private readonly string _root, _group;
    private readonly Dictionary<string, ContainerExited> _ended = [];
    private int _last;

    public ContainerService Service { get; }

    private GuestNode(string root, string group, ContainerService service)
    {
        (_root, _group, Service) = (root, group, service);
        _ = Task.Run(ListenAsync);
    }

    public static async Task<GuestNode> ConnectAsync(string root, string group) => new(root, group, await ContainerService.ConnectAsync(Path.Combine(root, "m.sock"), CancellationToken.None));

    private async Task ListenAsync()
    {
        try
        {
            await foreach (var occurred in Service.EventsAsync(CancellationToken.None))
                if (occurred is ContainerExited exit)
                    lock (_ended) _ended[exit.ContainerId] = exit;
        }
        catch (IOException)
        {
            // The node is being disposed of.
        }
    }

    /// <summary>A container that runs a script of busybox's shell, with these entries and a log.</summary>
    public ContainerSpec Script(string script, params string[] entries)
    {
        var number = Interlocked.Increment(ref _last);
        var id = "c" + number.ToString(CultureInfo.InvariantCulture);
        return new ContainerSpec
        {
            Id = id, Layers = ["images/busybox"], Arguments = ["sh", "-c", script], Environment = ["PATH=/bin"], LogPath = $"logs/{id}.log",
            PodAddress = $"127.79.16.{number}", PodLoopback = $"127.95.16.{number}", Hostname = id, Capabilities = ["log write", .. entries],
        };
    }

    public async Task StartAsync(ContainerSpec spec)
    {
        await Service.CreateAsync(spec, CancellationToken.None);
        await Service.StartAsync(spec.Id, CancellationToken.None);
    }

    public async Task<ContainerExited> EndedAsync(ContainerSpec spec)
    {
        ContainerExited? exit = null;
        await UntilAsync($"{spec.Id} ends", () =>
        {
            lock (_ended) return Task.FromResult(_ended.TryGetValue(spec.Id, out exit));
        });
        return exit!;
    }

    public async Task<string> StateAsync(ContainerSpec spec) => (await Service.ListAsync(CancellationToken.None)).Single(container => container.Id == spec.Id).State.ToString();

    /// <summary>What a container has written so far, line by line.</summary>
    public string[] Log(ContainerSpec spec) => [.. File.ReadAllLines(Path.Combine(_root, spec.LogPath)).Select(line => line.Split(' ', 4)[3])];

    /// <summary>A file of a container's control group.</summary>
    public string GroupFile(ContainerSpec spec, string file) => File.ReadAllText(Path.Combine("/sys/fs/cgroup", _group, spec.Id, file)).Trim();

    public bool HasGroup(ContainerSpec spec) => Directory.Exists(Path.Combine("/sys/fs/cgroup", _group, spec.Id));

    public static async Task UntilAsync(string what, Func<Task<bool>> holds)
    {
        long begun = Stopwatch.GetTimestamp();
        while (!await holds())
        {
            if (Stopwatch.GetElapsedTime(begun) > Deadline) throw new TimeoutException($"waited {Deadline} until {what}");
            await Task.Delay(Look);
        }
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();
}
