using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers.Guards;

/// <summary>What was found out about the new version beside its pods.</summary>
/// <param name="Denied">Uses that its pods were denied since the rollout began.</param>
/// <param name="Denial">One of them, in words.</param>
/// <param name="Queries">By name: the value, or why there is none.</param>
public sealed record GuardFacts(int Denied, string Denial, IReadOnlyDictionary<string, (decimal? Value, string Problem)> Queries)
{
    public static readonly GuardFacts None = new(0, "", new Dictionary<string, (decimal?, string)>());
}

/// <param name="Write">One write: the Deployment with another status, or (<paramref name="IsUndo"/>) with another template. null: nothing.</param>
/// <param name="Again">Time alone changes the decision then.</param>
public sealed record GuardDecision(JsonObject? Write, bool IsUndo, Report? Report, DateTimeOffset? Again)
{
    public static readonly GuardDecision Nothing = new(null, false, null, null);
}

/// <summary>
/// The guard of a rollout. <c>status.guard</c> says where it stands: <c>template</c> (hash) it is about, <c>phase</c>, <c>step</c>, <c>weight</c> (percent of the replicas that may be new),
/// <c>since</c> and <c>started</c>, and which template <c>passed</c> last. Phases: Rolling (until the step's pods are available), Paused, Baking, Passed; Undoing, Undone. Every decision is one write, so that a crash between two is
/// a decision made later. A template that the guard does not know yet starts at the first step. Pure.
/// </summary>
public static class GuardPlan
{
    public const string Annotation = "eyrie.dev/rollout", Condition = "RolloutGuard";

    /// <summary>Most replicas of the current template while a rollout is guarded; null: no bound.</summary>
    public static int? Most(JsonObject deployment, int wanted)
    {
        if (GuardSpec.Of(deployment) is not { Steps: [var first, ..] }) return null;
        var state = deployment["status"]?["guard"];
        int weight = state?["template"]?.ToString() == Hash(deployment) ? state["weight"].Int(100) : first.Weight;
        return weight >= 100 ? null : Share(wanted, weight);
    }

    public static int Share(int wanted, int weight) => wanted == 0 ? 0 : Math.Max(1, (int)(((long)wanted * weight + 99) / 100));

    /// <summary>Whether facts are needed: a rollout is being watched.</summary>
    public static bool IsWatching(JsonObject deployment) => GuardSpec.Of(deployment) is not null && deployment["status"]?["guard"] is { } state && state["template"]?.ToString() == Hash(deployment) && state["phase"]?.ToString() is "Rolling" or "Paused" or "Baking";

    /// <param name="deployment">The Deployment.</param>
    /// <param name="sets">Its ReplicaSets.</param>
    /// <param name="pods">Pods of the current set.</param>
    public static GuardDecision Decide(JsonObject deployment, IReadOnlyList<JsonObject> sets, IReadOnlyList<JsonObject> pods, GuardFacts facts, DateTimeOffset now)
    {
        if (deployment.IsDeleted() || GuardSpec.Of(deployment) is not { } guard) return GuardDecision.Nothing;
        var state = deployment["status"]?["guard"] as JsonObject;
        var hash = Hash(deployment);
        if (state?.Text("phase") == "Undoing") return Undo(deployment, sets, state, hash, now);
        var current = DeploymentPlan.CurrentOf(deployment, sets);
        if (state is null || state.Text("template") != hash) return Begin(deployment, guard, sets, current, hash, state?.Text("passed"), now);
        if (!IsWatching(deployment) || current is null || deployment["spec"]?["paused"]?.GetValue<bool>() == true) return GuardDecision.Nothing;
        if (deployment.Metadata()["annotations"]?[Annotation]?.ToString() == "abort-" + hash) return Refuse(deployment, sets, current, state, "Aborted", "the rollout was aborted", now);
        if (Crossed(guard, pods, facts, now) is { } crossed) return Refuse(deployment, sets, current, state, crossed.Reason, crossed.Message, now);
        if (guard.Queries.Select(query => (query.Name, facts.Queries.GetValueOrDefault(query.Name))).FirstOrDefault(entry => entry.Item2.Value is null) is { Name: { } name, Item2: var unknown })
            return new GuardDecision(Told(deployment, Copy(state), "Unknown", "QueryFailed", $"query {name} has no value, so the rollout stands: {unknown.Problem}", now), false, null, now.AddSeconds(1));
        return Advance(deployment, guard, current, state, hash, now) is var next && next.Again is null && Next(guard, pods, now) is { } due ? next with { Again = due } : next;
    }

