using System.Text.Json.Nodes;
using Spectre.Console;

namespace Eyrie.Cli;

/// <summary>A Deployment's rollout and its guard: shown live, approved, aborted.</summary>
public static class GuardedRollout
{
    private const string Annotation = "eyrie.dev/rollout";

    /// <summary>Follows until it has passed or was undone; a line a change, or one line that changes on a terminal.</summary>
    /// <exception cref="Failure">It was undone; the message says why.</exception>
    public static async Task FollowAsync(Cluster cluster, string home, string name, bool watch)
    {
        var first = await FoundAsync(cluster, home, name);
        if (!watch) { Console.WriteLine(Words(first)); return; }
        if (!AnsiConsole.Profile.Out.IsTerminal) { await WatchAsync(cluster, home, name, Console.WriteLine); return; }
        await AnsiConsole.Live(new Text("")).StartAsync(live => WatchAsync(cluster, home, name, line =>
        {
            live.UpdateTarget(new Text(line));
            live.Refresh();
        }));
    }

    /// <summary>Ends the pause of the step that a rollout is in.</summary>
    public static async Task<string> ApproveAsync(Cluster cluster, string home, string name)
    {
        var deployment = await FoundAsync(cluster, home, name);
        if (Guard(deployment) is not { } guard || guard["phase"]?.ToString() != "Paused") throw new Failure($"deployment {name} does not wait: {Words(deployment)}");
        await AnnotateAsync(cluster, home, name, $"approve-{guard["step"]}-{guard["template"]}");
        return $"deployment/{name}: step {guard["step"]!.GetValue<int>() + 1} approved";
    }

    /// <summary>Undoes a rollout that is under way.</summary>
    public static async Task<string> AbortAsync(Cluster cluster, string home, string name)
    {
        var deployment = await FoundAsync(cluster, home, name);
        if (Guard(deployment) is not { } guard || guard["phase"]?.ToString() is not ("Rolling" or "Paused" or "Baking")) throw new Failure($"deployment {name} has no guarded rollout under way: {Words(deployment)}");
        await AnnotateAsync(cluster, home, name, $"abort-{guard["template"]}");
        return $"deployment/{name}: aborted, going back";
    }

    /// <summary>What a person reads of it. Pure.</summary>
    public static string Words(JsonObject deployment)
    {
        int Number(string name) => deployment["status"]?[name]?.GetValue<int>() ?? 0;
        var counts = $"deployment/{deployment["metadata"]!["name"]}: {Number("updatedReplicas")} of {deployment["spec"]?["replicas"] ?? 1} new, {Number("availableReplicas")} available";
        var told = (deployment["status"]?["conditions"] as JsonArray)?.FirstOrDefault(condition => condition?["type"]?.ToString() == "RolloutGuard")?["message"]?.ToString();
        return Guard(deployment) is { } guard ? $"{counts}; {guard["phase"]!.ToString().ToLowerInvariant()}: {told}" : counts;
    }

    /// <summary>Whether there is nothing more to come. Pure.</summary>
    public static bool IsOver(JsonObject deployment)
    {
        int Number(string name) => deployment["status"]?[name]?.GetValue<int>() ?? 0;
        int wanted = deployment["spec"]?["replicas"]?.GetValue<int>() ?? 1;
        bool whole = deployment["status"]?["observedGeneration"]?.ToString() == deployment["metadata"]!["generation"]?.ToString() && Number("updatedReplicas") == wanted && Number("availableReplicas") == wanted && Number("replicas") == wanted;
        return whole && (deployment["spec"]?["guard"] is null || Guard(deployment)?["phase"]?.ToString() is "Passed" or "Undone");
    }

    private static JsonObject? Guard(JsonObject deployment) => deployment["status"]?["guard"] as JsonObject;

    private static string Path(string home, string name) => $"/apis/apps/v1/namespaces/{home}/deployments/{name}";

    private static async Task<JsonObject> FoundAsync(Cluster cluster, string home, string name) => await cluster.GetAsync(Path(home, name)) ?? throw new Failure($"there is no deployment {name} in namespace {home}");

    private static Task AnnotateAsync(Cluster cluster, string home, string name, string value) =>
        cluster.CallAsync(HttpMethod.Patch, Path(home, name), new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Annotation] = value } } }, "application/merge-patch+json");

    private static async Task WatchAsync(Cluster cluster, string home, string name, Action<string> show)
    {
        var said = "";
        while (true)
        {
            using var response = await cluster.Http.GetAsync($"/apis/apps/v1/namespaces/{home}/deployments?watch=true&fieldSelector=metadata.name%3D{name}", HttpCompletionOption.ResponseHeadersRead);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            while (await reader.ReadLineAsync() is { } line)
            {
                var change = JsonNode.Parse(line)!.AsObject();
                if (change["type"]!.ToString() == "ERROR") throw new Failure(change["object"]!["message"]!.ToString());
                if (change["type"]!.ToString() == "DELETED") throw new Failure($"deployment {name} was deleted");
                var deployment = change["object"]!.AsObject();
                if (Words(deployment) is var words && words != said) show(said = words);
                if (!IsOver(deployment)) continue;
                if (Guard(deployment)?["phase"]?.ToString() == "Undone") throw new Failure($"the rollout was undone: {Words(deployment)}");
                return;
            }
        }
    }
}
