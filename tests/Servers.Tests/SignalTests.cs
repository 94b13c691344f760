using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Servers.Tests;

/// <summary>Signals for programs whose connect is not answered: real ones, of busybox and, linked dynamically, of Perl.</summary>
public sealed class SignalTests : IAsyncLifetime
{
    private const string Grant = "connect tcp service default/slow 80", Address = "127.79.0.11";
    private const int UserSignal = 10, Eintr = 4, Einprogress = 115;
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly Socket _full = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<TcpClient> _waiting = [];
    private RunningKernel _kernel = null!;

    private int Port => ((IPEndPoint)_full.LocalEndPoint!).Port;

    /// <summary>A listener whose queue is full: the host answers no further connect until somebody is taken out of it.</summary>
    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        _full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _full.Listen(0);
        for (int i = 0; i < 8; i++)
        {
            var client = new TcpClient();
            _ = client.ConnectAsync(IPAddress.Loopback, Port).ContinueWith(ended => ended.Exception, TaskScheduler.Default);
            _waiting.Add(client);
        }
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "slow", "127.79.0.11", 80, "", [new("127.0.0.1", Port)])], None);
        _kernel.AddPerl();
    }

    public async Task DisposeAsync()
    {
        _full.Dispose();
        foreach (var client in _waiting) client.Dispose();
        await _kernel.DisposeAsync();
    }

    /// <summary>Whether a pod's connect to the listener has been asked for and not answered (SYN_SENT, proc(5)).</summary>
    private bool IsUnanswered(ContainerSpec spec)
    {
        var local = Convert.ToHexString([.. IPAddress.Parse(spec.PodAddress).GetAddressBytes().Reverse()]) + ":";
        return File.ReadLines("/proc/net/tcp").Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Any(fields => fields[3] == "02" && fields[1].StartsWith(local, StringComparison.Ordinal) && fields[2].EndsWith(Port.ToString("X4", CultureInfo.InvariantCulture), StringComparison.Ordinal));
    }

    private async Task<ContainerSpec> StartPerlAsync(string program)
    {
        var spec = _kernel.Script("", Grant, "dir / read") with { Arguments = [RunningKernel.Perl, "-e", $"use Socket; use POSIX; $| = 1; $at = pack_sockaddr_in(80, inet_aton('{Address}')); socket($s, PF_INET, SOCK_STREAM, 0) or die; " + program] };
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await _kernel.UntilAsync(() => IsUnanswered(spec), $"a connect that nobody answers; it said: {_kernel.Log(spec)}");
        return spec;
    }

    private const string Report = "print connect($s, $at) ? \"connected\\n\" : 'failed: ' . ($! + 0) . \"\\n\"; ";

    [Fact]
    public async Task An_alarm_ends_a_connect_that_nobody_answers()
    {
        long begun = System.Diagnostics.Stopwatch.GetTimestamp();
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("nc -w 1 127.79.0.11 80 </dev/null", Grant));
        Assert.Equal((1, "nc: timed out"), (exit.ExitCode, output));
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(begun), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60)); // by itself it takes two minutes (tcp_syn_retries)
    }

    [Fact]
    public async Task A_handler_without_restart_runs_at_once_and_the_connect_has_failed_with_EINTR()
    {
        var spec = await StartPerlAsync("$SIG{USR1} = sub { print \"heard\\n\" }; " + Report + "sleep 1000");
        await _kernel.Service.SignalAsync(spec.Id, UserSignal, None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Length > 0 && _kernel.Log(spec).Contains("failed", StringComparison.Ordinal), "the end of the connect");
        Assert.Equal($"heard\nfailed: {Eintr}", _kernel.Log(spec));
        Assert.True(IsUnanswered(spec), "the connect itself goes on, as on Linux");
    }

    private const string Restarts = "sigaction(SIGUSR1, POSIX::SigAction->new(sub { print \"heard\\n\" }, POSIX::SigSet->new, SA_RESTART)); ";

    [Fact]
    public async Task A_connect_that_is_made_anew_after_the_handler_joins_the_one_under_way_and_lives_by_its_grant()
    {
        var spec = await StartPerlAsync(Restarts + Report + "print defined(sysread($s, $b, 1)) ? \"end\\n\" : 'cut: ' . ($! + 0) . \"\\n\"; sleep 1000");
        for (int signal = 0; signal < 3; signal++)
        {
            await _kernel.Service.SignalAsync(spec.Id, UserSignal, None);
            await Task.Delay(100);
            Assert.True(IsUnanswered(spec), _kernel.Log(spec));
        }
        var taken = new List<Socket>();
        _full.Blocking = false;
        await _kernel.UntilAsync(() =>
        {
            while (_full.Poll(0, SelectMode.SelectRead)) taken.Add(_full.Accept());
            return _kernel.Log(spec).Contains("connected", StringComparison.Ordinal);
        }, "the connection");
        Assert.EndsWith("connected", _kernel.Log(spec), StringComparison.Ordinal);
        await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [], [Grant], None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Contains("cut: ", StringComparison.Ordinal), "the end of the connection by its grant");
        foreach (var socket in taken) socket.Dispose();
    }

    [Fact]
    public async Task A_time_limit_of_the_socket_ends_the_call_as_Linux_does_and_not_the_connection()
    {
        var spec = await StartPerlAsync("setsockopt($s, SOL_SOCKET, SO_SNDTIMEO, pack('l!l!', 0, 700000)) or die; " + Restarts + Report + "sleep 1000");
        await _kernel.UntilAsync(() => _kernel.Log(spec).Length > 0, "the end of the call");
        Assert.Equal($"failed: {Einprogress}", _kernel.Log(spec));
        Assert.True(IsUnanswered(spec));
        await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [], [Grant], None);
        await _kernel.UntilAsync(() => !IsUnanswered(spec), "the end of the connection by its grant");
    }

    [Fact]
    public async Task A_signal_within_a_time_limit_fails_with_EINTR_even_where_calls_are_made_anew()
    {
        var spec = await StartPerlAsync("setsockopt($s, SOL_SOCKET, SO_SNDTIMEO, pack('l!l!', 15, 0)) or die; " + Restarts + Report + "sleep 1000");
        await _kernel.Service.SignalAsync(spec.Id, UserSignal, None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Contains("failed", StringComparison.Ordinal), "the end of the call");
        Assert.Equal(["failed: " + Eintr, "heard"], _kernel.Log(spec).Split('\n').Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_kernel_that_is_killed_while_a_call_is_interrupted_leaves_no_connection_without_its_grant()
    {
        var spec = await StartPerlAsync("$SIG{USR1} = sub { print \"heard\\n\" }; " + Report + "sleep 1000");
        await _kernel.Service.SignalAsync(spec.Id, UserSignal, None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Contains("failed", StringComparison.Ordinal), "the end of the call");
        Assert.True(IsUnanswered(spec));
        await _kernel.KillKernelAsync();
        await _kernel.UntilAsync(() => !IsUnanswered(spec), "the end of a connection that nobody was told of");
    }

    [Fact]
    public async Task Signals_every_third_of_a_millisecond_leave_each_quick_connect_whole()
    {
        using var answering = new TcpListener(IPAddress.Loopback, 0);
        answering.Start(128);
        using var over = new CancellationTokenSource();
        var accepting = Task.Run(async () =>
        {
            try
            {
                while (true) (await answering.AcceptSocketAsync(over.Token)).Dispose();
            }
            catch (OperationCanceledException)
            {
                // The test is over.
            }
        });
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "slow", Address, 80, "", [new("127.0.0.1", ((IPEndPoint)answering.LocalEndpoint).Port)])], None);
        // setitimer(2), which is call 38. A call that the kernel has in hand is not made a second time after the handler: a connect would then find itself connected.
        var spec = _kernel.Script("", Grant, "dir / read") with { Arguments = [RunningKernel.Perl, "-e", $"use Socket; use POSIX; $at = pack_sockaddr_in(80, inet_aton('{Address}')); sigaction(SIGALRM, POSIX::SigAction->new(sub {{ $heard++ }}, POSIX::SigSet->new, SA_RESTART)); $often = pack('q4', 0, 300, 0, 300); $never = pack('q4', 0, 0, 0, 0); syscall(38, 0, $often, 0); for (1..1500) {{ if (!socket($s, PF_INET, SOCK_STREAM, 0)) {{ $sockets{{$!+0}}++ }} elsif (!connect($s, $at)) {{ $failed{{$!+0}}++ }} else {{ $made++ }} close($s) }} syscall(38, 0, $never, 0); print \"$made @{{[%failed]}} @{{[%sockets]}}\\n\", $heard > 100 ? \"heard\\n\" : \"heard only $heard\\n\""] };
        var (exit, output) = await _kernel.RunAsync(spec);
        Assert.Equal((0, "1500  \nheard"), (exit.ExitCode, output));
        over.Cancel();
        await accepting;
    }

    private const string FullPair = "socketpair($s, $t, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; $data = 'x' x 60000; $piece = pack('P Q', $data, length $data); $message = pack('Q Q P Q Q Q Q', 0, 0, $piece, 1, 0, 0, 0); 1 while syscall(46, fileno $s, $message, 0x40) > 0; "; // sendmsg(2), MSG_DONTWAIT

    private static ContainerSpec Sending(ContainerSpec spec, string program) => spec with { Arguments = [RunningKernel.Perl, "-e", "use Socket; use POSIX; $| = 1; " + FullPair + program + "print \"full\\n\"; $sent = syscall(46, fileno $s, $message, 0); print $sent > 0 ? \"sent\\n\" : 'failed: ' . ($! + 0) . \"\\n\"; sleep 1000"] };

    /// <summary>Signals a container that waits for room until it has said something more.</summary>
    private async Task<string> SignalledAsync(string program, string until)
    {
        var spec = Sending(_kernel.Script("", Grant, "dir / read"), program);
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Length > 0, "a socket without room");
        for (int signals = 0; signals < 1000 && !_kernel.Log(spec).Contains(until, StringComparison.Ordinal); signals++, await Task.Delay(50)) await _kernel.Service.SignalAsync(spec.Id, UserSignal, None);
        return string.Join(' ', _kernel.Log(spec).Split('\n').Distinct());
    }

    [Fact]
    public async Task A_message_for_which_there_is_no_room_fails_with_EINTR() => Assert.Equal($"full heard failed: {Eintr}", await SignalledAsync("$SIG{USR1} = sub { print \"heard\\n\" }; ", "failed"));

    [Fact]
    public async Task A_message_for_which_there_is_no_room_is_sent_anew_where_the_handler_was_installed_so() =>
        Assert.Equal("full heard sent", await SignalledAsync("pipe R, W; " + Restarts.Replace("heard\\n\"", "heard\\n\"; syswrite W, 'x'", StringComparison.Ordinal) + "if (!fork) { close $s; sysread R, $b, 1; sleep 1; 1 while sysread $t, $b, 65536; exit } ", "sent")); // there is room only after the first signal

    [Theory]
    [InlineData("Name:\tnc\nTgid:\t41\nPid:\t42\nSigQ:\t1/2\nSigPnd:\t0000000000000200\nShdPnd:\t0000000000004000\nSigBlk:\t0000000000000200\nSigIgn:\t0\n", true, 41, false, true)]
    [InlineData("Tgid:\t41\nSigPnd:\t0000000000000200\nShdPnd:\t8000000000000000\nSigBlk:\t8000000000000000\n", true, 41, true, false)]
    [InlineData("Tgid:\t41\nSigPnd:\t0000000000000200\nSigBlk:\t0\n", false, 41, true, false)]
    [InlineData("Tgid:\t41\nSigPnd:\tx\nShdPnd:\t0\nSigBlk:\t0\n", false, 41, false, false)]
    [InlineData("", false, 0, false, false)]
    public void What_a_thread_would_take_is_what_it_was_sent_and_does_not_keep_off(string status, bool whole, int process, bool own, bool shared)
    {
        Assert.Equal(whole, SignalState.Read(System.Text.Encoding.ASCII.GetBytes(status), out var state));
        Assert.Equal((process, own, shared), (state.Process, state.HasOwn, state.HasShared()));
    }
}
