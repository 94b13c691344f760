using System.Diagnostics;
using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A real kernel with its servers on a node root of its own, and one image: a busybox root file system.</summary>
public sealed class RunningKernel : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private readonly Process _process;
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _errors = new();
    private static int s_kernels;
    private readonly int _number = Interlocked.Increment(ref s_kernels);
    private int _last;

    public string Root { get; }
    public string Group { get; }
    public ContainerService Service { get; private set; } = null!;
    public int ProcessId => _process.Id;

    /// <summary>Lines that the kernel and its servers have logged.</summary>
    public IReadOnlyCollection<string> Errors => _errors;

    public async Task ConnectAsync() => Service = await ContainerService.ConnectAsync(Path.Combine(Root, "m.sock"), CancellationToken.None);

    /// <summary>Waits until the kernel has ended by itself; its exit code, 128 and more for a signal.</summary>
    public async Task<int> EndedAsync(TimeSpan deadline)
    {
        await _process.WaitForExitAsync().WaitAsync(deadline);
        return _process.ExitCode;
    }

    public string State => _process.HasExited ? $"ended with {_process.ExitCode}" : "runs";

    /// <summary>Waits for a condition, 90 s at most.</summary>
    public async Task UntilAsync(Func<bool> reached, string what)
    {
        for (long begun = Stopwatch.GetTimestamp(); !reached(); await Task.Delay(1))
            if (Stopwatch.GetElapsedTime(begun) > Deadline) throw new TimeoutException($"waited {Deadline} for {what}; the kernel {State} and said: {string.Join('\n', Errors)}");
    }

    /// <summary>Kills the kernel, which is a child of the process that was started, and waits until its successor answers.</summary>
    public async Task KillKernelAsync()
    {
        int? kernel = null, former = null, now = null;
        await UntilAsync(() => (kernel = Server("eyrie-kernel")) is not null && (former = Server("metteagle")) is not null, "a kernel to kill");
        Kill(kernel!.Value);
        await UntilAsync(() => (now = Server("eyrie-kernel")) is not null && now != kernel && (now = Server("metteagle")) is not null && now != former, "a successor of the kernel");
        await Service.DisposeAsync();
        await ConnectAsync();
    }

    /// <summary>SIGKILL to a process that is there.</summary>
    public static void Kill(int process)
    {
        using var killed = Process.GetProcessById(process);
        killed.Kill();
    }

    /// <summary>Kills one of the kernel's servers and waits for its successor; after MettEagle connects to that.</summary>
    public async Task KillServerAsync(string name)
    {
        int killed = await ServerAsync(name);
        Kill(killed);
        await UntilAsync(() => Server(name) is { } successor && successor != killed, $"a successor of {name}");
        if (name != "metteagle") return;
        await Service.DisposeAsync();
        await ConnectAsync();
    }

    /// <summary>The process of one of the kernel's servers, by its program's name, or of the kernel itself; null: it has none at this moment.</summary>
    public int? Server(string name)
    {
        if (_process.HasExited) return null;
        return ChildProcesses().Where(child => NameOf(child) == name && (name != "eyrie-kernel" || SharesMemory(child))).Select(child => int.Parse(child, CultureInfo.InvariantCulture)).ToList() is [var only] ? only : null;
    }

    /// <summary>As <see cref="Server"/>, as soon as it is seen: the host's list of children may leave some out while others end (proc_pid_task(5)).</summary>
    public async Task<int> ServerAsync(string name)
    {
        int? found = null;
        await UntilAsync(() => (found = Server(name)) is not null, $"{name} to be there");
        return found!.Value;
    }

    private string[] ChildProcesses()
    {
        try
        {
            return File.ReadAllText($"/proc/{ProcessId}/task/{ProcessId}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (IOException) { return []; } // it has just ended
    }

    /// <summary>The processes that have begun to be a container before anybody asks for one.</summary>
    public int[] Blanks() => [.. ChildProcesses().Where(child => NameOf(child) == "eyrie-kernel" && !SharesMemory(child)).Select(child => int.Parse(child, CultureInfo.InvariantCulture))];

    /// <summary>The kernel has the memory of its keeper; a child that is being born, which has its name too, has not the tables.</summary>
    private bool SharesMemory(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/statm").Split(' ')[0] == File.ReadAllText($"/proc/{ProcessId}/statm").Split(' ')[0];
        }
        catch (IOException) { return false; } // it has just ended
    }

    /// <summary>Names of everything that the process which was started is the parent of.</summary>
    public IEnumerable<string> Children() => ChildProcesses().Select(NameOf);

    private static string NameOf(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/comm").Trim();
        }
        catch (IOException) { return ""; } // it has just ended
    }

    /// <summary>What the kernel's descriptors lead to, by kind, when nothing is under way any more: the same ten times in a row, with both blanks begun, for which the kernel has some.</summary>
    public async Task<string> DescriptorsAtRestAsync()
    {
        var before = "";
        long begun = Stopwatch.GetTimestamp();
        for (int same = 0; same < 10; await Task.Delay(20))
        {
            if (Stopwatch.GetElapsedTime(begun) > Deadline) throw new TimeoutException($"waited {Deadline} for rest; there are {Blanks().Length} blanks; the kernel {State}, and has {before}");
            var now = Descriptors();
            same = now == before && Blanks().Length == 2 ? same + 1 : 0;
            before = now;
        }
        return before;
    }

    private string Descriptors() => string.Join(", ", Directory.GetFileSystemEntries($"/proc/{_process.Id}/fd").Select(Leads).GroupBy(target => target).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => $"{group.Key} {group.Count()}"));

    private static string Leads(string descriptor)
    {
        var target = new FileInfo(descriptor).LinkTarget ?? "closed meanwhile";
        return target.Contains(":[", StringComparison.Ordinal) ? target[..target.IndexOf(":[", StringComparison.Ordinal)] : target.StartsWith('/') ? "file" : target;
    }

    private RunningKernel(string root, Process process, string group) => (Root, _process, Group) = (root, process, group);

    public static string Binaries => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../microkernel/bin"));

    /// <param name="servers">Folder of the servers' programs; null: those that were built.</param>
    /// <param name="group">Name of the control group; null: one of its own.</param>
    /// <param name="owner">Process that the kernel is to end with; null: none.</param>
    /// <param name="network">Name of the network namespace it is to run in (ip-netns(8)); null: the test's own.</param>
    /// <param name="offered">Files, directories and devices of the host that containers may be granted.</param>
    /// <param name="tasks">Further native tasks, PROGRAM:ARGUMENT.</param>
    public static Task<RunningKernel> StartAsync(string? servers = null, string? group = null, int? owner = null, string? network = null, IReadOnlyList<string>? offered = null, params string[] tasks) => StartAsync(true, servers, group, owner, network, offered ?? [], tasks, null);

    /// <summary>One that sees none of the host's control groups.</summary>
    public static Task<RunningKernel> StartWithoutGroupsAsync() => StartAsync(false, null, null, null, null, [], [], null);

    /// <summary>One whose node root has been prepared before it starts.</summary>
    public static Task<RunningKernel> StartAsync(Action<string> prepare) => StartAsync(true, null, null, null, null, [], [], prepare);

    private static async Task<RunningKernel> StartAsync(bool groups, string? servers, string? group, int? owner, string? network, IReadOnlyList<string> offered, string[] tasks, Action<string>? prepare)
    {
        var root = Directory.CreateTempSubdirectory("eyrie-").FullName;
        var image = Path.Combine(root, "images/busybox");
        foreach (var directory in new[] { "bin", "tmp", "etc", "data" }) Directory.CreateDirectory(Path.Combine(image, directory));
        Directory.CreateDirectory(Path.Combine(root, "logs"));
        File.Copy("/bin/busybox", Path.Combine(image, "bin/busybox"));
        foreach (var name in new[] { "sh", "cat", "ls", "wget", "nc", "httpd", "id", "mount", "unshare", "sleep", "echo", "ps", "true", "mknod", "chroot", "ip", "ping", "kill", "dd", "touch", "hostname", "yes", "head", "tail", "nproc", "dmesg", "swapoff", "insmod", "nsenter", "arping", "readlink", "cut", "grep", "stty", "tr", "sort", "wc", "seq" })
            File.CreateSymbolicLink(Path.Combine(image, "bin", name), "busybox");
        prepare?.Invoke(root);
        group ??= "eyrie-test-" + Path.GetFileName(root).ToLowerInvariant().Replace("eyrie-", "", StringComparison.Ordinal);
        var program = Path.Combine(Binaries, "eyrie-kernel");
        // As a shell starts what runs in the background: with signals ignored, which is nothing to containers.
        var start = new ProcessStartInfo("sh") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { "-c", "trap '' INT QUIT; exec \"$0\" \"$@\"" }.Concat(network is null ? [] : new[] { "nsenter", "--net=/run/netns/" + network }).Concat(groups ? [] : ["unshare", "--mount", "sh", "-c", "umount -R -l /sys/fs/cgroup && exec \"$0\" \"$@\""]).Append(program)) start.ArgumentList.Add(argument);
        foreach (var argument in new[] { "--root", root, "--socket", Path.Combine(root, "m.sock"), "--servers", servers ?? Binaries, "--cgroup", group }.Concat(owner is { } number ? ["--owner", number.ToString(CultureInfo.InvariantCulture)] : Array.Empty<string>()).Concat(offered.SelectMany(path => new[] { "--host", path })).Concat(tasks.SelectMany(task => new[] { "--task", task }))) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        var kernel = new RunningKernel(root, process, group);
        process.ErrorDataReceived += (_, line) => { if (line.Data is not null) kernel._errors.Enqueue(line.Data); };
        process.BeginErrorReadLine();
        var line = await process.StandardOutput.ReadLineAsync().WaitAsync(Deadline);
        Assert.Equal("ready", line);
        if (servers is null) await kernel.ConnectAsync();
        return kernel;
    }

    /// <summary>Third byte of the next container's addresses: kernels that run at the same time begin at blocks of their own. 16 is nobody's: tests name addresses in it.</summary>
    private int Block => 17 + (_number * 7 + _last / 250) % 239;

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
            LogPath = $"logs/{id}.log", PodAddress = $"127.79.{Block}.{1 + _last % 250}", PodLoopback = $"127.95.{Block}.{1 + _last % 250}", Hostname = id,
            Capabilities = [.. entries.Append("log write").Append("quota memory=67108864 processes=32")],
        };
    }

    /// <summary>A container as <see cref="Script"/> describes it, which has been started.</summary>
    public async Task<ContainerSpec> StartScriptAsync(string script, params string[] entries)
    {
        var spec = Script(script, entries);
        await Service.CreateAsync(spec, CancellationToken.None);
        await Service.StartAsync(spec.Id, CancellationToken.None);
        return spec;
    }

    public const string Perl = "/usr/bin/perl";

    /// <summary>Puts the host's Perl into the image: a program that is linked dynamically, with what it needs.</summary>
    public void AddPerl()
    {
        var image = Path.Combine(Root, "images/busybox");
        foreach (var path in Directory.EnumerateFiles("/usr/lib/x86_64-linux-gnu/perl-base", "*", SearchOption.AllDirectories).Concat(["/lib/x86_64-linux-gnu/libm.so.6", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libcrypt.so.1", "/lib64/ld-linux-x86-64.so.2", Perl]))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(image + path)!);
            File.Copy(path, image + path);
        }
    }

    /// <summary>A script that writes to the disk below its root and reads that, past the page cache, by processes that end.</summary>
    public static string UsesDisk => "dd if=/dev/zero of=/data/big bs=1M count=8 conv=fsync 2>/dev/null && dd if=/data/big of=/dev/null bs=1M count=3 iflag=direct 2>/dev/null && echo done; sleep 1000; true";

    /// <summary>Waits until a container that runs <see cref="UsesDisk"/> has been counted as it should be, no more and no less.</summary>
    public async Task UntilCountedAsync(ContainerSpec spec)
    {
        const long Written = 8 << 20, Read = 3 << 20, Metadata = 1 << 20;
        ContainerStatistics? used = null;
        for (long begun = Stopwatch.GetTimestamp(); used is null || used.DiskWrittenBytes < Written || used.DiskReadBytes < Read; await Task.Delay(20))
        {
            if (Stopwatch.GetElapsedTime(begun) > Deadline) throw new TimeoutException($"waited {Deadline} for what {spec.Id} writes and reads to be counted; it {(Log(spec) == "done" ? "has done so" : "has not")}, and used {used}");
            used = await Service.StatisticsAsync(spec.Id, CancellationToken.None);
        }
        Assert.InRange(used.DiskWrittenBytes, Written, Written + Metadata);
        Assert.InRange(used.DiskReadBytes, Read, Read + Metadata);
    }

    /// <summary>Runs a container to its end and gives its exit code and what it wrote.</summary>
    public async Task<(ContainerExited Exit, string Output)> RunAsync(ContainerSpec spec)
    {
        await Service.CreateAsync(spec, CancellationToken.None);
        await Service.StartAsync(spec.Id, CancellationToken.None);
        var exit = await EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id);
        return (exit, Log(spec));
    }

    /// <summary>The lines that are whole: of one that is being written a part may be seen.</summary>
    public string Log(ContainerSpec spec)
    {
        var text = File.ReadAllText(Path.Combine(Root, spec.LogPath));
        return string.Join('\n', text[..(text.LastIndexOf('\n') + 1)].Split(new[] { "\r\n", "\n" }, StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ', 4)[3]));
    }

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
            throw new TimeoutException($"waited {Deadline} for {typeof(T).Name}; saw: {string.Join("; ", seen.CountBy(occurred => occurred).Select(pair => $"{pair.Value} times {pair.Key}"))}");
        }
        throw new InvalidOperationException("the event stream ended");
    }

    public async Task TerminateAsync()
    {
        if (_process.HasExited) return;
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)])!;
        await kill.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Service is not null) await Service.DisposeAsync();
        await TerminateAsync();
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        _process.Dispose();
        using var remove = Process.Start("rm", ["-rf", Root])!; // names in there need not be text
        await remove.WaitForExitAsync();
    }
}
