using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Eyrie.Microkernel.Client;

namespace Eyrie.Benchmarks;

/// <summary>One way to run a program in a container with limits: from the request to the end of the program, everything removed.</summary>
public interface IContainerRuntime : IAsyncDisposable
{
    string Name { get; }

    /// <summary>Runs a program to its end; what it wrote.</summary>
    /// <param name="place">Which of the places prepared: two containers at the same time need two.</param>
    /// <param name="program">Path in the root file system, and arguments.</param>
    Task<string> RunAsync(int place, params string[] program);
}

/// <summary>The root file system that all share: busybox and the two freestanding programs.</summary>
public static class SharedRoot
{
    public static string Make(string folder)
    {
        var root = Path.Combine(folder, "images/root");
        foreach (var directory in new[] { "bin", "tmp", "etc", "proc", "dev", "sys" }) Directory.CreateDirectory(Path.Combine(root, directory));
        File.Copy("/bin/busybox", Path.Combine(root, "bin/busybox"));
        File.Copy(Path.Combine(Commands.Root, "tests/FirstInstruction/bin/firstinstruction"), Path.Combine(root, "bin/firstinstruction"));
        return root;
    }
}

/// <summary>MettEagle on a kernel of its own, over the container protocol.</summary>
public sealed class EyrieRuntime : IContainerRuntime
{
    private readonly Process _kernel;
    private readonly ContainerService _service;
    private readonly string _folder;
    private readonly TaskCompletionSource[] _ended;
    private readonly string[] _logs;
    private readonly Task _events;
    private int _lastLog;

    public string Name => "eyrie";
    public int ProcessId => _kernel.Id;
    public IContainerService Service => _service;

    private EyrieRuntime(Process kernel, ContainerService service, string folder, int places)
    {
        (_kernel, _service, _folder) = (kernel, service, folder);
        _logs = new string[places];
        _ended = [.. Enumerable.Range(0, places).Select(_ => new TaskCompletionSource())];
        _events = Task.Run(ListenAsync);
    }

    public static async Task<EyrieRuntime> StartAsync(string folder, int places)
    {
        var binaries = Path.Combine(Commands.Root, "microkernel/bin");
        var start = new ProcessStartInfo(Path.Combine(binaries, "eyrie-kernel")) { RedirectStandardOutput = true };
        foreach (var argument in new[] { "--root", folder, "--socket", Path.Combine(folder, "m.sock"), "--servers", binaries, "--cgroup", $"eyrie-bench-{Environment.ProcessId}" }) start.ArgumentList.Add(argument);
        var kernel = Process.Start(start)!;
        if (await kernel.StandardOutput.ReadLineAsync() != "ready") throw new InvalidOperationException("eyrie-kernel did not start");
        Directory.CreateDirectory(Path.Combine(folder, "logs"));
        for (int place = 0; place < places; place++)
            foreach (var part in new[] { "upper", "work", "root" }) Directory.CreateDirectory(Path.Combine(folder, $"containers/c{place}", part));
        return new EyrieRuntime(kernel, await ContainerService.ConnectAsync(Path.Combine(folder, "m.sock"), CancellationToken.None), folder, places);
    }

    private async Task ListenAsync()
    {
        try
        {
            await foreach (var occurred in _service.EventsAsync(CancellationToken.None))
                if (occurred is ContainerExited exit) Volatile.Read(ref _ended[int.Parse(exit.ContainerId[1..], CultureInfo.InvariantCulture)]).TrySetResult();
        }
        catch (IOException) { } // the runtime is being disposed of
    }

    /// <summary>Every container has a log of its own, as on a node. None is removed meanwhile: a file system like ext4 looks at every file removed within the last seconds when it makes one.</summary>
    public ContainerSpec Spec(int place, params string[] program) => new()
    {
        Id = $"c{place}", Layers = ["images/root"], Writable = $"containers/c{place}", Arguments = program, Environment = ["PATH=/bin"], LogPath = _logs[place] = $"logs/{Interlocked.Increment(ref _lastLog)}.log",
        PodAddress = $"127.79.18.{place + 1}", PodLoopback = $"127.95.18.{place + 1}", Capabilities = ["log write", "quota memory=67108864 processes=32", "cpu shares=100 limit=1000m"],
    };

