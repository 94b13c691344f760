using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Probes;
using Eyrie.Node.Tokens;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>A host whose time of day is set while its monotonic clock goes on.</summary>
internal sealed class JumpingTime : TimeProvider
{
    private readonly FakeTimeProvider _steady = new();
    private TimeSpan _ahead;
    private long _due;

    /// <summary>How far off the timer was that was made last.</summary>
    public TimeSpan Due => new(Volatile.Read(ref _due));

    public void Jump(TimeSpan by) => _ahead += by;
    public void Advance(TimeSpan by) => _steady.Advance(by);

    public override DateTimeOffset GetUtcNow() => _steady.GetUtcNow().AddYears(10) + _ahead;
    public override long GetTimestamp() => _steady.GetTimestamp();
    public override long TimestampFrequency => _steady.TimestampFrequency;
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = _steady.CreateTimer(callback, state, dueTime, period);
        Volatile.Write(ref _due, dueTime.Ticks);
        return timer;
    }
}

public sealed class ClockTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    public static TheoryData<int> Jumps => [3600, -3600, 5, -5, 86400 * 365, -86400 * 365];

    [Theory]
    [MemberData(nameof(Jumps))]
    public async Task A_probe_is_asked_at_its_period_however_the_clock_is_set(int seconds)
    {
        var time = new JumpingTime();
        using var stop = new CancellationTokenSource();
        var asked = new SemaphoreSlim(0);
        int count = 0;
        var runner = new ProbeRunner(ProbeKind.Liveness, new ProbeTiming(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(10), Second, 1, 3), true, false, time, _ =>
        {
            Interlocked.Increment(ref count);
            asked.Release();
            return Task.FromResult(new ProbeOutcome(true, ""));
        });
        var running = runner.RunAsync((_, _) => { }, stop.Token);
        // A timer that is made while the clock is set is late by what it was set. The time limit of an ask is a second.
        async Task RestsAsync()
        {
            for (long begun = System.Diagnostics.Stopwatch.GetTimestamp(); time.Due <= TimeSpan.FromSeconds(2); await Task.Delay(1))
                Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(20), "the next ask is not waited for");
        }
        time.Jump(TimeSpan.FromSeconds(seconds));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(await asked.WaitAsync(TimeSpan.FromSeconds(10)), "the first ask, after the initial delay");
        await RestsAsync();
        for (int period = 1; period <= 5; period++)
        {
            time.Jump(TimeSpan.FromSeconds(seconds));
            for (int second = 0; second < 9; second++) time.Advance(Second);
            Assert.Equal(period, Volatile.Read(ref count)); // never early
            time.Advance(Second);
            Assert.True(await asked.WaitAsync(TimeSpan.FromSeconds(10)), $"ask {period + 1}, in its time");
            await RestsAsync();
        }
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    private static PodState Pod(TimeProvider time)
    {
        const string Json = """{"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"a","image":"i:1"}]}}""";
        return new PodState(new DesiredPod { Uid = "0123456789abcdef", PodJson = Json }, ImageStoreTests.Options("/nowhere"), () => throw new InvalidOperationException("nothing is started here"), new PodAddress("127.64.16.1", "127.80.16.1"), new TokenRequests(ImageStoreTests.Options("/nowhere"), new HttpClient()), time, _ => { });
    }

    private static PodAction Decide(PodState pod) => PodPlan.Decide(new PodView([pod.Records[0].View(false)], "Always", false, false, null, TimeSpan.FromSeconds(30)), pod.Now);

    /// <summary>Starts and ends the container, and says what comes next.</summary>
    private static void RunOnce(PodState pod, JumpingTime time, TimeSpan lasting, TimeSpan jump)
    {
        var record = pod.Records[0];
        (record.Running, record.RunningSince, record.StartedAt, record.Runs) = (true, pod.Now, time.GetUtcNow(), record.Runs + 1);
        time.Advance(lasting);
        time.Jump(jump);
        new PodEnds(pod, new PodUses(pod, new DenialLog("/nowhere"))).Ended(record, new ContainerExited(record.Id, 1, false));
    }

    [Theory]
    [MemberData(nameof(Jumps))]
    public void No_back_off_is_skipped_or_drawn_out_however_the_clock_is_set(int seconds)
    {
        var (time, jump) = (new JumpingTime(), TimeSpan.FromSeconds(seconds));
        var pod = Pod(time);
        RunOnce(pod, time, Second, jump);
        Assert.Equal(new StartContainer("a"), Decide(pod)); // the first time at once
        RunOnce(pod, time, Second, jump); // a run that a jump makes look long, or negative, is forgiven nothing
        time.Jump(jump);
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.IsType<WaitUntil>(Decide(pod));
        time.Advance(Second);
        Assert.Equal(new StartContainer("a"), Decide(pod));
        RunOnce(pod, time, BackOff.Forgiven, jump); // long by itself
        Assert.Equal(new StartContainer("a"), Decide(pod));
    }

    [Theory]
    [InlineData(3600, "ahead by 60m0s")]
    [InlineData(-3600, "back by 60m0s")]
    [InlineData(3, "ahead by 3s")]
    [InlineData(-3, "back by 3s")]
    public void A_jump_is_a_condition_that_says_where_to_and_goes_away(int seconds, string expected)
    {
        var time = new JumpingTime();
        var told = new List<string?>();
        var watch = new ClockWatch(time, told.Add);
        void Pass(TimeSpan span)
        {
            for (var passed = TimeSpan.Zero; passed < span; passed += ClockWatch.Period) { time.Advance(ClockWatch.Period); watch.Look(); }
        }
        Pass(TimeSpan.FromMinutes(1));
        Assert.Empty(told);
        time.Jump(TimeSpan.FromSeconds(seconds));
        Pass(ClockWatch.Held);
        Assert.Contains(expected, Assert.Single(told), StringComparison.Ordinal);
        Pass(ClockWatch.Period);
        Assert.Null(told[^1]);
        Pass(TimeSpan.FromMinutes(10));
        Assert.Equal(2, told.Count);
    }

    [Fact]
    public void What_a_time_service_does_in_small_steps_is_no_jump()
    {
        var time = new JumpingTime();
        var watch = new ClockWatch(time, message => Assert.Fail(message));
        for (int i = 0; i < 1000; i++)
        {
            time.Advance(ClockWatch.Period);
            time.Jump(TimeSpan.FromMilliseconds(i % 3 == 0 ? 900 : -400));
            watch.Look();
        }
    }

    [Fact]
    public void A_steady_clock_starts_at_the_time_of_day_and_follows_no_jump()
    {
        var time = new JumpingTime();
        var steady = new SteadyClock(time);
        var begun = time.GetUtcNow();
        time.Jump(TimeSpan.FromHours(-5));
        time.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal(begun + TimeSpan.FromSeconds(7), steady.GetUtcNow());
    }

    [Fact]
    public void After_another_start_of_the_host_what_was_waited_for_is_waited_for_from_now_on()
    {
        var (before, now) = (new SteadyTime(TimeSpan.FromDays(90)), new SteadyTime(TimeSpan.FromSeconds(30)));
        var saved = new ContainerRecord("a", "i:1", ContainerRole.Main) { EndedAt = before, RetryAt = before, Stop = new ContainerStop(before, Second) }.Save();
        var pod = new SavedPod(new PodAddress("127.64.16.1", "127.80.16.1"), DateTimeOffset.UnixEpoch, "a", before, before, null, [saved], new JsonObject());
        Assert.Same(pod, pod.At("a", now));
        var moved = pod.At("b", now);
        Assert.Equal((now, null, "b"), (moved.Began, moved.TerminatingSince, moved.Boot));
        Assert.Equal((now, now, null), (moved.Containers[0].EndedAt, moved.Containers[0].RetryAt, moved.Containers[0].Stop));
    }
}