    /// <summary>The first step, if there is an older version that the new one replaces; else all at once.</summary>
    private static GuardDecision Begin(JsonObject deployment, GuardSpec guard, IReadOnlyList<JsonObject> sets, JsonObject? current, string hash, string? passed, DateTimeOffset now)
    {
        if (current is null) return GuardDecision.Nothing; // its set is being made
        bool rolling = sets.Any(set => set.Uid() != current.Uid() && (set["spec"]?["replicas"].Int() > 0 || set["status"]?["replicas"].Int() > 0));
        var state = new JsonObject { ["template"] = hash, ["started"] = ObjectStamp.Time(now), ["since"] = ObjectStamp.Time(now), ["step"] = 0 };
        if ((rolling ? passed : hash) is { } good) state["passed"] = good;
        (state["phase"], state["weight"]) = rolling ? ("Rolling", guard.Steps.Count > 0 ? guard.Steps[0].Weight : 100) : ("Passed", 100);
        return new GuardDecision(Told(deployment, state, "True", rolling ? "Watching" : "NothingToCompare", rolling ? Words(guard, state, deployment) : "there is no older version", now), false, rolling ? new Report("Normal", "RolloutGuarded", $"watching ReplicaSet {current.Name()}: {Words(guard, state, deployment)}") : null, null);
    }

    private static GuardDecision Advance(JsonObject deployment, GuardSpec guard, JsonObject current, JsonObject state, string hash, DateTimeOffset now)
    {
        int wanted = deployment["spec"]!["replicas"].Int(1), step = state["step"].Int(), weight = state["weight"].Int(100), ready = current["status"]?["availableReplicas"].Int() ?? 0;
        var since = Views.Time(state.Text("since")) ?? now;
        var next = Copy(state);
        void Turn(string phase) => (next["phase"], next["since"]) = (phase, ObjectStamp.Time(now));
        DateTimeOffset? again = null;
        switch (state.Text("phase"))
        {
            case "Rolling" when step < guard.Steps.Count && ready >= Share(wanted, weight): Turn("Paused"); break;
            case "Rolling" when step >= guard.Steps.Count && Complete(deployment, wanted): Turn("Baking"); break;
            case "Paused":
                var pause = step < guard.Steps.Count ? guard.Steps[step].Pause : TimeSpan.Zero;
                if (deployment.Metadata()["annotations"]?[Annotation]?.ToString() == $"approve-{step}-{hash}" || (pause is { } length && since + length <= now))
                {
                    next["step"] = step + 1;
                    next["weight"] = step + 1 < guard.Steps.Count ? guard.Steps[step + 1].Weight : 100;
                    Turn("Rolling");
                }
                else again = pause is { } left ? since + left : null;
                break;
            case "Baking" when since + guard.Bake <= now:
                Turn("Passed");
                next["passed"] = hash;
                break;
            case "Baking": again = since + guard.Bake; break;
        }
        bool passed = next.Text("phase") == "Passed", moved = next.Text("phase") != state.Text("phase");
        var written = Told(deployment, next, "True", passed ? "Passed" : "Watching", passed ? "the new version kept within its limits" : Words(guard, next, deployment), now);
        return new GuardDecision(written, false, moved ? new Report("Normal", passed ? "RolloutPassed" : "RolloutGuarded", passed ? $"ReplicaSet {current.Name()} kept within its limits" : $"ReplicaSet {current.Name()}: {Words(guard, next, deployment)}") : null, again);
    }

