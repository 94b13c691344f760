using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Workloads;

[Collection(nameof(Alone))]
public sealed class DisruptionTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static JsonObject Budget(string spec, string status = "{}") => Json("{\"metadata\":{\"name\":\"b\",\"namespace\":\"default\",\"uid\":\"b\",\"generation\":1},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"a\"}}," + spec + "},\"status\":" + status + "}");

    private static JsonObject Set(int replicas, string owner = "") => Json("{\"metadata\":{\"name\":\"set\",\"namespace\":\"default\",\"uid\":\"set\"" + (owner.Length == 0 ? "" : ",\"ownerReferences\":[{\"controller\":true,\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"top\",\"uid\":\"" + owner + "\"}]") + "},\"spec\":{\"replicas\":" + replicas.ToString(CultureInfo.InvariantCulture) + "}}");

    private static JsonObject Owned(string name, bool ready = true, bool deleted = false, string kind = "ReplicaSet")
    {
        var pod = Pod(name, "a", "127.0.0.1", ready, deleted);
        pod.Metadata()["ownerReferences"] = new JsonArray(new JsonObject { ["controller"] = true, ["apiVersion"] = "apps/v1", ["kind"] = kind, ["name"] = "set", ["uid"] = "set" });
        return pod;
    }

    private static JsonObject Status(JsonObject budget, IEnumerable<JsonObject> pods, params (ResourceKind Kind, JsonObject Document)[] owners) =>
        DisruptionBudgetPlan.Decide(budget, pods, (kind, name) => owners.FirstOrDefault(owner => owner.Kind == kind && ObjectStamp.NameOf(owner.Document) == name).Document, Now).OfType<UpdateObjectStatus>().Single().Document["status"]!.AsObject();

    private static string Counts(JsonObject status) => $"{status["currentHealthy"]}/{status["desiredHealthy"]} of {status["expectedPods"]}, {status["disruptionsAllowed"]} may go";

    [Theory]
    [InlineData("\"minAvailable\":2", "3/2 of 3, 1 may go")]
    [InlineData("\"minAvailable\":\"50%\"", "3/2 of 4, 1 may go")]
    [InlineData("\"minAvailable\":\"100%\"", "3/4 of 4, 0 may go")]
    [InlineData("\"maxUnavailable\":1", "3/3 of 4, 0 may go")]
    [InlineData("\"maxUnavailable\":2", "3/2 of 4, 1 may go")]
    [InlineData("\"maxUnavailable\":\"30%\"", "3/2 of 4, 1 may go")]
    [InlineData("\"maxUnavailable\":\"100%\"", "3/0 of 4, 3 may go")]
    public void A_budget_counts_what_is_healthy_against_what_its_controllers_want(string spec, string counts) =>
        Assert.Equal(counts, Counts(Status(Budget(spec), [Owned("p1"), Owned("p2"), Owned("p3")], (Kinds.ReplicaSet, Set(4)))));

    [Fact]
    public void A_deployment_says_how_many_there_are_to_be_whatever_its_set_has() =>
        Assert.Equal("1/9 of 10, 0 may go", Counts(Status(Budget("\"maxUnavailable\":1"), [Owned("p1")], (Kinds.ReplicaSet, Set(1, "top")), (Kinds.Deployment, Json("{\"metadata\":{\"name\":\"top\",\"namespace\":\"default\",\"uid\":\"top\"},\"spec\":{\"replicas\":10}}")))));

    [Fact]
    public void A_pod_that_is_unready_going_or_evicted_does_not_count_and_an_eviction_that_never_came_counts_again_after_two_minutes()
    {
        JsonObject[] pods = [Owned("p1"), Owned("p2", ready: false), Owned("p3", deleted: true), Owned("p4"), Owned("p5")];
        var budget = Budget("\"minAvailable\":1", "{\"disruptedPods\":{\"p4\":\"2026-01-01T11:59:00Z\",\"p5\":\"2026-01-01T11:57:59Z\",\"gone\":\"2026-01-01T11:59:59Z\"}}");
        var actions = DisruptionBudgetPlan.Decide(budget, pods, (_, _) => null, Now);
        var status = actions.OfType<UpdateObjectStatus>().Single().Document["status"]!.AsObject();
        Assert.Equal("2/1 of 5, 1 may go", Counts(status));
        Assert.Equal(["p4"], status["disruptedPods"]!.AsObject().Select(pair => pair.Key));
        Assert.Contains(new Report("Warning", "NotDeleted", "Pod p5 was expected by PDB default/b to be deleted but it wasn't"), actions);
        Assert.Contains(new LookAgain(Now.AddMinutes(1)), actions);
    }

    [Fact]
    public void What_cannot_be_counted_allows_nothing_and_says_why()
    {
        var status = Status(Budget("\"maxUnavailable\":1"), [Owned("p1", kind: "Job")]);
        Assert.Equal("0", status["disruptionsAllowed"]!.ToString());
        Assert.Equal("SyncFailed found no controllers for pod \"p1\"", $"{status["conditions"]![0]!["reason"]} {status["conditions"]![0]!["message"]}");
    }

    private static string Words(EvictionDecision decision) => decision switch
    {
        Evict => "goes", EvictAndSpend spend => $"goes, {spend.Budget["status"]!["disruptionsAllowed"]} left", RefuseEviction refused => string.Create(CultureInfo.InvariantCulture, $"{refused.Code} {refused.Cause ?? refused.Message}"), _ => "",
    };

    private const string Seen = "\"observedGeneration\":1,\"expectedPods\":3";

    [Theory]
    [InlineData("True", "", "{\"disruptionsAllowed\":1," + Seen + "}", "goes, 0 left")]
    [InlineData("True", "", "{\"disruptionsAllowed\":0,\"desiredHealthy\":2,\"currentHealthy\":2," + Seen + "}", "429 The disruption budget b needs 2 healthy pods and has 2 currently")]
    [InlineData("True", "", "{\"disruptionsAllowed\":0,\"desiredHealthy\":1,\"currentHealthy\":2," + Seen + "}", "429 The disruption budget b does not allow evicting pods currently")]
    [InlineData("True", "", "{\"disruptionsAllowed\":5,\"observedGeneration\":0}", "429 The disruption budget b is still being processed by the server.")]
    [InlineData("False", "", "{\"disruptionsAllowed\":0,\"desiredHealthy\":2,\"currentHealthy\":2," + Seen + "}", "goes")]
    [InlineData("False", "", "{\"disruptionsAllowed\":0,\"desiredHealthy\":2,\"currentHealthy\":1," + Seen + "}", "429 The disruption budget b needs 2 healthy pods and has 1 currently")]
    [InlineData("False", ",\"unhealthyPodEvictionPolicy\":\"AlwaysAllow\"", "{\"disruptionsAllowed\":0,\"desiredHealthy\":2,\"currentHealthy\":1," + Seen + "}", "goes")]
    [InlineData("True", "", "{\"disruptionsAllowed\":0," + Seen + ",\"conditions\":[{\"type\":\"DisruptionAllowed\",\"status\":\"False\",\"reason\":\"SyncFailed\",\"message\":\"no\"}]}", "429 The disruption budget b does not allow evicting pods currently because it failed sync: no")]
    public void An_eviction_is_granted_or_refused_in_the_words_of_Kubernetes(string ready, string policy, string status, string expected) =>
        Assert.Equal(expected, Words(EvictionRule.Decide(Owned("p1", ready == "True"), [Budget("\"minAvailable\":2" + policy, status)], Now)));

    [Fact]
    public void A_pod_that_does_not_run_may_always_go_and_one_under_two_budgets_never()
    {
        var none = Budget("\"minAvailable\":2", "{\"disruptionsAllowed\":0," + Seen + "}");
        var waiting = Owned("p1");
        waiting["status"]!["phase"] = "Pending";
        Assert.Equal("goes", Words(EvictionRule.Decide(waiting, [none], Now)));
        Assert.Equal("500 This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.", Words(EvictionRule.Decide(Owned("p1"), [none, none], Now)));
    }

    /// <summary>Evictions one after the other, with the controller in between whenever it likes.</summary>
    [Fact]
    public void However_evictions_and_the_controller_interleave_never_fewer_stay_than_the_budget_says() =>
        Gen.Select(Gen.Int[1, 12], Gen.Int[0, 12], Gen.Bool.Array[0, 40]).Sample((count, least, steps) =>
        {
            var pods = Enumerable.Range(0, count).Select(number => Owned($"p{number}")).ToList();
            var budget = Budget(string.Create(CultureInfo.InvariantCulture, $"\"minAvailable\":{least}"));
            int next = 0;
            foreach (bool evicts in steps)
            {
                if (!evicts) budget = DisruptionBudgetPlan.Decide(budget, pods, (_, _) => null, Now).OfType<UpdateObjectStatus>().SingleOrDefault()?.Document ?? budget;
                else if (next < pods.Count && EvictionRule.Decide(pods[next], [budget], Now) is EvictAndSpend spend)
                {
                    budget = spend.Budget;
                    next++; // allowed; the deletion itself is seen later or never
                }
            }
            Assert.True(next == 0 || count - next >= least, $"{next} of {count} went, {least} must stay");
        });
}
