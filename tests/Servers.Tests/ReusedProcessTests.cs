using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>
/// The window between a trapped call and what the kernel does for it: the kernel is held just after it has read the caller's memory (ptrace(2)), the caller is killed, and its number becomes another process's, one of the
/// host. What the kernel then finds behind that number must not be acted on.
/// </summary>
public sealed partial class ReusedProcessTests : IAsyncLifetime
{
    private const string Address = "127.79.0.14", Grant = "connect tcp service default/once 80";
    private const int ProcessVmReadv = 310, UserSignal = 10, Kill = 9, Attempts = 20;
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _listener.Start();
        _kernel = await RunningKernel.StartAsync();
        _kernel.AddPerl();
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "once", Address, 80, "", [new("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port)])], None);
    }

    public async Task DisposeAsync()
    {
        _listener.Dispose();
        await _kernel.DisposeAsync();
    }

    /// <summary>The host's number of the one process whose arguments hold a text.</summary>
    private static int? Find(string text) => Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0])).Where(name =>
    {
        try
        {
            return File.ReadAllText($"/proc/{name}/cmdline") is var arguments && arguments.StartsWith(RunningKernel.Perl, StringComparison.Ordinal) && arguments.Contains(text, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has ended
        }
    }).Select(name => int.Parse(name!, CultureInfo.InvariantCulture)).Cast<int?>().SingleOrDefault();

    /// <summary>A process of an ordinary user of the host, which the kernel could take descriptors from, and whose first socket has the number that the container's has: it can only come by its own number in turn.</summary>
    private static Process Stranger(int number)
    {
        File.WriteAllText("/proc/sys/kernel/ns_last_pid", (number - 1).ToString(CultureInfo.InvariantCulture));
        return Process.Start(new ProcessStartInfo("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", RunningKernel.Perl, "-e", "use Socket; socket($s, PF_INET, SOCK_STREAM, 0) or die; print \"ready\\n\"; close(STDOUT); <STDIN>"]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
    }

    [Fact]
    public async Task A_call_of_a_process_that_was_killed_while_it_was_looked_at_is_not_made_for_whoever_has_its_number()
    {
        for (int attempt = 0; ; attempt++)
        {
            Assert.True(attempt < Attempts, $"{Attempts} times somebody else had the number first");
            var mark = $"attempt{attempt}";
            var spec = await _kernel.StartScriptAsync($"{RunningKernel.Perl} -e 'use Socket; $SIG{{USR1}} = sub {{ $go = 1 }}; socket($s, PF_INET, SOCK_STREAM, 0) or die; $| = 1; print \"ready {mark}\\n\"; sleep 1 until $go; connect($s, pack_sockaddr_in(80, inet_aton(\"{Address}\")))' & wait; echo gone; sleep 1000", Grant, "dir / read");
            await _kernel.UntilAsync(() => _kernel.Log(spec).Length > 0, "the program");
            int caller = Find(mark) ?? throw new InvalidOperationException("the program cannot be found");
            using var held = new HeldProcess(await _kernel.ServerAsync("eyrie-kernel"), ProcessVmReadv);
            Assert.Equal(0, kill(caller, UserSignal));
            await held.Held;
            Assert.Equal(0, kill(caller, Kill));
            await _kernel.UntilAsync(() => !Directory.Exists($"/proc/{caller}"), "the end of the caller");
            using var stranger = Stranger(caller);
            try
            {
                Assert.Equal("ready", await stranger.StandardOutput.ReadLineAsync());
                held.Dispose();
                if (stranger.Id != caller) continue;
                // Whoever connects first is who was granted it: a container that is asked for later.
                await _kernel.StartScriptAsync($"echo granted | nc {Address} 80", Grant);
                using var first = await _listener.AcceptTcpClientAsync().WaitAsync(TimeSpan.FromSeconds(60));
                Assert.Equal("granted", await new StreamReader(first.GetStream()).ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)));
                return;
            }
            finally
            {
                stranger.StandardInput.Close();
                await stranger.WaitForExitAsync();
            }
        }
    }

    /// <summary>A process that stands still once it has made one system call, until it is let go.</summary>
    private sealed partial class HeldProcess : IDisposable
    {
        private const int Seize = 0x4206, Interrupt = 0x4207, ToNextCall = 24, GetRegisters = 12, Detach = 17, TellCalls = 1, AnyKind = 0x40000000;
        private const int Result = 10, Number = 15; // struct user_regs_struct, in words
        private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _letGo = new();
        private readonly Thread _tracer;

        public Task Held => _held.Task.WaitAsync(TimeSpan.FromSeconds(60));

        public HeldProcess(int process, int call)
        {
            using var seized = new ManualResetEventSlim();
            _tracer = new Thread(() => Trace(process, call, seized));
            _tracer.Start();
            seized.Wait();
        }

        /// <summary>All by one thread: only that may ask about what it traces.</summary>
        private void Trace(int process, int call, ManualResetEventSlim seized)
        {
            var registers = new long[27];
            bool traced = ptrace(Seize, process, 0, TellCalls) == 0 && ptrace(Interrupt, process, 0, 0) == 0;
            seized.Set();
            bool stopped = false;
            while (traced && !stopped && waitpid(process, out int status, AnyKind) == process && (status & 0xff) == 0x7f)
            {
                int signal = status >> 8 & 0xff;
                bool ofCall = signal == (5 | 0x80);
                if (ofCall) Pinned(registers, address => ptrace(GetRegisters, process, 0, address));
                stopped = ofCall && registers[Number] == call && registers[Result] != -38; // ENOSYS stands there while it begins
                if (!stopped) _ = ptrace(ToNextCall, process, 0, ofCall || status >> 16 != 0 ? 0 : signal);
            }
            if (stopped) _held.SetResult(); else _held.SetException(new InvalidOperationException("it could not be held"));
            _letGo.Wait();
            _ = ptrace(Detach, process, 0, 0);
        }

        private static void Pinned(long[] memory, Action<nint> use)
        {
            var pinned = GCHandle.Alloc(memory, GCHandleType.Pinned);
            use(pinned.AddrOfPinnedObject());
            pinned.Free();
        }

        public void Dispose()
        {
            _letGo.Set();
            _tracer.Join();
        }

        [LibraryImport("libc")]
        private static partial long ptrace(long request, long process, nint address, nint data);

        [LibraryImport("libc")]
        private static partial int waitpid(int process, out int status, int options);
    }

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