    private static bool Complete(JsonObject deployment, int wanted) => deployment["status"] is JsonObject status && status["observedGeneration"]?.ToString() == deployment.Metadata()["generation"]?.ToString()
        && status["updatedReplicas"].Int() == wanted && status["replicas"].Int() == wanted && status["availableReplicas"].Int() == wanted;

    private static (string Reason, string Message)? Crossed(GuardSpec guard, IReadOnlyList<JsonObject> pods, GuardFacts facts, DateTimeOffset now)
    {
        if (facts.Denied > guard.Denied) return ("CapabilityDenied", $"{Count(facts.Denied, "use")} without a grant, {guard.Denied} at most: {facts.Denial}");
        int restarts = pods.Sum(Restarts);
        if (restarts > guard.Restarts) return ("Restarts", $"{Count(restarts, "restart")}, {guard.Restarts} at most; the last of pod {pods.MaxBy(Restarts)!.Name()}");
        if (guard.Unready is { } patience && pods.Where(pod => UnreadySince(pod) is { } since && since + patience <= now).MinBy(UnreadySince) is { } unready)
            return ("Unready", $"pod {unready.Name()} has not been ready for {(int)(now - UnreadySince(unready)!.Value).TotalSeconds} s, {(int)patience.TotalSeconds} s at most{Waiting(unready)}");
        foreach (var query in guard.Queries)
            if (facts.Queries.GetValueOrDefault(query.Name).Value is { } value && !query.Holds(value))
                return ("Query", string.Create(CultureInfo.InvariantCulture, $"{query.Name} is {value}, {(value > query.Max ? $"{query.Max} at most" : $"{query.Min} at least")}"));
        return null;
    }

    private static DateTimeOffset? Next(GuardSpec guard, IReadOnlyList<JsonObject> pods, DateTimeOffset now) =>
        guard.Unready is { } patience ? pods.Select(pod => UnreadySince(pod) + patience).Where(due => due > now).Min() : null;

    private static int Restarts(JsonObject pod) => (pod["status"]?["containerStatuses"] as JsonArray ?? []).Sum(status => status?["restartCount"].Int() ?? 0);

    private static DateTimeOffset? UnreadySince(JsonObject pod) => pod.IsReady() || pod.IsDeleted() ? null : Views.Time(pod.Condition("Ready")?.Text("lastTransitionTime")) ?? Views.Time(pod.Metadata().Text("creationTimestamp"));

    private static string Waiting(JsonObject pod) => (pod["status"]?["containerStatuses"] as JsonArray ?? []).Select(status => status?["state"]?["waiting"]).FirstOrDefault(waiting => waiting is not null) is { } found ? $" ({found["reason"]}: {found["message"]})" : "";

    /// <summary>The decision to go back: from here on the template is refused.</summary>
    private static GuardDecision Refuse(JsonObject deployment, IReadOnlyList<JsonObject> sets, JsonObject current, JsonObject state, string reason, string message, DateTimeOffset now)
    {
        if (Before(sets, current, state.Text("passed")) is not { } before) return new GuardDecision(Told(deployment, Copy(state), "False", reason, message + "; there is no older version to go back to", now), false, null, null);
        var next = Copy(state);
        (next["phase"], next["since"], next["refused"], next["weight"]) = ("Undoing", ObjectStamp.Time(now), state.Text("template"), 100);
        next["template"] = DeploymentPlan.Hash(TemplateOf(before));
        return new GuardDecision(Told(deployment, next, "False", reason, message + $"; going back to ReplicaSet {before.Name()}", now), false, new Report("Warning", "RolloutUndone", $"{message}; going back from ReplicaSet {current.Name()} to {before.Name()}"), null);
    }

