using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Code runs from what the set names and from nowhere else, however it is begun.</summary>
public sealed class ExecutableTests : IAsyncLifetime
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../SystemCalls/bin/systemcalls"));
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        var image = Path.Combine(_kernel.Root, "images/busybox");
        File.Copy(Tool, Path.Combine(image, "bin/systemcalls"));
        Directory.CreateDirectory(Path.Combine(image, "opt/tools/deep"));
        File.Copy(Tool, Path.Combine(image, "opt/tools/deep/systemcalls"));
        foreach (var directory in new[] { "lib", "lib64", "lib/x86_64-linux-gnu" }) Directory.CreateDirectory(Path.Combine(image, directory));
        // A program with a loader, as most are.
        File.Copy("/usr/bin/true", Path.Combine(image, "bin/dynamic"));
        File.Copy("/lib64/ld-linux-x86-64.so.2", Path.Combine(image, "lib64/ld-linux-x86-64.so.2"));
        File.Copy("/lib/x86_64-linux-gnu/libc.so.6", Path.Combine(image, "lib/x86_64-linux-gnu/libc.so.6"));
        Directory.CreateDirectory(Path.Combine(_kernel.Root, "volumes/data"));
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    // 39 getpid; 319 memfd_create, 40 sendfile of the program into it, 322 execveat of it (AT_EMPTY_PATH).
    private const string Call = " 39 >/dev/null && echo RAN", InMemory = "/bin/systemcalls 319 s:m 0 , 257 -100 s:/bin/systemcalls 0 , 40 \\$0 \\$1 0 1000000 , 322 \\$0 s: 0 0 4096 | tail -1 | grep -q '^-' || echo RAN";

    [Theory]
    [InlineData(true, "/bin/systemcalls" + Call)] // without a word of what may be executed
    [InlineData(true, "busybox cp /bin/systemcalls /data/s; /data/s" + Call)]
    [InlineData(true, InMemory)]
    [InlineData(true, "/bin/dynamic && echo RAN")]
    [InlineData(false, "/bin/systemcalls" + Call, "exec /bin/busybox")]
    [InlineData(true, "/bin/systemcalls" + Call, "exec /bin/busybox", "exec /bin/systemcalls")]
    [InlineData(true, "/bin/cat /dev/null && echo RAN", "exec /bin/sh")] // a link: the file is what counts
    [InlineData(true, "/opt/tools/deep/systemcalls" + Call, "exec /bin/busybox", "exec /opt/tools")]
    [InlineData(false, "/bin/systemcalls" + Call, "exec /bin/busybox", "exec /opt/tools", "exec /not/there")]
    [InlineData(false, "busybox cp /bin/systemcalls /data/s; /data/s" + Call, "exec /bin")]
    [InlineData(false, "busybox cp /bin/systemcalls /dev/shm/s; /dev/shm/s" + Call)] // never
    [InlineData(false, InMemory, "exec /bin")]
    [InlineData(true, "/bin/dynamic && echo RAN", "exec /bin/busybox", "exec /bin/dynamic", "exec /lib", "exec /lib64")]
    [InlineData(true, "/lib64/ld-linux-x86-64.so.2 /bin/dynamic && echo RAN", "exec /bin/busybox", "exec /bin/dynamic", "exec /lib", "exec /lib64")]
    [InlineData(false, "/lib64/ld-linux-x86-64.so.2 /bin/dynamic && echo RAN", "exec /bin/busybox", "exec /lib", "exec /lib64")] // through the loader
    [InlineData(false, "busybox cp /bin/systemcalls /mnt/s; /mnt/s" + Call, "exec /bin", "dir /mnt read,write")]
    [InlineData(true, "busybox cp /bin/systemcalls /mnt/s; /mnt/s" + Call, "exec /bin", "exec /mnt", "dir /mnt read,write")]
    public async Task Code_runs_from_where_it_may(bool runs, string script, params string[] entries)
    {
        var spec = _kernel.Script($"({script}) 2>/dev/null; echo ended", [.. entries, "dir /data read,write"]) with { Mounts = [new MountSpec("volumes/data", "/data", false)] };
        var (_, output) = await _kernel.RunAsync(spec);
        Assert.Equal(runs ? "RAN ended" : "ended", string.Join(' ', output.Split('\n')));
    }

    [Fact]
    public async Task The_containers_own_program_must_be_among_them() =>
        Assert.Equal(ContainerError.NotExecutable, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.RunAsync(_kernel.Script("true", "exec /opt")))).Error);

    [Fact]
    public async Task So_must_what_is_executed_in_it_later()
    {
        var spec = _kernel.Script("sleep 600", "exec /bin/busybox");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        await using (var shell = await _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["/bin/true"] }, CancellationToken.None)) { }
        Assert.Equal(ContainerError.NotExecutable, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["/bin/systemcalls"] }, CancellationToken.None))).Error);
    }

    [Fact]
    public async Task What_was_named_is_read_back()
    {
        var spec = _kernel.Script("true", "exec /bin/busybox", "exec /lib");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        Assert.Equal(["exec /bin/busybox", "exec /lib", "log write", "quota memory=67108864 processes=32"], await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
    }
}
