using System.Globalization;
using System.Text.RegularExpressions;
using Eyrie.Microkernel.Client;
using Eyrie.Tests;
using Xunit.Abstractions;

namespace Eyrie.Servers.Tests;

/// <summary>Native tasks that throw random calls at the real kernel (tests/Hostile). <c>EYRIE_SEED</c> runs one seed again; <c>EYRIE_LONG=1</c> goes on for ten minutes instead of one.</summary>
[Takes(85)]
public sealed partial class HostileTaskTests(ITestOutputHelper output)
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Hostile/bin/hostile"));

    private static readonly bool Long = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1";
    private static readonly int Seconds = Long ? 600 : 60, SecondsInPlace = Long ? 120 : 10;

    private int Seed()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), CultureInfo.InvariantCulture, out int given) ? given : Random.Shared.Next(1_000_000);
        output.WriteLine($"EYRIE_SEED={seed}");
        return seed;
    }

    [GeneratedRegex(@"hostile: (\d+) calls, (\d+) carried out: (\d+) sent, (\d+) with capabilities, (\d+) threads\z")]
    private static partial Regex Ended();

    /// <summary>Programs of the servers with the hostile one among them, under one more name.</summary>
    private static string Servers(string name)
    {
        var folder = Directory.CreateTempSubdirectory("eyrie-servers-").FullName;
        foreach (var server in new[] { "metteagle", "network" }) File.Copy(Path.Combine(RunningKernel.Binaries, server), Path.Combine(folder, server));
        File.Copy(Tool, Path.Combine(folder, name), overwrite: true);
        return folder;
    }

    private static IReadOnlyList<Match> Ends(RunningKernel kernel) => [.. kernel.Errors.Select(line => Ended().Match(line)).Where(match => match.Success)];

    private static async Task<(KernelStatistics Statistics, string Descriptors)> RestAsync(RunningKernel kernel)
    {
        await kernel.RunAsync(kernel.Script("true"));
        foreach (var container in await kernel.Service.ListAsync(CancellationToken.None)) await kernel.Service.DeleteAsync(container.Id, CancellationToken.None);
        return (await kernel.Service.KernelStatisticsAsync(CancellationToken.None), await kernel.DescriptorsAtRestAsync());
    }

    [Fact]
    public async Task Two_hostile_tasks_harm_nobody_and_leave_nothing_behind()
    {
        int seed = Seed();
        (KernelStatistics Statistics, string Descriptors) rest;
        await using (var quiet = await RunningKernel.StartAsync()) rest = await RestAsync(quiet);
        var servers = Servers("hostile");
        await using var kernel = await RunningKernel.StartAsync(servers, null, null, null, null, $"hostile:a-{seed}-{Seconds}", $"hostile:b-{seed + 1}-{Seconds}");
        await kernel.ConnectAsync();
        var witness = kernel.Script("i=0; while true; do i=$((i+1)); echo $i; sleep 0.1; done");
        await kernel.Service.CreateAsync(witness, CancellationToken.None);
        await kernel.Service.StartAsync(witness.Id, CancellationToken.None);
        var deadline = DateTimeOffset.UtcNow.AddSeconds(Seconds + 120);
        int others = 0;
        while (Ends(kernel).Count < 2)
        {
            Assert.True(DateTimeOffset.UtcNow < deadline, $"of two hostile tasks {Ends(kernel).Count} have ended {Seconds + 120} s after the start; the kernel logged: {string.Join('\n', kernel.Errors.TakeLast(5))}");
            var spec = kernel.Script("echo unharmed");
            try
            {
                var (exit, said) = await kernel.RunAsync(spec);
                Assert.Equal((0, "unharmed"), (exit.ExitCode, said));
                await kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
            }
            catch (Exception failure) when (failure is IOException or TimeoutException)
            {
                throw new InvalidOperationException($"container {spec.Id} was harmed; kernel: {kernel.State}; it logged: {string.Join('\n', kernel.Errors.Where(line => line.StartsWith("eyrie", StringComparison.Ordinal)))}", failure);
            }
            others++;
        }
        foreach (var end in Ends(kernel)) output.WriteLine(end.Value);
        output.WriteLine($"{others} containers ran beside them");
        Assert.All(Ends(kernel), end => Assert.True(long.Parse(end.Groups[2].Value, CultureInfo.InvariantCulture) > 200 * Seconds, $"too few calls were carried out for this to say much: {end.Value}"));
        foreach (var kind in Enumerable.Range(3, 3)) Assert.True(Ends(kernel).Sum(end => long.Parse(end.Groups[kind].Value, CultureInfo.InvariantCulture)) > Seconds, string.Join('\n', Ends(kernel).Select(end => end.Value)));
        Assert.Equal(Microkernel.Client.ContainerState.Running, (await kernel.Service.ListAsync(CancellationToken.None)).Single(status => status.Id == witness.Id).State);
        Assert.Equal(rest, await RestAsync(kernel));
        Directory.Delete(servers, recursive: true);
    }

    [Fact]
    public async Task A_hostile_container_service_brings_down_neither_the_kernel_nor_the_host()
    {
        int seed = Seed();
        var servers = Servers("metteagle");
        var kernel = await RunningKernel.StartAsync(servers, $"eyrie-test-hostile-{seed}-{SecondsInPlace}");
        foreach (var part in new[] { "upper", "work", "root" }) Directory.CreateDirectory(Path.Combine(kernel.Root, "containers/hostile", part));
        // It is started anew with all that it held, and is no better the second time.
        var deadline = DateTimeOffset.UtcNow.AddSeconds(2 * SecondsInPlace + 60);
        while (Ends(kernel).Count < 2)
        {
            Assert.True(DateTimeOffset.UtcNow < deadline && kernel.State == "runs", $"{Ends(kernel).Count} of two have ended; the kernel {kernel.State} and said: {string.Join('\n', kernel.Errors.TakeLast(5))}");
            await Task.Delay(20);
        }
        foreach (var end in Ends(kernel)) output.WriteLine(end.Value);
        Assert.All(Ends(kernel), end => Assert.True(long.Parse(end.Groups[2].Value, CultureInfo.InvariantCulture) > 200 * SecondsInPlace, $"too few calls were carried out for this to say much: {end.Value}"));
        Assert.Contains("eyrie-kernel: metteagle ended; it is started anew", kernel.Errors);
        await kernel.TerminateAsync();
        Assert.Equal(0, await kernel.EndedAsync(TimeSpan.FromSeconds(30)));
        Assert.DoesNotContain(Directory.EnumerateDirectories("/sys/fs/cgroup/memory"), group => group.EndsWith(kernel.Group, StringComparison.Ordinal));
        Assert.DoesNotContain(File.ReadLines("/proc/self/mountinfo"), line => line.Contains(kernel.Root, StringComparison.Ordinal));
        await kernel.DisposeAsync();
        Directory.Delete(servers, recursive: true);
    }
}
