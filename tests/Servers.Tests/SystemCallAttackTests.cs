using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Eyrie.Servers.Tests;

/// <summary>Every attempt of <see cref="SystemCallAttacks"/> is refused inside a container, and gets through in a plain process where that does no harm.</summary>
public sealed class SystemCallAttackTests : IAsyncLifetime
{
    /// <summary>EPERM, EACCES, ENOSYS, EAFNOSUPPORT: nothing was looked at but the right to do it.</summary>
    private static readonly long[] Refusals = [-1, -13, -38, -97];

    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../SystemCalls/bin/systemcalls"));

    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        File.Copy(Tool, Path.Combine(_kernel.Root, "images/busybox/bin/systemcalls"));
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private static long[] Results(string output) => [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => long.Parse(line, CultureInfo.InvariantCulture))];

    [Fact]
    public async Task Every_attempt_is_refused_in_a_container()
    {
        var got = new List<string>();
        // One container tries all: each in a process of its own, a line an attempt.
        var script = string.Join('\n', SystemCallAttacks.All.Select(attack => $"echo $(systemcalls {attack.Calls.Replace("$", "\\$", StringComparison.Ordinal)})"));
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("exec 2>/dev/null\n" + script));
        Assert.Equal(0, exit.ExitCode);
        var lines = output.Split('\n');
        Assert.Equal(SystemCallAttacks.All.Count, lines.Length);
        foreach (var (attack, line) in SystemCallAttacks.All.Zip(lines))
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } results && !Refusals.Contains(long.Parse(results[^1], CultureInfo.InvariantCulture))) got.Add($"{attack.What}: {line}");
        Assert.True(got.Count == 0, "these got through:\n" + string.Join('\n', got));
    }

    /// <summary>The table of results in the docs is what was measured. With EYRIE_UPDATE=1 it is written anew.</summary>
    [Fact]
    public async Task The_table_of_attempts_in_the_docs_is_what_happens()
    {
        var script = string.Join('\n', SystemCallAttacks.All.Select(attack => $"echo $(systemcalls {attack.Calls.Replace("$", "\\$", StringComparison.Ordinal)})"));
        var (_, output) = await _kernel.RunAsync(_kernel.Script("exec 2>/dev/null\n" + script));
        var rows = SystemCallAttacks.All.Zip(output.Split('\n')).Select(pair =>
        {
            var last = pair.Second.Split(' ', StringSplitOptions.RemoveEmptyEntries).LastOrDefault();
            var inside = last switch { null => "the process is killed", "-1" => "EPERM", "-13" => "EACCES", "-38" => "ENOSYS", "-97" => "EAFNOSUPPORT", _ => "GETS THROUGH: " + last };
            var plain = !pair.First.OnHost ? "not tried" : Results(OnHost(pair.First.Calls)) is { Length: > 0 } results && !Refusals.Contains(results[^1]) ? "gets through" : "refused";
            return $"| {pair.First.What} | {inside} | {plain} | {PublishedWeaknesses.ByAttempt.GetValueOrDefault(pair.First.What, "")} |";
        });
        var table = string.Join('\n', rows);
        Assert.DoesNotContain("GETS THROUGH", table, StringComparison.Ordinal);
        await AttackPage.CheckAsync("System calls", $"""
            Each attempt is made by bare system calls in a container without any grant, and, where that harms nothing, in a plain process of root on the same host.

            | attempt | in a container | in a plain process | known from |
            |---|---|---|---|
            {table}
            """);
    }

    [Fact]
    public void Every_published_weakness_belongs_to_an_attempt() => Assert.Empty(PublishedWeaknesses.ByAttempt.Keys.Except(SystemCallAttacks.All.Select(attack => attack.What)));

    [Fact]
    public void In_a_plain_process_the_harmless_ones_get_through()
    {
        var refused = new List<string>();
        foreach (var attack in SystemCallAttacks.All.Where(attack => attack.OnHost))
            if (Results(OnHost(attack.Calls)) is var results && (results.Length == 0 || Refusals.Contains(results[^1]))) refused.Add($"{attack.What}: {string.Join(' ', results)}");
        Assert.True(refused.Count == 0, "these say nothing here, because the host refuses them too:\n" + string.Join('\n', refused));
    }

    [Fact]
    public async Task A_process_of_the_host_cannot_be_named()
    {
        int host = Environment.ProcessId;
        var (_, output) = await _kernel.RunAsync(_kernel.Script($"systemcalls 62 {host} 0 , 257 -100 s:/proc/{host}/mem 0 , 434 {host} 0"));
        Assert.All(Results(output), result => Assert.Contains(result, new long[] { -3, -2 })); // no such process, no such file
        Assert.Equal(0, Results(OnHost($"62 {host} 0"))[0]);
    }

    [Fact]
    public async Task An_abstract_socket_of_the_host_is_out_of_reach()
    {
        var name = "eyrie-test-" + Guid.NewGuid().ToString("N");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint("\0" + name));
        listener.Listen();
        var address = "0100" + "00" + Convert.ToHexString(System.Text.Encoding.ASCII.GetBytes(name));
        var calls = $"41 1 1 0 , 42 $0 x:{address} {address.Length / 2}";
        Assert.Equal(0, Results(OnHost(calls))[^1]);
        var (_, output) = await _kernel.RunAsync(_kernel.Script($"systemcalls {calls.Replace("$", "\\$", StringComparison.Ordinal)}"));
        Assert.Contains(Results(output)[^1], Refusals);
    }

    [Fact]
    public async Task A_program_starts_with_its_three_descriptors_and_no_other()
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script("systemcalls 72 3 1 0 , 72 4 1 0 , 72 5 1 0 , 72 6 1 0 , 72 7 1 0 , 72 8 1 0 , 72 9 1 0"));
        Assert.All(Results(output), result => Assert.Equal(-9, result)); // F_GETFD: EBADF
    }

    private static string OnHost(string calls)
    {
        var start = new ProcessStartInfo(Tool) { RedirectStandardOutput = true };
        foreach (var argument in calls.Split(' ')) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        return process.StandardOutput.ReadToEnd();
    }
}
