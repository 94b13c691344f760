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
    [InlineData("control groups and their release agent (CVE-2022-0492)", "[ -e /sys/fs/cgroup ] && echo REACHED; [ -e /proc/1/root/sys/fs/cgroup ] && echo REACHED")]
    [InlineData("the program that handles crashes", "echo '|/tmp/x' >/proc/sys/kernel/core_pattern && echo REACHED; echo x >/proc/sys/kernel/modprobe && echo REACHED")]
    [InlineData("its own program and the first one's, to write (CVE-2019-5736)", "(exec 3>>/proc/self/exe) && echo REACHED; (exec 3>>/proc/1/exe) && echo REACHED")]
    [InlineData("directories that its starter left open (CVE-2024-21626)", "for f in 3 4 5 6 7 8 9 10 11 12 13 14 15; do [ -e /proc/1/fd/$f/.. ] && echo REACHED; done")]
    [InlineData("files of the host through links", "ln -s /../../../../etc/shadow /dev/shm/x; cat /dev/shm/x && echo REACHED; ln -s /proc/1/cwd/../../../etc/shadow /dev/shm/y; cat /dev/shm/y && echo REACHED")]
    [InlineData("sockets of container managers", "for s in /run/containerd/containerd.sock /var/run/docker.sock /run/crio/crio.sock; do [ -e $s ] && echo REACHED; done; [ -e /m.sock ] && echo REACHED")]
    [InlineData("addresses and secrets of the kernel", "grep -q [1-9a-f] /proc/kallsyms && echo REACHED; cat /proc/kcore 2>/dev/null | head -c 1 | grep -q . && echo REACHED; [ -s /proc/keys ] && echo REACHED")]
    [InlineData("names of Unix sockets of others", "grep -q '@\\|/run' /proc/net/unix && echo REACHED")]
    [InlineData("memory and disks of the host", "[ -e /dev/mem ] && echo REACHED; [ -e /dev/kmsg ] && echo REACHED; [ -e /dev/fuse ] && echo REACHED; ls /dev | grep -q '^sd\\|^vd\\|^nvme\\|^loop' && echo REACHED")]
    [InlineData("more processes than its quota", "(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36; do sleep 1000 & done; echo REACHED)")]
    [InlineData("devices of its own", "echo x >/dev/foo && echo REACHED; rm -f /dev/null && ! [ -e /dev/null ] && echo REACHED; echo x >/dev/null || echo REACHED")]
    [InlineData("facts of the host", "[ -n \"$(cat /proc/cmdline /proc/iomem /proc/interrupts /proc/diskstats)\" ] && echo REACHED")]
    [InlineData("an address without a grant", "wget -q -O- http://10.1.2.3/ && echo REACHED")]
    public async Task A_container_cannot_reach(string what, string script)
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script(script + "; echo done"));
        Assert.True(!output.Contains("REACHED", StringComparison.Ordinal) && output.Split('\n').Contains("done"), $"{what}: {output}");
    }

    [Fact]
    public async Task Who_may_share_memory_is_alone_in_an_IPC_namespace_and_nobody_is_in_the_hosts()
    {
        async Task<string> NamespaceAsync(params string[] entries) => (await _kernel.RunAsync(_kernel.Script("readlink /proc/self/ns/ipc", entries))).Output;
        var (none, other) = (await NamespaceAsync(), await NamespaceAsync("processes shared-memory"));
        var host = new FileInfo("/proc/self/ns/ipc").LinkTarget;
        Assert.StartsWith("ipc:[", none, StringComparison.Ordinal);
        Assert.Equal(none, await NamespaceAsync()); // where no call of theirs leads to
        Assert.Equal(3, new[] { none, other, host }.Distinct().Count());
    }

    /// <summary>The same attempts get through in a plain process where that is harmless: so the tests above can fail.</summary>
    [Theory]
    [InlineData("[ -e /usr/share ] && echo REACHED")]
    [InlineData("grep -q kthreadd /proc/2/status && echo REACHED")]
    [InlineData("busybox unshare -m true && echo REACHED")]
    [InlineData("[ -e /sys/fs/cgroup ] && echo REACHED")]
    [InlineData("(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36; do sleep 3 & done; echo REACHED) 2>&1 | head -1")]
    [InlineData("d=$(mktemp -d); ln -s /../../../../etc/shadow $d/x; cat $d/x >/dev/null && echo REACHED; rm -r $d")]
    [InlineData("grep -q [1-9a-f] /proc/kallsyms && echo REACHED")]
    [InlineData("exec 7</etc; [ -e /proc/$$/fd/7/../usr/share ] && echo REACHED")]
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
