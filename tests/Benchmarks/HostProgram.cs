using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Eyrie.Benchmarks;

/// <summary>A packed program on the host: in its root by chroot, as the same user, with directories of its own at /data and /tmp; no namespace but the mounts', no filter, no limit. Like a container it shares the cores as one group.</summary>
public sealed class HostProgram : IAsyncDisposable
{
    private const string Enter = """
        set -e
        root=$1 data=$2 user=$3 group=$4; shift 4
        if [ -d /sys/fs/cgroup/cpu ]; then mkdir -p "$group" && echo 0 >"$group/cgroup.procs"; fi
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --bind "$data/tmp" "$root/tmp"
        [ ! -d "$root/data" ] || mount --bind "$data/data" "$root/data"
        exec chroot --userspec="$user" --groups="$user" "$root" "$@"
        """;

    /// <summary>Two deep with the default weight, as a container's: where others want the cores too, a group's share is one, however many threads are in it.</summary>
    private static readonly string Group = string.Create(CultureInfo.InvariantCulture, $"/sys/fs/cgroup/cpu/eyrie-bench-{Environment.ProcessId}/host");

    private readonly Process _process;
    private readonly string _data;

    private HostProgram(Process process, string data, int port) => (_process, _data, Port) = (process, data, port);

    public int Port { get; }

    /// <summary>Starts it and waits until it takes connections.</summary>
    /// <param name="root">The folder that <c>pack</c> made.</param>
    /// <param name="folder">Where its own directories are made.</param>
    /// <param name="user">User and group.</param>
    /// <param name="port">Where <paramref name="command"/> lets it listen.</param>
    /// <param name="files">Files below its /tmp, by name.</param>
    public static async Task<HostProgram> StartAsync(string root, string folder, int user, int port, IReadOnlyDictionary<string, string> environment, IReadOnlyList<string> command, IReadOnlyDictionary<string, string> files)
    {
        foreach (var part in new[] { "tmp", "data" }) Directory.CreateDirectory(Path.Combine(folder, part));
        foreach (var (name, text) in files) await File.WriteAllTextAsync(Path.Combine(folder, "tmp", name), text);
        await Commands.RunAsync("chown", ["-R", string.Create(CultureInfo.InvariantCulture, $"{user}:{user}"), folder]);
        var start = new ProcessStartInfo("unshare") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["--mount", "--pid", "--fork", "sh", "-c", Enter, "sh", root, folder, user.ToString(CultureInfo.InvariantCulture), Group, .. command]) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        var said = new List<string>();
        process.ErrorDataReceived += (_, line) => { lock (said) said.Add(line.Data ?? ""); };
        process.BeginErrorReadLine();
        long begun = Stopwatch.GetTimestamp();
        while (true)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port);
                return new HostProgram(process, folder, port);
            }
            catch (SocketException) when (!process.HasExited && Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(30))
            {
                await Task.Delay(20);
            }
            catch (SocketException)
            {
                lock (said) throw new InvalidOperationException($"{command[0]} takes no connections on the host:\n{string.Join('\n', said)}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The program is the first process of a pid namespace, whose others end with it.
        var children = await File.ReadAllTextAsync(string.Create(CultureInfo.InvariantCulture, $"/proc/{_process.Id}/task/{_process.Id}/children"));
        await Commands.RunAsync("kill", ["-KILL", .. children.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_data, true);
        if (!Directory.Exists(Group)) return;
        Directory.Delete(Group);
        Directory.Delete(Path.GetDirectoryName(Group)!);
    }
}