    /// <summary>Writes the older template, as often as it takes; when it is there the undo is done.</summary>
    private static GuardDecision Undo(JsonObject deployment, IReadOnlyList<JsonObject> sets, JsonObject state, string hash, DateTimeOffset now)
    {
        if (hash == state.Text("refused") && sets.FirstOrDefault(set => DeploymentPlan.Hash(TemplateOf(set)) == state.Text("template")) is { } before)
        {
            var written = (JsonObject)deployment.DeepClone();
            written["spec"]!["template"] = TemplateOf(before);
            return new GuardDecision(written, true, null, null);
        }
        var next = Copy(state);
        (next["phase"], next["since"]) = ("Undone", ObjectStamp.Time(now));
        var condition = deployment.Condition(Condition);
        return new GuardDecision(Told(deployment, next, "False", condition?.Text("reason") ?? "Undone", condition?.Text("message") ?? "", now), false, null, null);
    }

    /// <summary>The version that passed last; or else the one most pods are of, the newest among equals.</summary>
    private static JsonObject? Before(IReadOnlyList<JsonObject> sets, JsonObject current, string? passed) => sets.Where(set => set.Uid() != current.Uid() && !set.IsDeleted())
        .OrderByDescending(set => DeploymentPlan.Hash(TemplateOf(set)) == passed).ThenByDescending(set => set["spec"]?["replicas"].Int()).ThenByDescending(DeploymentPlan.Revision).FirstOrDefault();

    private static JsonObject TemplateOf(JsonObject set)
    {
        var template = (JsonObject)set["spec"]!["template"]!.DeepClone();
        (template["metadata"]?["labels"] as JsonObject)?.Remove(DeploymentPlan.HashLabel);
        KeptPermissions.Restore(template);
        return template;
    }

    private static string Words(GuardSpec guard, JsonObject state, JsonObject deployment)
    {
        int step = state["step"].Int(), wanted = deployment["spec"]!["replicas"].Int(1);
        if (state.Text("phase") == "Baking") return $"all replicas are new; watched for another {(int)guard.Bake.TotalSeconds} s";
        if (step >= guard.Steps.Count) return "all replicas are being replaced";
        var pause = guard.Steps[step].Pause;
        return $"step {step + 1} of {guard.Steps.Count}: {Share(wanted, guard.Steps[step].Weight)} of {wanted} replicas{(state.Text("phase") != "Paused" ? "" : pause is { } length ? $", paused for {(int)length.TotalSeconds} s" : ", waiting for approval")}";
    }

    private static string Hash(JsonObject deployment) => DeploymentPlan.Hash(deployment["spec"]!["template"]!);

    private static string Count(int number, string word) => string.Create(CultureInfo.InvariantCulture, $"{number} {word}{(number == 1 ? "" : "s")}");

    private static JsonObject Copy(JsonObject state) => (JsonObject)state.DeepClone();

    /// <summary>The Deployment with that state and condition; null: it has them.</summary>
    private static JsonObject? Told(JsonObject deployment, JsonObject state, string word, string reason, string message, DateTimeOffset now)
    {
        var before = deployment.Condition(Condition);
        if (JsonNode.DeepEquals(state, deployment["status"]?["guard"]) && before?.Text("status") == word && before.Text("reason") == reason && before.Text("message") == message) return null;
        var written = (JsonObject)deployment.DeepClone();
        if (written["status"] is not JsonObject status) written["status"] = status = [];
        status["guard"] = state;
        var time = ObjectStamp.Time(now);
        var condition = new JsonObject { ["type"] = Condition, ["status"] = word, ["reason"] = reason, ["message"] = message, ["lastTransitionTime"] = before?.Text("status") == word ? before.Text("lastTransitionTime") : time, ["lastUpdateTime"] = time };
        status["conditions"] = new JsonArray([.. (status["conditions"] as JsonArray ?? []).OfType<JsonObject>().Where(other => other.Text("type") != Condition).Select(other => other.DeepClone()), condition]);
        return written;
    }
}
