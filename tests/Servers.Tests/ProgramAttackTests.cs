using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Every attempt of <see cref="ProgramAttacks"/> fails inside a container, and gets through in a plain process where that does no harm; the table in the docs is what happened.</summary>
public sealed class ProgramAttackTests : IAsyncLifetime
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../SystemCalls/bin/systemcalls"));
    private readonly TcpListener _host = new(IPAddress.Any, 0);
    private readonly UdpClient _datagrams = new(0);
    private readonly string _marker = Path.Combine(Path.GetTempPath(), "eyrie-marker-" + Guid.NewGuid().ToString("N"));
    private RunningKernel _kernel = null!;
    private FileStream _pipe = null!;

    private const string Pipe = "pods/u/signals/a/web", PipeInside = "/run/eyrie/signals/web";
    private const string Door = "volumes/door", DoorInside = "/run/door";
    private readonly Socket _door = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private string HostPipe => Path.Combine(_kernel.Root, Pipe);

    public async Task InitializeAsync()
    {
        _host.Start();
        _ = AnswerAsync();
        await File.WriteAllTextAsync(_marker, "of the host");
        _kernel = await RunningKernel.StartAsync(offered: ["/dev/net/tun"]);
        Directory.CreateDirectory(Path.Combine(_kernel.Root, Door));
        _door.Bind(new UnixDomainSocketEndPoint(DoorPath(false)));
        _door.Listen(1000);
        File.SetUnixFileMode(DoorPath(false), (UnixFileMode)0b111_111_111);
        Directory.CreateDirectory(Path.GetDirectoryName(HostPipe)!);
        using (var make = Process.Start("mkfifo", ["-m", "622", HostPipe])) await make.WaitForExitAsync();
        _pipe = new FileStream(HostPipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0); // a reader, as the node's agent is
        var image = Path.Combine(_kernel.Root, "images/busybox");
        File.Copy(Tool, Path.Combine(image, "bin/systemcalls"));
        File.Copy(Tool, Path.Combine(image, "bin/rooted"));
        File.SetUnixFileMode(Path.Combine(image, "bin/rooted"), (UnixFileMode)0b100_111_101_101);
    }

    public async Task DisposeAsync()
    {
        _host.Dispose();
        _door.Dispose();
        await _pipe.DisposeAsync();
        _datagrams.Dispose();
        File.Delete(_marker);
        await _kernel.DisposeAsync();
    }

    private async Task AnswerAsync()
    {
        try
        {
            while (true) using (await _host.AcceptSocketAsync()) { }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private string DoorPath(bool inContainer) => Path.Combine(inContainer ? DoorInside : Path.Combine(_kernel.Root, Door), "door.sock");

    private string Filled(string script, bool inContainer) => string.Create(CultureInfo.InvariantCulture, $"MARKER={_marker}\nPORT={((IPEndPoint)_host.LocalEndpoint).Port}\nHOST={Environment.ProcessId}\nPIPE={(inContainer ? PipeInside : HostPipe)}\nDOORPATH={DoorPath(inContainer)}\nDOOR={Convert.ToHexStringLower(Encoding.UTF8.GetBytes(DoorPath(inContainer).PadRight(108, '\0')))}\n")
        + (inContainer ? "" : $"PATH={Path.GetDirectoryName(Tool)}:$PATH\n") + script.Replace("{udp}", "7f000001", StringComparison.Ordinal).Replace("{udp-port}", ((IPEndPoint)_datagrams.Client.LocalEndPoint!).Port.ToString("x4", CultureInfo.InvariantCulture), StringComparison.Ordinal);

    private async Task<bool> InContainerAsync(ProgramAttack attack)
    {
        var spec = _kernel.Script(Filled(attack.Script, true), attack.Entries) with { Mounts = [new MountSpec(Pipe, PipeInside, true), new MountSpec(Door, DoorInside, true)] };
        if (attack.What.Contains("setuid", StringComparison.Ordinal)) spec = spec with { UserId = 1000, GroupId = 1000 };
        var (_, output) = await _kernel.RunAsync(spec);
        return output.Contains("GOT", StringComparison.Ordinal);
    }

    private bool OnHost(ProgramAttack attack)
    {
        var start = new ProcessStartInfo("/bin/busybox") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        foreach (var argument in new[] { "timeout", "120", "/bin/busybox", "sh", "-c", Filled(attack.Script, false) }) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        return process.StandardOutput.ReadToEnd().Contains("GOT", StringComparison.Ordinal);
    }

    /// <summary>The table of results in the docs is what was measured. With EYRIE_UPDATE=1 it is written anew.</summary>
    [Fact]
    public async Task Every_attempt_fails_in_a_container_and_the_table_says_what_happens()
    {
        var rows = new List<string>();
        foreach (var attack in ProgramAttacks.All)
            rows.Add($"| {attack.What} | {(await InContainerAsync(attack) ? "GETS THROUGH" : "fails")} | {(!attack.OnHost ? "not tried" : OnHost(attack) ? "gets through" : "FAILS")} | {attack.KnownFrom} |");
        var got = rows.Where(row => row.Contains("GETS THROUGH", StringComparison.Ordinal) || row.Contains("FAILS", StringComparison.Ordinal)).ToList();
        Assert.True(got.Count == 0, string.Join('\n', got));
        await AttackPage.CheckAsync("Programs", $"""
            A shell script each, in a container with no grant or, where that is what it tries to stretch, with one of the network; the same script in a plain process of root, where that harms nothing.

            | attempt | in a container | in a plain process | known from |
            |---|---|---|---|
            {string.Join('\n', rows)}
            """);
    }
}
