using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.Node.Probes;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class ProbeStateTests
{
    private static ProbeTiming Timing(int success, int failure) => new(TimeSpan.Zero, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1), success, failure);

    private static ProbeState Run(ProbeKind kind, ProbeTiming timing, string answers) => answers.Aggregate(ProbeState.First(kind), (state, answer) => state.After(answer == '+', timing));

    [Theory]
    [InlineData(ProbeKind.Liveness, "", true)]
    [InlineData(ProbeKind.Liveness, "--", true)]
    [InlineData(ProbeKind.Liveness, "--+--", true)]
    [InlineData(ProbeKind.Liveness, "+---", false)]
    [InlineData(ProbeKind.Readiness, "", false)]
    [InlineData(ProbeKind.Readiness, "+", false)]
    [InlineData(ProbeKind.Readiness, "+-+", false)]
    [InlineData(ProbeKind.Readiness, "++", true)]
    [InlineData(ProbeKind.Readiness, "++--", true)]
    [InlineData(ProbeKind.Readiness, "++---", false)]
    [InlineData(ProbeKind.Readiness, "++---+", false)]
    [InlineData(ProbeKind.Readiness, "++---++", true)]
    [InlineData(ProbeKind.Startup, "--", null)]
    [InlineData(ProbeKind.Startup, "---", false)]
    [InlineData(ProbeKind.Startup, "--++", true)]
    public void The_verdict_turns_at_the_threshold_and_not_before(ProbeKind kind, string answers, bool? holds) => Assert.Equal(holds, Run(kind, Timing(2, 3), answers).Holds);

    [Theory]
    [InlineData(ProbeKind.Liveness, "---", true, true)]
    [InlineData(ProbeKind.Startup, "---", true, true)]
    [InlineData(ProbeKind.Startup, "+", false, true)]
    [InlineData(ProbeKind.Readiness, "---", false, false)]
    [InlineData(ProbeKind.Liveness, "+", false, false)]
    public void Only_liveness_and_startup_end_a_container(ProbeKind kind, string answers, bool fatal, bool over)
    {
        var state = Run(kind, Timing(1, 3), answers);
        Assert.Equal((fatal, over), (state.Fatal(kind), state.Over(kind)));
    }

    [Fact]
    public void The_verdict_is_that_of_the_last_row_that_was_long_enough() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 4], Gen.Bool.Array[0, 30]).Sample((success, failure, answers) =>
        {
            bool? expected = false;
            for (int i = 0, row = 0; i < answers.Length; i++)
            {
                row = i > 0 && answers[i] == answers[i - 1] ? row + 1 : 1;
                if (row >= (answers[i] ? success : failure)) expected = answers[i];
            }
            return answers.Aggregate(ProbeState.First(ProbeKind.Readiness), (state, answer) => state.After(answer, Timing(success, failure))).Holds == expected;
        });

    [Fact]
    public void What_is_not_said_has_the_defaults_of_Kubernetes() =>
        Assert.Equal(new ProbeTiming(TimeSpan.Zero, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1), 1, 3), ProbeTiming.From(new JsonObject { ["initialDelaySeconds"] = 0, ["periodSeconds"] = 0 }));

    [Fact]
    public async Task Early_asks_count_only_as_successes()
    {
        using var stop = new CancellationTokenSource();
        int asked = 0;
        var told = new List<bool>();
        var runner = new ProbeRunner(ProbeKind.Startup, new ProbeTiming(TimeSpan.Zero, TimeSpan.FromHours(1), TimeSpan.FromSeconds(1), 1, 2), true, false, TimeProvider.System, _ => Task.FromResult(new ProbeOutcome(++asked == 5, "not yet")));
        await runner.RunAsync((state, outcome) => told.Add(outcome.Success), stop.Token).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(5, asked);
        Assert.Equal([false, true], told);
    }

    [Fact]
    public async Task An_ask_without_an_answer_is_a_failure_when_its_time_is_over()
    {
        string? message = null;
        using var stop = new CancellationTokenSource();
        var runner = new ProbeRunner(ProbeKind.Liveness, new ProbeTiming(TimeSpan.Zero, TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(50), 1, 1), true, false, TimeProvider.System, async token =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return default;
        });
        await runner.RunAsync((_, outcome) => message = outcome.Message, stop.Token).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains("context deadline exceeded", message, StringComparison.Ordinal);
    }
}
