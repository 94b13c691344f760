using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Side doors of the host's kernel: other tables of system calls, files opened anew through /proc, names and connections that no trapped call makes. Each is open to a plain process.</summary>
public sealed class HostDoorTests : IAsyncLifetime
{
    private const string Grant = "connect tcp service default/one 80", OneProcess = "quota memory=67108864 processes=1";
    private const int NoSystemCall = 128 + 31; // SIGSYS
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../SystemCalls/bin/systemcalls"));
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        File.Copy(Tool, Path.Combine(_kernel.Root, "images/busybox/bin/systemcalls"));
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private static long[] Numbers(string output) => [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => long.Parse(line, CultureInfo.InvariantCulture))];

    private static Process Plain(string program, params string[] arguments) => Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static long[] OnHost(string calls)
    {
        using var process = Plain(Tool, calls.Split(' '));
        return Numbers(process.StandardOutput.ReadToEnd());
    }

    private async Task<long[]> InContainerAsync(string calls, params string[] entries)
    {
        var spec = _kernel.Script("");
        return Numbers((await _kernel.RunAsync(spec with { Arguments = ["systemcalls", .. calls.Split(' ')], Capabilities = [.. entries, "log write", .. entries.Any(entry => entry.StartsWith("quota", StringComparison.Ordinal)) ? Array.Empty<string>() : ["quota memory=67108864 processes=32"]] })).Output);
    }

    /// <summary>A static program of these instructions, which ends with 7 when it lives through them (ELF, elf(5)).</summary>
    private static byte[] Program(params byte[] instructions)
    {
        const int Header = 64, Segment = 56;
        byte[] end = [0xB8, 0xE7, 0, 0, 0, 0xBF, 7, 0, 0, 0, 0x0F, 0x05]; // mov eax, 231 (exit_group); mov edi, 7; syscall
        var file = new byte[Header + Segment + instructions.Length + end.Length];
        void Short(int at, int value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), (ushort)value);
        void Long(int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(at), value);
        new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(file, 0);
        (file[16], file[18], file[20]) = (2, 62, 1); // an executable for x86-64
        Long(24, 0x400000 + Header + Segment);
        Long(32, Header);
        Short(52, Header);
        Short(54, Segment);
        Short(56, 1);
        (file[Header], file[Header + 4]) = (1, 5); // to be loaded, readable and executable
        Long(Header + 16, 0x400000);
        Long(Header + 24, 0x400000);
        Long(Header + 32, file.Length);
        Long(Header + 40, file.Length);
        Long(Header + 48, 0x1000);
        instructions.CopyTo(file, Header + Segment);
        end.CopyTo(file, Header + Segment + instructions.Length);
        return file;
    }

    public static TheoryData<string, byte[]> OtherTables() => new()
    {
        { "getpid of i386", [0xB8, 20, 0, 0, 0, 0xCD, 0x80] }, // mov eax, 20; int 0x80
        { "getpid of x32", [0xB8, 39, 0, 0, 0x40, 0x0F, 0x05] }, // mov eax, 0x40000000 + 39; syscall
    };

    [Theory]
    [MemberData(nameof(OtherTables))]
    public async Task A_call_of_another_table_ends_the_process(string what, byte[] instructions)
    {
        var file = Path.Combine(_kernel.Root, "images/busybox/bin/foreign");
        await File.WriteAllBytesAsync(file, Program(instructions));
        File.SetUnixFileMode(file, (UnixFileMode)0b111_101_101);
        using (var plain = Plain(file))
        {
            await plain.WaitForExitAsync();
            Assert.Equal((what, 7), (what, plain.ExitCode));
        }
        var (exit, _) = await _kernel.RunAsync(_kernel.Script("") with { Arguments = ["/bin/foreign"] });
        Assert.Equal((what, NoSystemCall), (what, exit.ExitCode));
    }

    [Fact]
    public async Task A_file_held_to_be_read_is_not_opened_anew_to_be_written()
    {
        const string Text = "of the image";
        var (image, volume) = (Path.Combine(_kernel.Root, "images/busybox/etc/plain"), Path.Combine(_kernel.Root, "volumes/data/plain"));
        Directory.CreateDirectory(Path.GetDirectoryName(volume)!);
        foreach (var file in new[] { image, volume }) await File.WriteAllTextAsync(file, Text);
        string Script(string first, string second) => $"exec 3<{first} 4<{second}; for f in 3 4; do (echo x >>/proc/self/fd/$f) 2>/dev/null && echo WROTE; (echo x >/proc/self/fd/$f) 2>/dev/null && echo WROTE; done; echo over";
        var spec = _kernel.Script(Script("/etc/plain", "/mnt/plain")) with { Mounts = [new MountSpec("volumes/data", "/mnt", true)] };
        Assert.Equal("over", (await _kernel.RunAsync(spec)).Output);
        Assert.All([image, volume], file => Assert.Equal(Text, File.ReadAllText(file)));
        using var plain = Plain("/bin/busybox", "sh", "-c", Script(image, volume));
        Assert.Equal("WROTE\nWROTE\nWROTE\nWROTE\nover\n", await plain.StandardOutput.ReadToEndAsync());
    }

    [Fact]
    public async Task An_abstract_name_in_the_namespace_that_containers_share_is_reached_and_taken_by_none_of_them()
    {
        var name = "eyrie-test-" + Guid.NewGuid().ToString("N");
        string Address(string text) => $"x:010000{Convert.ToHexString(Encoding.ASCII.GetBytes(text))} {3 + text.Length}";
        var one = await _kernel.StartScriptAsync("sleep 1000", Grant);
        string Namespace(ContainerSpec spec) => $"/proc/{File.ReadLines($"/sys/fs/cgroup/memory/{_kernel.Group}/{spec.Id}/cgroup.procs").First()}/ns/net";
        var connect = $"41 1 1 0 , 42 $0 {Address(name)}";
        using var holder = Plain("nsenter", [$"--net={Namespace(one)}", Tool, .. $"41 1 1 0 , 49 $0 {Address(name)} , 50 $0 8 , 34".Split(' ')]); // pause
        try
        {
            for (int line = 0; line < 3; line++) Assert.NotNull(await holder.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)));
            using var plain = Plain("nsenter", [$"--net={Namespace(one)}", Tool, .. connect.Split(' ')]);
            Assert.Equal(0, Numbers(await plain.StandardOutput.ReadToEndAsync())[^1]);
            var other = await _kernel.StartScriptAsync("sleep 1000", Grant);
            Assert.Equal(new FileInfo(Namespace(one)).LinkTarget, new FileInfo(Namespace(other)).LinkTarget);
            Assert.Equal(-13, (await InContainerAsync(connect, Grant))[^1]);
            Assert.Equal(-13, (await InContainerAsync($"41 1 2 0 , 44 $0 s:data 4 0 {Address(name)}", Grant))[^1]);
            Assert.Equal(-13, (await InContainerAsync($"41 1 1 0 , 49 $0 {Address(name + "-own")}", Grant))[^1]);
        }
        finally
        {
            holder.Kill();
            await holder.WaitForExitAsync();
        }
    }

    [Theory]
    [InlineData("41 2 1 0 , 44 $0 s:data 4 0x20000000 {address} 16")] // sendto, MSG_FASTOPEN
    [InlineData("41 2 1 0 , 54 $0 6 30 x:01000000 4 , 42 $0 {address} 16 , 1 $0 s:data 4")] // TCP_FASTOPEN_CONNECT
    public async Task A_connection_that_begins_with_its_data_goes_nowhere_with_a_grant_for_another(string calls)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        using var granted = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        granted.Start();
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [new("127.0.0.1", ((IPEndPoint)granted.LocalEndpoint).Port)])], None);
        calls = calls.Replace("{address}", string.Create(CultureInfo.InvariantCulture, $"x:0200{((IPEndPoint)listener.LocalEndpoint).Port:x4}7f0000010000000000000000"), StringComparison.Ordinal);
        Assert.Equal(4, OnHost(calls)[^1]);
        using (var reached = await listener.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(60))) Assert.Equal(4, await reached.ReceiveAsync(new byte[8]));
        var results = await InContainerAsync(calls, Grant);
        Assert.Equal(-1, results[1]);
        Assert.InRange(results[^1], long.MinValue, -1);
        Assert.False(listener.Pending());
    }

    [Theory]
    [InlineData("46 $0 z:56 0x20000000")] // sendmsg
    [InlineData("307 $0 z:64 1 0x20000000")] // sendmmsg
    public async Task Messages_that_begin_a_connection_are_refused_whatever_they_say(string call)
    {
        Assert.NotEqual(-1, OnHost("41 2 1 0 , " + call)[^1]);
        Assert.Equal(-1, (await InContainerAsync("41 2 1 0 , " + call, Grant))[^1]);
    }

    [Theory]
    [InlineData("1026 2", OneProcess, false)] // F_NOTIFY
    [InlineData("1026 2", Grant, false)]
    [InlineData("1024 2", OneProcess, false)] // F_SETLEASE to none
    [InlineData("1024 2", Grant, true)]
    [InlineData("1030 10", OneProcess, true)] // F_DUPFD_CLOEXEC
    [InlineData("3 0", OneProcess, true)] // F_GETFL
    public async Task Of_what_is_held_a_program_asks_no_more_than_it_needs(string command, string entry, bool runs)
    {
        var calls = $"257 -100 s:/etc 0x10000 , 72 $0 {command}";
        Assert.NotEqual(-1, OnHost(calls)[^1]);
        Assert.Equal(runs, (await InContainerAsync(calls, entry))[^1] != -1);
    }
}
