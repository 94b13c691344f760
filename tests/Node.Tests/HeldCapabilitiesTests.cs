using Eyrie.Microkernel.Client;
using Eyrie.Node;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class HeldCapabilitiesTests
{
    private static readonly string[] Base = ["log write", "quota memory=4096 processes=8"];

    [Theory]
    [InlineData("dir /data read,write", null, true)]
    [InlineData("dir /data read,write", "dir /data read", true)]
    [InlineData("dir /data/deep read,write", "dir /data read,write", false)] // it may still be written
    [InlineData("dir /data read", "dir /data read,write", false)]
    [InlineData("audit dir / read,write", null, false)] // no grant was taken away
    [InlineData("connect tcp service a/b 80", null, false)]
    [InlineData("api token", null, true)]
    [InlineData("facts memory", null, true)]
    [InlineData("dir /data read,write", "dir /data read,change", true)]
    [InlineData("dir /data read,change", "dir /data read,write", false)]
    [InlineData("exec /bin/a", null, false)] // everything may be executed now
    [InlineData("exec /bin/a", "exec /bin/b", true)]
    [InlineData("exec /bin/a", "exec /bin", false)]
    [InlineData("log write", "exec /bin", true)] // everything could be executed
    public void What_takes_a_directory_away_is_told_from_what_only_needs_another_start(string had, string? wanted, bool loses) =>
        Assert.Equal(loses, new HeldCapabilities(null!, "a", [.. Base, had]).LosesFiles(wanted is null ? Base : [.. Base, wanted]));

    [Theory]
    [InlineData("listen tcp 80", "connect tcp service a/b 80", true)] // of a class that it has
    [InlineData("listen tcp 80", null, true)]
    [InlineData(null, "clock read", true)]
    [InlineData(null, "connect tcp service a/b 80", false)] // its filter has no socket calls
    [InlineData(null, "dir /tmp read,write", false)]
    [InlineData("signal b HUP", "signal b HUP,TERM", true)]
    [InlineData("signal b HUP", "signal c HUP", false)] // its pipe is mounted at the start
    [InlineData("signal b HUP", null, true)]
    [InlineData("listen tcp 80", "dir /tmp read,write", false)]
    public void What_a_running_container_can_become_depends_on_the_calls_it_was_started_with(string? had, string? wanted, bool live)
    {
        var held = new HeldCapabilities(null!, "a", had is null ? Base : [.. Base, had]);
        Assert.Equal(live, held.CanBecome(wanted is null ? Base : [.. Base, wanted]));
    }

    [Fact]
    public async Task A_set_that_is_compared_while_it_changes_is_never_compared_with_one_that_the_kernel_does_not_hold_yet()
    {
        const int Changes = 3000;
        var kernel = new KernelSet(Base);
        var held = new HeldCapabilities(() => kernel, "a", Base);
        using var together = new Barrier(2);
        async Task<List<string?>> RunAsync(Func<int, Task<string?>> ask)
        {
            var differences = new List<string?>();
            for (int i = 0; i < Changes; i++)
            {
                together.SignalAndWait();
                differences.Add(await ask(i));
            }
            return differences;
        }
        var comparing = Task.Run(() => RunAsync(_ => held.VerifyAsync()));
        var changing = Task.Run(() => RunAsync(i => held.BecomeAsync(i % 2 == 0 ? [.. Base, "clock read"] : Base)));
        Assert.All((await comparing).Concat(await changing), Assert.Null);
    }

    [Fact]
    public async Task Of_changes_asked_for_one_after_the_other_the_last_is_what_stays()
    {
        var kernel = new KernelSet(Base);
        var held = new HeldCapabilities(() => kernel, "a", Base);
        var changes = Enumerable.Range(0, 50).Select(i => held.BecomeAsync([.. Base, $"connect tcp service a/b {i + 1}"])).ToList();
        Assert.True(held.Is([.. Base, "connect tcp service a/b 50"]));
        Assert.All(await Task.WhenAll(changes), Assert.Null);
        Assert.Contains("connect tcp service a/b 50", await kernel.ReadCapabilitiesAsync("a", CancellationToken.None));
    }

    /// <summary>Wherever the connection is cut: what was to be revoked is, what was to be given is, and nothing else.</summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    [InlineData(3, false)]
    public async Task A_change_that_was_cut_off_is_finished_by_what_is_asked_for_next(int call, bool done)
    {
        var kernel = new KernelSet([.. Base, "clock read", "random read"]);
        foreach (var next in new Func<HeldCapabilities, Task<string?>>[] { held => held.VerifyAsync(), held => held.BecomeAsync([.. Base, "random read"]) })
        {
            var held = new HeldCapabilities(() => kernel, "a", await kernel.ReadCapabilitiesAsync("a", CancellationToken.None));
            kernel.CutAt(call, done);
            await Assert.ThrowsAsync<IOException>(() => held.BecomeAsync([.. Base, "listen tcp 80"]));
            Assert.Null(await next(held));
            Assert.True(held.Is(await kernel.ReadCapabilitiesAsync("a", CancellationToken.None)));
            Assert.Null(await held.BecomeAsync([.. Base, "clock read", "random read"]));
        }
    }

    [Fact]
    public async Task A_set_that_nobody_changed_is_told_and_not_mended()
    {
        var kernel = new KernelSet([.. Base, "clock read"]);
        Assert.NotNull(await new HeldCapabilities(() => kernel, "a", Base).VerifyAsync());
        Assert.Contains("clock read", await kernel.ReadCapabilitiesAsync("a", CancellationToken.None));
    }

    /// <summary>A kernel's set of one container, in memory.</summary>
    private sealed class KernelSet(IEnumerable<string> lines) : ICapabilitySets
    {
        private readonly SortedSet<string> _lines = new(lines, StringComparer.Ordinal);
        private int _untilCut;
        private bool _done;

        /// <summary>The connection is lost with a call.</summary>
        /// <param name="call">The how many-th from now on, from 1.</param>
        /// <param name="done">Whether it was still carried out.</param>
        public void CutAt(int call, bool done) => (_untilCut, _done) = (call, done);

        private bool IsCut() => _untilCut > 0 && --_untilCut == 0;

        public Task<IReadOnlyList<string>> ReadCapabilitiesAsync(string containerId, CancellationToken cancellationToken)
        {
            lock (_lines) return IsCut() ? throw new IOException("cut") : Task.FromResult<IReadOnlyList<string>>([.. _lines]);
        }

        public Task ChangeCapabilitiesAsync(string containerId, IReadOnlyList<string> add, IReadOnlyList<string> revoke, CancellationToken cancellationToken)
        {
            lock (_lines)
            {
                bool cut = IsCut();
                if (cut && !_done) throw new IOException("cut");
                _lines.ExceptWith(revoke);
                _lines.UnionWith(add);
                if (cut) throw new IOException("cut");
            }
            return Task.CompletedTask;
        }
    }
}
