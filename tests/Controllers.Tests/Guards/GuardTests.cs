using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Controllers.Guards;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Guards;

/// <summary>A Deployment of ten with a guard, whose pods become as the test says at once; Deployment plan and guard in turns.</summary>
[Collection(nameof(Alone))]
public sealed class GuardTests
{
    private const string Canary = """{"steps":[{"weight":10,"pause":30},{"weight":50,"pause":"manual"}],"limits":{"unreadySeconds":20,"restarts":1,"queries":[{"name":"errors","query":"q","max":0.1}]},"bakeSeconds":60}""";

    private sealed class Rollout
    {
        public DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
        public JsonObject Deployment;
        public readonly List<JsonObject> Sets = [];
        public readonly List<Report> Reports = [];
        public GuardFacts Facts = new(0, "", new Dictionary<string, (decimal?, string)> { ["errors"] = (0.01m, "") });
        public Func<int> Restarts = () => 0;
        public bool Ready = true;
        private DateTimeOffset _began;

        public Rollout(string guard = Canary, int replicas = 10)
        {
            Deployment = ObjectStamp.New(Kinds.Deployment, Json($$$$$$"""{"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":{{{{{{replicas}}}}}},"selector":{"matchLabels":{"app":"web"}},"guard":{{{{{{guard}}}}}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":2,"maxUnavailable":1}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"web:1"}]}}}}"""), Guid.NewGuid(), Now, "");
            Put(Deployment);
            Run(20);
        }

