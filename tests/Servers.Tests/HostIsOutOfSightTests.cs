using System.Diagnostics;

namespace Eyrie.Servers.Tests;

/// <summary>What a container must not be able to do. Each attempt is a shell line that prints REACHED when it gets through.</summary>
public sealed class HostIsOutOfSightTests : IAsyncLifetime
{
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Theory]
    [InlineData("the host's root", "[ -e /usr/share ] || [ -e /proc/1/root/usr/share ] || [ -e ../../../../../../usr/share ] && echo REACHED")]
    [InlineData("the host's init", "[ -e /proc/2 ] && grep -q kthreadd /proc/2/status && echo REACHED; ps | grep -q kthreadd$ && echo REACHED")]
    [InlineData("mount", "mount -t tmpfs none /tmp && echo REACHED")]
    [InlineData("new namespaces", "unshare -m true && echo REACHED; unshare -U true && echo REACHED; unshare -n true && echo REACHED")]
    [InlineData("a raw socket", "ping -c 1 -W 1 127.0.0.1 && echo REACHED")]
    [InlineData("a device node", "mknod /dev/disk b 254 0 && echo REACHED")]
    [InlineData("chroot", "chroot / true && echo REACHED")]
    [InlineData("the kernel's log", "dmesg && echo REACHED")]
    [InlineData("the image it is made from", "touch /bin/new && echo REACHED; echo x >/bin/busybox && echo REACHED")]
    [InlineData("system settings", "echo 1 >/proc/sys/kernel/sysrq && echo REACHED; echo b >/proc/sysrq-trigger && echo REACHED")]
    [InlineData("an address without a grant", "wget -q -O- http://10.1.2.3/ && echo REACHED")]
    public async Task A_container_cannot_reach(string what, string script)
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script(script + "; echo done"));
        Assert.True(!output.Contains("REACHED", StringComparison.Ordinal) && output.Split('\n').Contains("done"), $"{what}: {output}");
    }

    /// <summary>The same attempts get through in a plain process where that is harmless: so the tests above can fail.</summary>
    [Theory]
    [InlineData("[ -e /usr/share ] && echo REACHED")]
    [InlineData("grep -q kthreadd /proc/2/status && echo REACHED")]
    [InlineData("busybox unshare -m true && echo REACHED")]
    [InlineData("busybox chroot / true && echo REACHED")]
    [InlineData("busybox ping -c 1 -W 1 127.0.0.1 && echo REACHED")]
    public async Task A_plain_process_reaches(string script)
    {
        var start = new ProcessStartInfo("busybox") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { "sh", "-c", script }) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        Assert.Contains("REACHED", await process.StandardOutput.ReadToEndAsync(), StringComparison.Ordinal);
    }
}
