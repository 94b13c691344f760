using System.Globalization;
using System.Runtime.InteropServices;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>
/// Paths of which a part is exchanged, again and again, for a link to the host while containers are started that mount them: a container sees what is inside, or is not started. Whoever looks at the path first and uses it then,
/// as container runtimes did, ends up outside.
/// </summary>
public sealed partial class PathRaceTests : IAsyncLifetime
{
    private const string Secret = "of the host", Inside = "of the container";
    private const int Starts = 60;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly string _outside = Directory.CreateTempSubdirectory("eyrie-outside-").FullName, _offered = Directory.CreateTempSubdirectory("eyrie-offered-").FullName;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync(offered: [_offered]);
        Directory.CreateDirectory(Path.Combine(_outside, "deep"));
        await File.WriteAllTextAsync(Path.Combine(_outside, "secret"), Secret);
        await File.WriteAllTextAsync(Path.Combine(_outside, "deep/secret"), Secret);
    }

    public async Task DisposeAsync()
    {
        await _kernel.DisposeAsync();
        Directory.Delete(_outside, true);
        Directory.Delete(_offered, true);
    }

    /// <summary>A directory with the container's own file, and beside it a link to the host, which change places until the end.</summary>
    private sealed class Exchange : IDisposable
    {
        private readonly CancellationTokenSource _end = new();
        private readonly Task _exchanging;
        private long _count;

        public Exchange(string path, string leadsTo)
        {
            Directory.CreateDirectory(System.IO.Path.Combine(path, "deep"));
            File.WriteAllText(System.IO.Path.Combine(path, "secret"), Inside);
            File.WriteAllText(System.IO.Path.Combine(path, "deep/secret"), Inside);
            File.CreateSymbolicLink(path + ".link", leadsTo);
            _exchanging = Task.Factory.StartNew(() =>
            {
                while (!_end.IsCancellationRequested)
                {
                    Assert.Equal(0, renameat2(-100, path, -100, path + ".link", 2)); // RENAME_EXCHANGE
                    Interlocked.Increment(ref _count);
                    Thread.SpinWait(2000);
                }
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        public long Count => Interlocked.Read(ref _count);

        public void Dispose()
        {
            _end.Cancel();
            _exchanging.GetAwaiter().GetResult();
        }
    }

    /// <summary>Looks whether it is a link, and reads below it if it is none.</summary>
    private static string Naive(string path, string below)
    {
        for (long begun = Environment.TickCount64; Environment.TickCount64 - begun < Patience.TotalMilliseconds;)
        {
            if (new DirectoryInfo(path).LinkTarget is not null) continue;
            try
            {
                if (File.ReadAllText(Path.Combine(path, below)) == Secret) return "gets through";
            }
            catch (IOException)
            {
                // Between the two names there is nothing.
            }
        }
        return "FAILS";
    }

    /// <summary>Starts containers while the path is exchanged: each sees its own, or is refused.</summary>
    private async Task<string> StartedAsync(Exchange exchange, Func<ContainerSpec> make)
    {
        int own = 0, refused = 0;
        for (int i = 0; i < Starts || ((own == 0 || refused == 0) && i < 40 * Starts); i++)
        {
            long before = exchange.Count;
            while (exchange.Count == before) Thread.Yield();
            try
            {
                var (_, output) = await _kernel.RunAsync(make());
                if (output.Contains(Secret, StringComparison.Ordinal)) return "GETS THROUGH";
                if (output.Contains(Inside, StringComparison.Ordinal)) own++;
            }
            catch (ContainerServiceException)
            {
                refused++;
            }
        }
        Assert.True(own > 0 && refused > 0, string.Create(CultureInfo.InvariantCulture, $"{own} saw their own, {refused} were refused: both faces of the path were to be met"));
        return Directory.GetFileSystemEntries(_outside).Length == 2 && Directory.GetFileSystemEntries(Path.Combine(_outside, "deep")).Length == 1 ? "its own files, or is not started" : "GETS THROUGH";
    }

    [Fact]
    public async Task A_path_that_is_exchanged_while_it_is_mounted_leads_nowhere_else_and_the_table_says_so()
    {
        const string Look = "cat /mnt/secret; echo x >/mnt/made; true";
        var volume = Path.Combine(_kernel.Root, "volumes/race");
        var rows = new List<string>();
        async Task RaceAsync(string what, string known, string path, string below, Func<ContainerSpec> make)
        {
            using var exchange = new Exchange(path, _outside);
            rows.Add($"| {what} | {await StartedAsync(exchange, make)} | {Naive(path, below)} | {known} |");
        }
        await RaceAsync("the directory of a volume", "CVE-2021-25741", volume + "/a", "secret", () => _kernel.Script(Look, "dir /mnt read,write") with { Mounts = [new MountSpec("volumes/race/a", "/mnt", false)] });
        await RaceAsync("a directory on the way to a part of a volume (subPath)", "CVE-2021-25741, CVE-2017-1002101", volume + "/b", "deep/secret", () => _kernel.Script(Look, "dir /mnt read,write") with { Mounts = [new MountSpec("volumes/race/b/deep", "/mnt", false)] });
        await RaceAsync("a directory of the host that is offered (hostPath)", "CVE-2021-25741", Path.Combine(_offered, "c"), "deep/secret",
            () => _kernel.Script(Look, "dir /mnt read,write", $"host dir {_offered} read,write") with { Mounts = [new MountSpec(Path.Combine(_offered, "c/deep"), "/mnt", false)] });
        Directory.CreateDirectory(Path.Combine(_kernel.Root, "volumes/tool"));
        await RaceAsync("a mount point in a volume that another container writes", "CVE-2021-30465", volume + "/d", "secret",
            () => _kernel.Script($"cat /mnt/d/secret {_outside}/secret; ls {_outside}", "dir /mnt read,write") with { Mounts = [new MountSpec("volumes/race", "/mnt", false), new MountSpec("volumes/tool", "/mnt/d/deep", false)] });
        Assert.DoesNotContain(rows, row => row.Contains("GETS THROUGH", StringComparison.Ordinal) || row.Contains("FAILS", StringComparison.Ordinal));
        await AttackPage.CheckAsync("Races on paths", $"""
            While containers are started, what is named is exchanged with a link to a directory of the host, thousands of times a second. The plain process looks whether it is a link, and reads it if it is none.

            | what is exchanged | what a container sees | in a plain process | known from |
            |---|---|---|---|
            {string.Join('\n', rows)}
            """);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int fromDirectory, string from, int toDirectory, string to, uint flags);
}
