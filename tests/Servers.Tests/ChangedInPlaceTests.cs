using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Of a place that may be changed and no more, the files that are there are written, and none is made, moved or removed; wherever else a container may write, it makes what it likes.</summary>
public sealed class ChangedInPlaceTests : IAsyncLifetime
{
    private const string Change = "dir /srv read,change", Said = " 2>/dev/null && echo DONE";
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        var image = Path.Combine(_kernel.Root, "images/busybox");
        foreach (var directory in new[] { "srv/deep", "opt", "etc" }) Directory.CreateDirectory(Path.Combine(image, directory));
        foreach (var file in new[] { "srv/there", "srv/deep/there", "opt/there" }) await File.WriteAllTextAsync(Path.Combine(image, file), "before\n");
        File.CreateSymbolicLink(Path.Combine(image, "etc/link"), "/opt");
        Directory.CreateDirectory(Path.Combine(_kernel.Root, "volumes/data"));
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Theory]
    [InlineData(true, "(echo after >/srv/there) && grep -q after /srv/there", Change)]
    [InlineData(true, "echo more >>/srv/deep/there", Change)]
    [InlineData(true, "chmod 600 /srv/there", Change)]
    [InlineData(false, "echo new >/srv/new", Change)]
    [InlineData(false, "mkdir /srv/new", Change)]
    [InlineData(false, "ln -s there /srv/new", Change)]
    [InlineData(false, "ln /srv/there /srv/new", Change)]
    [InlineData(false, "mkfifo /srv/new", Change)]
    [InlineData(false, "rm /srv/there", Change)]
    [InlineData(false, "rmdir /srv/deep", Change)]
    [InlineData(false, "mv /srv/there /srv/deep/there", Change)]
    [InlineData(false, "mv /srv/there /srv/moved", Change)]
    [InlineData(false, "cp /bin/busybox /srv/deep/new", Change)]
    [InlineData(false, "echo x >>/opt/there", Change)] // not named at all
    [InlineData(true, "echo new >/srv/new", Change, "dir /srv read,write")] // the wider counts
    [InlineData(true, "echo new >/srv/deep/new", Change, "dir /srv/deep read,write")]
    [InlineData(false, "echo new >/srv/new", Change, "dir /srv/deep read,write")]
    [InlineData(false, "mv /srv/deep/there /srv/new", Change, "dir /srv/deep read,write")]
    [InlineData(true, "echo new >/opt/new && mkdir /opt/d && mv /opt/new /opt/d/new && rm -r /opt/d", Change, "dir /opt read,write")]
    [InlineData(true, "echo new >/data/new && mv /data/new /data/other", Change, "dir /data read,write")]
    [InlineData(false, "echo new >/data/new", Change, "dir /data read,change")]
    [InlineData(true, "echo new >/dev/shm/new && rm /dev/shm/new", Change)]
    [InlineData(true, "echo new >/tmp/new", Change, "dir / read,write")]
    [InlineData(true, "echo new >/etc/link/new", Change, "dir /etc/link read,write")] // a link of the image: what it leads to is what is granted
    public async Task Names_are_made_where_they_may_be(bool works, string script, params string[] entries)
    {
        var spec = _kernel.Script($"({script}){Said}; true", entries) with { Mounts = [new MountSpec("volumes/data", "/data", false)] };
        var (exit, output) = await _kernel.RunAsync(spec);
        Assert.Equal((0, works ? "DONE" : ""), (exit.ExitCode, output));
    }

    [Fact]
    public async Task A_further_program_is_held_to_it_too()
    {
        var spec = _kernel.Script("sleep 600", Change);
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        await using var execution = await _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["sh", "-c", "echo x 2>/dev/null >>/srv/there && echo changed; (echo x >/srv/new) 2>/dev/null || echo refused"] }, CancellationToken.None);
        using var reader = new StreamReader(execution.Output);
        Assert.Equal("changed\nrefused\n", await reader.ReadToEndAsync());
        Assert.Contains(Change, await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
    }
}