        public JsonObject? Current => DeploymentPlan.CurrentOf(Deployment, Sets);
        public int New => Current!["spec"]!["replicas"].Int();
        public int Old => Sets.Where(set => set != Current).Sum(set => set["spec"]!["replicas"].Int());
        public string Phase => $"{Deployment["status"]?["guard"]?["phase"]} {Deployment["status"]?["guard"]?["weight"]}";
        public string Image => Deployment["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!.ToString();
        public string Condition => $"{Deployment.Condition("RolloutGuard")!.Text("status")} {Deployment.Condition("RolloutGuard")!.Text("reason")}: {Deployment.Condition("RolloutGuard")!.Text("message")}";

        public void Apply(string image)
        {
            var wanted = (JsonObject)Deployment.DeepClone();
            wanted["spec"]!["template"]!["spec"]!["containers"]![0]!["image"] = image;
            Put(ObjectStamp.Replace(Kinds.Deployment, Deployment, wanted));
            _began = Now;
        }

        public void Annotate(string value)
        {
            var wanted = (JsonObject)Deployment.DeepClone();
            wanted.Metadata()["annotations"]![GuardPlan.Annotation] = value;
            Put(wanted);
        }

        /// <summary>Rounds of both plans; the sets have what they are to have at once.</summary>
        public void Run(int rounds, int seconds = 0)
        {
            for (int i = 0; i < rounds; i++)
            {
                Now = Now.AddSeconds(seconds);
                foreach (var action in DeploymentPlan.Decide(Deployment, Sets, Now)) Do(action);
                var broken = Current is { } set && set["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!.ToString() == "web:bad" && !Ready;
                foreach (var item in Sets) Settle(item, item == Current && broken);
                var decision = GuardPlan.Decide(Deployment, Sets, Pods(broken), Facts, Now);
                if (decision.Report is { } report) Reports.Add(report);
                if (decision.Write is { } write) Put(decision.IsUndo ? ObjectStamp.Replace(Kinds.Deployment, Deployment, write) : ObjectStamp.ReplaceStatus(Deployment, write));
            }
        }

        private List<JsonObject> Pods(bool broken) => [.. Enumerable.Range(0, Current is null ? 0 : New).Select(i => Json($$$"""{"metadata":{"name":"{{{Current!.Name()}}}-{{{i}}}","creationTimestamp":"{{{ObjectStamp.Time(_began)}}}"},"status":{"containerStatuses":[{"restartCount":{{{(i == 0 ? Restarts() : 0)}}}}],"conditions":[{"type":"Ready","status":"{{{(broken ? "False" : "True")}}}"}]}}"""))];

        private void Put(JsonObject deployment) => Deployment = Json(deployment.ToJsonString()); // numbers as a reader of the store has them

        private static void Settle(JsonObject set, bool broken) => set["status"] = new JsonObject { ["replicas"] = set["spec"]!["replicas"]!.DeepClone(), ["readyReplicas"] = broken ? 0 : set["spec"]!["replicas"]!.DeepClone(), ["availableReplicas"] = broken ? 0 : set["spec"]!["replicas"]!.DeepClone(), ["observedGeneration"] = set.Metadata()["generation"]!.DeepClone() };

        private void Do(WorkloadAction action)
        {
            switch (action)
            {
                case CreateObject create: Sets.Add(Json(ObjectStamp.New(create.Kind, create.Document, Guid.NewGuid(), Now, "").ToJsonString())); Settle(Sets[^1], true); break;
                case UpdateObject update when update.Kind == Kinds.Deployment: Put(ObjectStamp.Replace(Kinds.Deployment, Deployment, update.Document)); break;
                case UpdateObject update: Sets[Sets.FindIndex(set => set.Uid() == update.Document.Uid())] = Json(ObjectStamp.Replace(update.Kind, Sets.First(set => set.Uid() == update.Document.Uid()), update.Document).ToJsonString()); break;
                case UpdateObjectStatus status: Put(ObjectStamp.ReplaceStatus(Deployment, status.Document)); break;
                case DeleteObject delete: Sets.RemoveAll(set => set.Uid() == delete.Uid); break;
            }
        }
    }

    [Fact]
    public void The_first_version_is_not_held_up()
    {
        var rollout = new Rollout();
        Assert.Equal((10, 0, "Passed 100"), (rollout.New, rollout.Old, rollout.Phase));
    }

    [Fact]
    public void A_good_version_goes_step_by_step_with_its_pauses_and_the_approval()
    {
        var rollout = new Rollout();
        rollout.Apply("web:2");
        rollout.Run(20);
        Assert.Equal((1, 9, "Paused 10"), (rollout.New, rollout.Old, rollout.Phase));
        Assert.Equal("True Watching: step 1 of 2: 1 of 10 replicas, paused for 30 s", rollout.Condition);
        rollout.Run(29, 1);
        Assert.Equal((1, 9), (rollout.New, rollout.Old));
        rollout.Run(20, 1);
        Assert.Equal((5, 5, "Paused 50"), (rollout.New, rollout.Old, rollout.Phase));
        rollout.Run(10, 600);
        Assert.Equal("True Watching: step 2 of 2: 5 of 10 replicas, waiting for approval", rollout.Condition);
        Assert.NotEqual("ProgressDeadlineExceeded", rollout.Deployment.Condition("Progressing")!.Text("reason"));
        rollout.Annotate("approve-1-" + rollout.Deployment["status"]!["guard"]!["template"]);
        rollout.Run(20);
        Assert.Equal((10, 0, "Baking 100"), (rollout.New, rollout.Old, rollout.Phase));
        rollout.Run(2, 30);
        Assert.Equal("Passed 100", rollout.Phase);
        Assert.Contains(rollout.Reports, report => report.Reason == "RolloutPassed");
    }

    private static void Undone(Rollout rollout, string reason)
    {
        rollout.Run(30);
        Assert.Equal(("web:1", 10, 0, "Undone 100"), (rollout.Image, rollout.New, rollout.Old, rollout.Phase));
        Assert.StartsWith($"False {reason}; going back to ReplicaSet web-", rollout.Condition);
        Assert.Single(rollout.Reports, report => report.Reason == "RolloutUndone" && report.Type == "Warning");
    }

    [Fact]
    public void A_version_that_is_denied_a_capability_is_undone()
    {
        var rollout = new Rollout();
        rollout.Apply("web:bad");
        rollout.Run(5);
        rollout.Facts = rollout.Facts with { Denied = 2, Denial = "pod p: container c tried to connect 10.0.0.1:443" };
        Undone(rollout, "CapabilityDenied: 2 uses without a grant, 0 at most: pod p: container c tried to connect 10.0.0.1:443");
    }

    [Fact]
    public void The_way_back_is_to_what_passed_last_and_not_to_another_canary()
    {
        var rollout = new Rollout();
        rollout.Apply("web:2");
        rollout.Run(10);
        rollout.Apply("web:bad");
        rollout.Run(10);
        rollout.Facts = rollout.Facts with { Denied = 1 };
        Undone(rollout, "CapabilityDenied: 1 use without a grant, 0 at most: ");
    }

    [Fact]
    public void A_version_that_restarts_is_undone()
    {
        var rollout = new Rollout();
        rollout.Apply("web:bad");
        rollout.Run(5);
        rollout.Restarts = () => rollout.Image == "web:bad" ? 2 : 0;
        Undone(rollout, $"Restarts: 2 restarts, 1 at most; the last of pod {rollout.Current!.Name()}-0");
    }

    [Fact]
    public void A_version_that_does_not_become_ready_is_undone_and_nobody_was_missed()
    {
        var rollout = new Rollout { Ready = false };
        rollout.Apply("web:bad");
        rollout.Run(19, 1);
        Assert.Equal((1, "Rolling 10"), (rollout.New, rollout.Phase));
        Assert.True(rollout.Old >= 9);
        rollout.Run(2, 1);
        Undone(rollout, $"Unready: pod {rollout.Sets[1].Name()}-0 has not been ready for 20 s, 20 s at most");
    }

    [Fact]
    public void A_query_over_its_limit_undoes_and_one_without_an_answer_holds()
    {
        var rollout = new Rollout();
        rollout.Apply("web:bad");
        rollout.Run(5);
        rollout.Facts = rollout.Facts with { Queries = new Dictionary<string, (decimal?, string)> { ["errors"] = (null, "no answer") } };
        rollout.Run(20, 60);
        Assert.Equal((1, "Paused 10"), (rollout.New, rollout.Phase));
        Assert.Equal("Unknown QueryFailed: query errors has no value, so the rollout stands: no answer", rollout.Condition);
        rollout.Facts = rollout.Facts with { Queries = new Dictionary<string, (decimal?, string)> { ["errors"] = (0.5m, "") } };
        Undone(rollout, "Query: errors is 0.5, 0.1 at most");
    }

    [Fact]
    public void Aborting_undoes_and_the_same_version_may_be_tried_again()
    {
        var rollout = new Rollout();
        rollout.Apply("web:2");
        rollout.Run(10);
        rollout.Annotate("abort-" + rollout.Deployment["status"]!["guard"]!["template"]);
        Undone(rollout, "Aborted: the rollout was aborted");
        rollout.Annotate("");
        rollout.Apply("web:2");
        rollout.Run(10);
        Assert.Equal((1, 9, "Paused 10"), (rollout.New, rollout.Old, rollout.Phase));
    }

    [Theory]
    [InlineData("""{"steps":[{"weight":0},{"weight":20,"pause":"soon"},{"weight":10}]}""", "steps[0].weight|steps[1].pause|steps[2].weight")]
    [InlineData("""{"limits":{"restarts":-1,"queries":[{"name":"q"}],"ready":1}}""", "limits.ready|limits.restarts|limits.queries[0].query|limits.queries[0]")]
    [InlineData("""{"step":[]}""", "step")]
    [InlineData(Canary, "")]
    public void Every_mistake_of_a_guard_is_found_with_its_place(string guard, string fields)
    {
        var errors = new List<(string Field, string Message)>();
        Assert.Equal(fields.Length == 0, GuardSpec.Read(Json(guard), errors) is not null);
        Assert.Equal(fields.Split('|', StringSplitOptions.RemoveEmptyEntries).Order(), errors.Select(error => error.Field).Order());
    }

    /// <summary>Whatever the steps, the times and the moment at which it goes wrong: never more of the new version than its step allows, never fewer than there must be, and in the end the old one or the new one whole.</summary>
    [Fact]
    public void No_history_gives_a_bad_version_more_than_its_step() => Gen.Select(Gen.Int[1, 12], Gen.Int[1, 99].Array[0, 3], Gen.Int[0, 40], Gen.Int[0, 3]).Sample((replicas, weights, breaks, kind) =>
    {
        var steps = string.Join(',', weights.Distinct().Order().Select(weight => $$"""{"weight":{{weight.ToString(CultureInfo.InvariantCulture)}},"pause":3}"""));
        var rollout = new Rollout($$"""{"steps":[{{steps}}],"limits":{"restarts":0},"bakeSeconds":5}""", replicas);
        rollout.Apply("web:bad");
        for (int second = 0; second < 120; second++)
        {
            if (second == breaks && kind == 1) rollout.Facts = rollout.Facts with { Denied = 1 };
            if (second == breaks && kind == 2) rollout.Restarts = () => rollout.Image == "web:bad" ? 1 : 0;
            rollout.Run(1, 1);
            if (rollout.Image == "web:bad" && !rollout.Phase.StartsWith("Undoing", StringComparison.Ordinal) && rollout.Current is not null && GuardPlan.Most(rollout.Deployment, replicas) is { } most) Assert.True(rollout.New <= most, $"{rollout.New} new, {most} at most");
            Assert.True(rollout.New + rollout.Old >= replicas - 1, $"{rollout.New} and {rollout.Old} of {replicas}");
        }
        Assert.Equal((replicas, 0), (rollout.New, rollout.Old));
        Assert.Contains(rollout.Phase, (string[])["Passed 100", "Undone 100"]);
        Assert.Equal(rollout.Phase == "Undone 100" ? "web:1" : "web:bad", rollout.Image);
    }, iter: 100);
}
