using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A container is told of its host what its set names; of the rest its own promise, zeros or nothing.</summary>
public sealed class HostFactTests : IAsyncLifetime
{
    private const string Memory = "facts memory", Load = "facts load", Drivers = "facts drivers", Quota = "65536"; // KiB, of every container of these tests
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private async Task<string> SaysAsync(string script, params string[] entries) => (await _kernel.RunAsync(_kernel.Script(script, entries))).Output;

    private const string Total = "grep MemTotal /proc/meminfo | tr -dc 0-9; echo; free | sed -n 2p | awk '{print $2}'";

    private static string HostTotal => new([.. File.ReadLines("/proc/meminfo").First().Where(char.IsAsciiDigit)]);

    [Fact]
    public async Task The_memory_is_what_was_promised_unless_the_hosts_may_be_known()
    {
        Assert.Equal($"{Quota}\n{Quota}", await SaysAsync(Total, Load, Drivers)); // /proc/meminfo and sysinfo(2)
        Assert.Equal($"{HostTotal}\n{HostTotal}", await SaysAsync(Total, Memory));
    }

    [Fact]
    public async Task Nothing_is_said_to_be_done_unless_the_load_may_be_known()
    {
        const string Script = "cat /proc/loadavg; grep '^cpu ' /proc/stat; uptime | sed 's/.*average: //'; ls /proc/pressure | wc -l";
        Assert.Equal("0.00 0.00 0.00 1/1 1\ncpu  0 0 0 0 0 0 0 0 0 0\n0.00, 0.00, 0.00\n0", await SaysAsync(Script, Memory, Drivers));
        var said = (await SaysAsync(Script, Load)).Split('\n');
        Assert.NotEqual("0.00 0.00 0.00 1/1 1", said[0]);
        Assert.Matches("^cpu  [1-9]", said[1]);
        Assert.Equal(Directory.GetFiles("/proc/pressure").Length.ToString(CultureInfo.InvariantCulture), said[3]);
    }

    [Fact]
    public async Task The_processors_are_counted_with_the_load_or_without() =>
        Assert.Equal([Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture), "btime"], (await SaysAsync("grep -c '^cpu[0-9]' /proc/stat; grep btime /proc/stat | cut -d' ' -f1")).Split('\n'));

    [Theory]
    [InlineData("devices")]
    [InlineData("filesystems")]
    [InlineData("misc")]
    public async Task What_the_kernel_drives_is_not_listed_unless_it_may_be_known(string file)
    {
        Assert.Equal("0", await SaysAsync($"cat /proc/{file} | wc -l", Memory, Load));
        string Here() => File.ReadAllLines("/proc/" + file).Length.ToString(CultureInfo.InvariantCulture);
        string here, said;
        do (here, said) = (Here(), await SaysAsync($"cat /proc/{file} | wc -l", Drivers));
        while (here != Here()); // another test has had the host load a module meanwhile
        Assert.Equal(here, said);
    }

    [Fact]
    public async Task Directories_of_what_the_kernel_drives_are_empty_and_read_only()
    {
        const string Script = "for d in bus driver fs irq; do ls -A /proc/$d; done | wc -l; grep -cE ' /proc/(bus|driver|fs|irq) ro,' /proc/self/mountinfo";
        Assert.Equal("0\n4", await SaysAsync(Script, Memory, Load));
        Assert.NotEqual("0", (await SaysAsync(Script, Drivers)).Split('\n')[0]);
    }

    [Fact]
    public async Task What_covers_the_files_can_be_neither_written_nor_taken_off() =>
        Assert.Equal("refused refused", await SaysAsync("(echo x >/proc/meminfo) 2>/dev/null || echo -n 'refused '; umount /proc/meminfo 2>/dev/null || echo refused"));

    [Fact]
    public async Task A_further_program_is_told_the_same_and_the_facts_are_read_back()
    {
        var spec = _kernel.Script("sleep 600", Load);
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        await using var execution = await _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["sh", "-c", Total] }, CancellationToken.None);
        using var reader = new StreamReader(execution.Output);
        Assert.Equal($"{Quota}\n{Quota}\n", await reader.ReadToEndAsync());
        Assert.Contains(Load, await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
        Assert.Equal(ContainerError.InvalidCapability, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.CreateAsync(_kernel.Script("true", "facts everything"), CancellationToken.None))).Error);
    }
}
