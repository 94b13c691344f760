using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Manifests, images and volumes made to lead a container's world outside itself: the start is refused, or what they name lies inside.</summary>
public sealed class HostileSpecTests : IAsyncLifetime
{
    private const string Secret = "of the host";
    private readonly string _outside = Directory.CreateTempSubdirectory("eyrie-outside-").FullName;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(_outside, "secret"), Secret);
        Directory.CreateDirectory(Path.Combine(_kernel.Root, "volumes/data"));
        File.CreateSymbolicLink(Path.Combine(_kernel.Root, "volumes/data/link"), _outside);
        File.CreateSymbolicLink(Path.Combine(_kernel.Root, "volumes/up"), "../../..");
    }

    public async Task DisposeAsync()
    {
        await _kernel.DisposeAsync();
        Directory.Delete(_outside, true);
    }

    /// <summary>A layer on top of the busybox image, made by the action.</summary>
    private ContainerSpec WithLayer(ContainerSpec spec, Action<string> make)
    {
        var name = "images/hostile-" + Guid.NewGuid().ToString("N");
        Directory.CreateDirectory(Path.Combine(_kernel.Root, name));
        make(Path.Combine(_kernel.Root, name));
        return spec with { Layers = [.. spec.Layers, name] };
    }

    /// <summary>Whether anything of the host was seen or changed.</summary>
    private async Task<string> TryAsync(ContainerSpec spec)
    {
        string result;
        try
        {
            var (_, output) = await _kernel.RunAsync(spec);
            result = output.Contains(Secret, StringComparison.Ordinal) ? "GETS THROUGH" : "finds nothing of the host";
        }
        catch (ContainerServiceException)
        {
            result = "the start is refused";
        }
        return File.ReadAllText(Path.Combine(_outside, "secret")) == Secret && Directory.GetFileSystemEntries(_outside).Length == 1 ? result : "GETS THROUGH";
    }

    [Fact]
    public async Task What_is_made_to_lead_outside_leads_nowhere_and_the_table_says_how()
    {
        ContainerSpec Plain(string script) => _kernel.Script(script, "dir /mnt read,write");
        const string Look = "cat /mnt/secret /mnt/*/secret; echo x > /mnt/made";
        var descriptors = Enumerable.Range(3, 60).Select(number => $"/proc/self/fd/{number}").ToList();
        var rows = new List<(string What, string Known, string Result)>
        {
            ("a volume's path that is a link to the host", "CVE-2021-25741, CVE-2017-1002101", await TryAsync(Plain(Look) with { Mounts = [new MountSpec("volumes/data/link", "/mnt", false)] })),
            ("a volume's path through a link to the host", "CVE-2021-25741, CVE-2021-30465", await TryAsync(Plain(Look) with { Mounts = [new MountSpec("volumes/up" + _outside, "/mnt", false)] })),
            ("a volume's path with ..", "CVE-2022-23648", await TryAsync(Plain(Look) with { Mounts = [new MountSpec("volumes/../../../.." + _outside, "/mnt", false)] })),
            ("a volume's path from the root of the host", "CVE-2022-23648", await TryAsync(Plain(Look) with { Mounts = [new MountSpec(_outside, "/mnt", false)] })),
            ("a mount point that is a link in the image to the host", "CVE-2021-30465, CVE-2024-45310", await TryAsync(WithLayer(Plain("echo x > /mnt/made") with { Mounts = [new MountSpec("", "/mnt", false)] }, layer => File.CreateSymbolicLink(Path.Combine(layer, "mnt"), _outside)))),
            ("a mount point below a link in the image to the host", "CVE-2024-45310", await TryAsync(WithLayer(Plain("true") with { Mounts = [new MountSpec("volumes/data", "/mnt/deep/made", true)] }, layer => File.CreateSymbolicLink(Path.Combine(layer, "mnt"), _outside)))),
            ("a mount point with ..", "CVE-2022-23648", await TryAsync(Plain("true") with { Mounts = [new MountSpec("volumes/data", "/../../../../.." + _outside + "/made", true)] })),
            ("an image whose /proc is a link", "CVE-2019-19921, CVE-2023-27561, CVE-2023-28642", await TryAsync(WithLayer(Plain("cat /proc/1/root" + _outside + "/secret; grep '^Cap' /proc/self/status"), layer => File.CreateSymbolicLink(Path.Combine(layer, "proc"), _outside)))),
            ("an image whose /dev is a link", "CVE-2025-31133", await TryAsync(WithLayer(Plain("ls /dev"), layer => File.CreateSymbolicLink(Path.Combine(layer, "dev"), _outside)))),
            ("an image whose /dev/null is a link", "CVE-2025-31133", await TryAsync(WithLayer(Plain("cat /dev/null; echo x > /dev/null"), layer => { Directory.CreateDirectory(Path.Combine(layer, "dev")); File.CreateSymbolicLink(Path.Combine(layer, "dev/null"), Path.Combine(_outside, "secret")); }))),
            ("an image whose /dev/console and /dev/pts are links", "CVE-2025-52565", await TryAsync(WithLayer(Plain("ls /dev/pts"), layer => { Directory.CreateDirectory(Path.Combine(layer, "dev")); foreach (var name in new[] { "console", "pts", "shm", "ptmx" }) File.CreateSymbolicLink(Path.Combine(layer, "dev", name), _outside); }))),
            ("a working directory that is a descriptor of the runtime", "CVE-2024-21626", await WorstAsync(descriptors.Select(path => _kernel.Script($"cat ../../../../../..{_outside}/secret") with { WorkingDirectory = path }))),
            ("a writable directory that is a link in the image to the host", "", await TryAsync(WithLayer(_kernel.Script("echo x > /open/made; cat /open/secret", "dir /open read,write"), layer => File.CreateSymbolicLink(Path.Combine(layer, "open"), _outside)))),
            ("a program that is a link to one of the host", "", await TryAsync(WithLayer(_kernel.Script("") with { Arguments = ["/leads"] }, layer => File.CreateSymbolicLink(Path.Combine(layer, "leads"), Path.Combine(_outside, "secret"))))),
            ("an image's layer with ..", "", await TryAsync(Plain("cat /secret") with { Layers = ["images/busybox", "../../../../.." + _outside] })),
            ("an image's layer that is a link to the host", "", await TryAsync(Plain("cat /secret") with { Layers = ["images/busybox", "volumes/data/link"] })),
            ("a scratch directory with ..", "", await TryAsync(Plain("cat /secret") with { Writable = "../../../../.." + _outside })),
            ("a log with ..", "", await TryAsync(Plain("echo x") with { LogPath = "../../../../.." + _outside + "/made" })),
            ("a program asked for by a descriptor of the runtime", "CVE-2019-5736, CVE-2024-21626", await WorstAsync(descriptors.Take(20).Select(path => _kernel.Script("") with { Arguments = [path + "/bin/sh", "-c", "true"] }))),
        };
        Assert.DoesNotContain(rows, row => row.Result == "GETS THROUGH");
        await AttackPage.CheckAsync("Manifests, images and volumes", $"""
            Each leads to a directory outside the node's root, by a path, a link or a descriptor.

            | what is made so | what comes of it | known from |
            |---|---|---|
            {string.Join('\n', rows.Select(row => $"| {row.What} | {row.Result} | {row.Known} |"))}
            """);
    }

    private async Task<string> WorstAsync(IEnumerable<ContainerSpec> specs)
    {
        var results = new List<string>();
        foreach (var spec in specs) results.Add(await TryAsync(spec));
        return results.Contains("GETS THROUGH") ? "GETS THROUGH" : results.Distinct().Count() == 1 ? results[0] : "the start is refused, or it finds nothing of the host";
    }

    [Fact]
    public async Task While_others_are_executed_in_a_container_its_processes_see_nothing_of_those_who_do_it()
    {
        var spec = _kernel.Script("while true; do for exe in /proc/[0-9]*/exe; do case $(readlink $exe) in /bin/*|'') ;; *) echo EXE $(readlink $exe);; esac; done; for fd in /proc/[0-9]*/fd/*; do case $(readlink $fd) in pipe:*|/dev/*|socket:*|/proc/*|/bin/*|'') ;; /*) echo FD $(readlink $fd);; esac; done; done");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        for (int i = 0; i < 40; i++)
        {
            await using var execution = await _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["true"], WorkingDirectory = "/" }, CancellationToken.None);
            await execution.Exit.WaitAsync(TimeSpan.FromSeconds(60));
        }
        Assert.Equal("", _kernel.Log(spec));
    }
}
