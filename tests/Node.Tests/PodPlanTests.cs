using CsCheck;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class PodPlanTests
{
    private static readonly SteadyTime Now = new(TimeSpan.FromDays(3));
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private static ContainerView Init(string name) => new(name, ContainerRole.Init);
    private static ContainerView Sidecar(string name) => new(name, ContainerRole.Sidecar);
    private static ContainerView Work(string name) => new(name, ContainerRole.Main);
    private static ContainerView Running(ContainerView container) => container with { Running = true, Started = true };
    private static ContainerView Ended(ContainerView container, int code, int secondsAgo = 0, int backOff = 0) => container with { ExitCode = code, EndedAt = Now - TimeSpan.FromSeconds(secondsAgo), BackOff = TimeSpan.FromSeconds(backOff) };
    private static ContainerView Stopping(ContainerView container, ContainerStop stop) => Running(container) with { Stop = stop };

    private static PodAction Decide(string policy, params ContainerView[] containers) => PodPlan.Decide(new PodView(containers, policy, false, false, null, Grace), Now);
    private static PodAction Terminate(TimeSpan grace, SteadyTime? since, params ContainerView[] containers) => PodPlan.Decide(new PodView(containers, "Always", true, true, since, grace), Now);

    [Fact]
    public void Init_containers_run_one_after_another_and_before_all_others()
    {
        Assert.Equal(new StartContainer("a"), Decide("Always", Init("a"), Init("b"), Work("m")));
        Assert.Equal(new WaitUntil(null), Decide("Always", Running(Init("a")), Init("b"), Work("m")));
        Assert.Equal(new StartContainer("b"), Decide("Always", Ended(Init("a"), 0), Init("b"), Work("m")));
        Assert.Equal(new StartContainer("m"), Decide("Always", Ended(Init("a"), 0), Ended(Init("b"), 0), Work("m")));
        Assert.Equal(new WaitUntil(null), Decide("Always", Init("a") with { Starting = true }, Init("b"), Work("m")));
    }

    [Fact]
    public void A_failed_init_container_is_run_again_or_fails_the_pod()
    {
        Assert.Equal(new StartContainer("a"), Decide("Always", Ended(Init("a"), 1), Work("m")));
        Assert.Equal(new WaitUntil((Now + TimeSpan.FromSeconds(6))), Decide("OnFailure", Ended(Init("a"), 1, 4, 10), Work("m")));
        Assert.Equal(new Finished(), Decide("Never", Ended(Init("a"), 1), Work("m")));
    }

    [Fact]
    public void A_sidecar_is_started_in_its_turn_waited_for_and_outlives_the_work()
    {
        Assert.Equal(new WaitUntil(null), Decide("Never", Sidecar("s") with { Running = true }, Work("m")));
        Assert.Equal(new StartContainer("m"), Decide("Never", Running(Sidecar("s")), Work("m")));
        Assert.Equal(new StartContainer("s"), Decide("Never", Ended(Sidecar("s"), 1), Running(Work("m"))));
        Assert.Equal(new BeginStop("t", Grace), Decide("Never", Running(Sidecar("s")), Running(Sidecar("t")), Ended(Work("m"), 0)));
        Assert.Equal(new BeginStop("s", Grace), Decide("Never", Running(Sidecar("s")), Ended(Sidecar("t"), 143), Ended(Work("m"), 0)));
        Assert.Equal(new Finished(), Decide("Never", Ended(Sidecar("s"), 143), Ended(Work("m"), 0)));
    }

    [Fact]
    public void An_ephemeral_container_waits_for_nobody_is_run_once_and_ends_with_the_pod()
    {
        var added = new ContainerView("e", ContainerRole.Ephemeral);
        Assert.Equal(new StartContainer("e"), Decide("Always", Running(Init("a")), Work("m"), added));
        Assert.Equal(new StartContainer("m"), Decide("Always", Work("m"), added with { Starting = true }));
        Assert.Equal(new WaitUntil(null), Decide("Always", Running(Work("m")), Ended(added, 1)));
        Assert.Equal(new WaitUntil((Now + TimeSpan.FromSeconds(3))), Decide("Always", Running(Work("m")), added with { RetryAt = (Now + TimeSpan.FromSeconds(3)) }));
        Assert.Equal(new BeginStop("e", Grace), Decide("Never", Ended(Work("m"), 0), Running(added)));
        Assert.Equal(new Finished(), Decide("Never", Ended(Work("m"), 0), added));
        Assert.Equal(new BeginStop("e", Grace), Terminate(Grace, Now, Ended(Work("m"), 0), Running(added)));
    }

    [Theory]
    [InlineData("Always", 0, true)]
    [InlineData("Always", 1, true)]
    [InlineData("OnFailure", 0, false)]
    [InlineData("OnFailure", 1, true)]
    [InlineData("Never", 1, false)]
    public void The_restart_policy_says_whether_an_ended_container_runs_again(string policy, int code, bool again) =>
        Assert.Equal(again ? new StartContainer("m") : new Finished(), Decide(policy, Ended(Work("m"), code)));

    [Fact]
    public void Nothing_starts_before_its_back_off_is_over() => Assert.Equal(new WaitUntil((Now + TimeSpan.FromSeconds(15))), Decide("Always", Ended(Work("m"), 1, 5, 20)));

    [Fact]
    public void The_first_restart_is_at_once_the_next_after_10_s_doubled_up_to_5_minutes() =>
        Assert.Equal([0, 0, 10, 20, 40, 80, 160, 300, 300], Enumerable.Range(0, 9).Select(ends => (int)BackOff.AfterEnds(ends).TotalSeconds));

    [Fact]
    public void A_pod_that_is_to_end_ends_its_work_first_and_then_its_sidecars_last_first()
    {
        Assert.Equal(new BeginStop("m", Grace), Terminate(Grace, null, Running(Sidecar("s")), Running(Work("m"))));
        var asked = new ContainerStop(Now, Grace, StopPhase.TermSent, Now);
        Assert.Equal(new BeginStop("n", Grace), Terminate(Grace, Now, Running(Sidecar("s")), Stopping(Work("m"), asked), Running(Work("n"))));
        Assert.Equal(new WaitUntil(Now + Grace), Terminate(Grace, Now, Running(Sidecar("s")), Stopping(Work("m"), asked)));
        Assert.Equal(new BeginStop("s", TimeSpan.FromSeconds(20)), Terminate(Grace, (Now - TimeSpan.FromSeconds(10)), Running(Sidecar("s")), Ended(Work("m"), 0)));
        Assert.Equal(new Finished(), Terminate(Grace, Now, Ended(Sidecar("s"), 0), Ended(Work("m"), 0)));
    }

    [Fact]
    public void Nothing_is_told_to_end_while_somebody_is_still_connected() =>
        Assert.Equal(new WaitUntil(null), PodPlan.Decide(new PodView([Running(Work("m"))], "Always", true, false, null, Grace), Now));

    [Fact]
    public void Stopping_is_hook_then_term_then_kill()
    {
        var stop = new ContainerStop(Now, Grace);
        Assert.Equal(new RunStopHook("m"), Decide("Always", Stopping(Work("m"), stop) with { HasStopHook = true }));
        Assert.Equal(new SendTerm("m"), Decide("Always", Stopping(Work("m"), stop)));
        Assert.Equal(new WaitUntil(Now + Grace), Decide("Always", Stopping(Work("m"), stop with { Phase = StopPhase.Hook })));
        Assert.Equal(new SendTerm("m"), Decide("Always", Stopping(Work("m"), stop with { Phase = StopPhase.HookDone })));
        Assert.Equal(new WaitUntil(Now + Grace), Decide("Always", Stopping(Work("m"), stop with { Phase = StopPhase.TermSent, TermAt = Now })));
        Assert.Equal(new SendKill("m"), Decide("Always", Stopping(Work("m"), stop with { Asked = Now - Grace, Phase = StopPhase.TermSent, TermAt = Now - Grace })));
        Assert.Equal(new WaitUntil(null), Decide("Always", Stopping(Work("m"), stop with { Phase = StopPhase.KillSent })));
    }

    [Fact]
    public void A_signal_that_was_lost_with_the_connection_is_sent_again_after_a_while()
    {
        var again = Now + TimeSpan.FromMilliseconds(100);
        foreach (var (stop, signal) in new (ContainerStop, PodAction)[]
        {
            (new ContainerStop(Now, Grace), new SendTerm("m")), (new ContainerStop(Now, TimeSpan.Zero), new SendKill("m")), (new ContainerStop(Now - Grace, Grace, StopPhase.TermSent, Now - Grace), new SendKill("m")),
        })
        {
            Assert.Equal(new WaitUntil(again), Decide("Always", Stopping(Work("m"), stop with { Again = again })));
            Assert.Equal(signal, Decide("Always", Stopping(Work("m"), stop with { Again = Now })));
            Assert.Equal(new WaitUntil(again), Terminate(TimeSpan.Zero, null, Stopping(Work("m"), stop with { Again = again })));
            Assert.Equal(new SendKill("m"), Terminate(TimeSpan.Zero, null, Stopping(Work("m"), stop with { Again = Now })));
        }
    }

    [Fact]
    public void A_hook_that_took_all_of_the_grace_leaves_two_seconds()
    {
        var late = new ContainerStop(Now - Grace, Grace, StopPhase.Hook);
        Assert.Equal(new SendTerm("m"), Decide("Always", Stopping(Work("m"), late) with { HasStopHook = true }));
        Assert.Equal(new WaitUntil((Now + TimeSpan.FromSeconds(2))), Decide("Always", Stopping(Work("m"), late with { Phase = StopPhase.TermSent, TermAt = Now }) with { HasStopHook = true }));
    }

    [Fact]
    public void A_shorter_grace_given_later_counts_and_none_at_all_kills_at_once()
    {
        var sent = new ContainerStop((Now - TimeSpan.FromSeconds(5)), Grace, StopPhase.TermSent, (Now - TimeSpan.FromSeconds(5)));
        Assert.Equal(new SendKill("m"), Terminate(TimeSpan.FromSeconds(1), (Now - TimeSpan.FromSeconds(5)), Stopping(Work("m"), sent)));
        Assert.Equal(new SendKill("m"), Terminate(TimeSpan.Zero, null, Stopping(Work("m"), new ContainerStop(Now, TimeSpan.Zero))));
    }

    private static readonly Gen<ContainerView> AnyContainer =
        Gen.Select(Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 1], Gen.Int[0, 30], Gen.Int[0, 3]).Select((role, state, code, ago, phase) =>
        {
            var container = new ContainerView("", (ContainerRole)role);
            return state switch
            {
                0 => container,
                1 => Running(container) with { Stop = phase == 0 ? null : new ContainerStop((Now - TimeSpan.FromSeconds(ago)), Grace, (StopPhase)(phase + 1), (Now - TimeSpan.FromSeconds(ago))) },
                _ => Ended(container, code, ago, 10),
            };
        });

    /// <summary>Whatever the state, carrying out what the plan says ends with nothing running, and no container is started meanwhile.</summary>
    [Fact]
    public void A_pod_that_is_to_end_always_comes_to_its_end() => AnyContainer.Array[1, 5].Sample(made =>
    {
        var containers = made.Select((container, index) => container with { Name = $"c{index}" }).ToArray();
        var (now, since) = (Now, (SteadyTime?)null);
        for (int step = 0; step < 100; step++)
        {
            var action = PodPlan.Decide(new PodView(containers, "Always", true, true, since, Grace), now);
            if (action is Finished) return !containers.Any(container => container.Running);
            if (action is StartContainer) return false;
            void Set(string name, Func<ContainerView, ContainerView> change) => containers = [.. containers.Select(container => container.Name == name ? change(container) : container)];
            switch (action)
            {
                case BeginStop begin: since ??= now; Set(begin.Name, container => container with { Stop = new ContainerStop(now, begin.Grace) }); break;
                case SendTerm term: Set(term.Name, container => container with { Stop = container.Stop! with { Phase = StopPhase.TermSent, TermAt = now } }); break;
                case SendKill kill: Set(kill.Name, container => Ended(container with { Running = false, Stop = null }, 137)); break;
                case WaitUntil { Time: { } time }: now = time; break;
                case WaitUntil when containers.FirstOrDefault(container => container.Stop?.Phase == StopPhase.KillSent) is { } killed:
                    Set(killed.Name, container => Ended(container with { Running = false, Stop = null }, 137));
                    break;
                default: return false;
            }
        }
        return false;
    });
}