    private SandboxPool? _pool;

    /// <summary>The places are used in turn; those that wait or run at any time are far fewer.</summary>
    public async Task FillPoolAsync(int size) => _pool = await SandboxPool.FillAsync(_service, size, number =>
    {
        int place = number % _ended.Length;
        Volatile.Write(ref _ended[place], new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        return Spec(place, "/bin/firstinstruction");
    });

    public async Task EmptyPoolAsync() => await _pool!.DisposeAsync();

    /// <summary>In a finished sandbox, which is replaced meanwhile: making the next goes on beside what is measured.</summary>
    public async Task<string> RunPooledAsync(params string[] program)
    {
        var id = await _pool!.StartAsync(program, null, CancellationToken.None);
        int place = int.Parse(id[1..], CultureInfo.InvariantCulture);
        await Volatile.Read(ref _ended[place]).Task;
        await _service.DeleteAsync(id, CancellationToken.None);
        return await SaidAsync(place);
    }

    public Task<string> RunAsync(int place, params string[] program) => RunAsync(Spec(place, program));

    /// <summary>Runs a container to its end; its identifier says which place it has.</summary>
    public async Task<string> RunAsync(ContainerSpec spec)
    {
        int place = int.Parse(spec.Id[1..], CultureInfo.InvariantCulture);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _ended[place], ended);
        await _service.CreateAsync(spec, CancellationToken.None);
        await _service.StartAsync($"c{place}", CancellationToken.None);
        await ended.Task;
        await _service.DeleteAsync($"c{place}", CancellationToken.None);
        return await SaidAsync(place);
    }

    private async Task<string> SaidAsync(int place)
    {
        var text = await File.ReadAllLinesAsync(Path.Combine(_folder, _logs[place]));
        return string.Join('\n', text.Select(line => line.Split(' ', 4)[3]));
    }

    public async ValueTask DisposeAsync()
    {
        await _service.DisposeAsync();
        await _events;
        await Commands.RunAsync("kill", ["-TERM", _kernel.Id.ToString(CultureInfo.InvariantCulture)]);
        await _kernel.WaitForExitAsync();
        _kernel.Dispose();
    }
}

/// <summary>The same program without any sandbox: what the host's vfork and exec cost this client.</summary>
public sealed class PlainProcess(string root) : IContainerRuntime
{
    public string Name => "plain process";

    public async Task<string> RunAsync(int place, params string[] program) => (await Commands.RunAsync(root + program[0], program[1..])).Trim();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>An OCI runtime of the host (crun, runc): the same namespaces, limits and read-only root.</summary>
public sealed class OciRuntime(string program, string root, string folder) : IContainerRuntime
{
    private int _last;

    public string Name => program;

    public async Task<string> RunAsync(int place, params string[] arguments)
    {
        var bundle = Path.Combine(folder, program, $"b{place}-{arguments[0].Replace('/', '_')}");
        if (!Directory.Exists(bundle))
        {
            Directory.CreateDirectory(bundle);
            await File.WriteAllTextAsync(Path.Combine(bundle, "config.json"), Configuration(arguments));
        }
        return await Commands.RunAsync(program, ["run", "--bundle", bundle, $"eyrie-bench-{Environment.ProcessId}-{Interlocked.Increment(ref _last)}"]);
    }

    private string Configuration(string[] arguments)
    {
        object Mount(string target, string type, params string[] options) => new { destination = target, type, source = type, options };
        return JsonSerializer.Serialize(new
        {
            ociVersion = "1.0.2", hostname = "bench",
            process = new { terminal = false, user = new { uid = 0, gid = 0 }, args = arguments, env = new[] { "PATH=/bin" }, cwd = "/", noNewPrivileges = true, capabilities = new { bounding = Array.Empty<string>(), effective = Array.Empty<string>(), permitted = Array.Empty<string>() } },
            root = new { path = root, @readonly = true },
            mounts = new[] { Mount("/proc", "proc"), Mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k") },
            linux = new
            {
                resources = new { memory = new { limit = 67108864 }, pids = new { limit = 32 }, cpu = new { quota = 100000, period = 100000, shares = 100 } },
                namespaces = new[] { "pid", "network", "ipc", "uts", "mount" }.Select(type => new { type }).ToArray(),
            },
        });
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
