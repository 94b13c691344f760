using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>Follows the Deployments of a manifest until each has rolled out.</summary>
public static class Rollout
{
    public static async Task FollowAsync(Cluster cluster, IReadOnlyList<string> applied, Action<string> progress)
    {
        var names = applied.Where(line => line.StartsWith("deployment/", StringComparison.Ordinal)).Select(line => line.Split(' ')[0]["deployment/".Length..]).ToHashSet();
        if (names.Count == 0) return;
        var list = (await cluster.GetAsync("/apis/apps/v1/deployments"))!;
        var said = new Dictionary<string, string>();
        void Look(JsonObject deployment)
        {
            var name = deployment["metadata"]!["name"]!.ToString();
            if (!names.Contains(name)) return;
            int wanted = deployment["spec"]?["replicas"]?.GetValue<int>() ?? 1, updated = Number(deployment, "updatedReplicas"), available = Number(deployment, "availableReplicas"), total = Number(deployment, "replicas");
            bool observed = deployment["status"]?["observedGeneration"]?.ToString() == deployment["metadata"]!["generation"]?.ToString();
            var word = $"deployment/{name}: {updated} of {wanted} updated, {available} available";
            if (said.GetValueOrDefault(name) != word) progress(said[name] = word);
            if (observed && updated == wanted && available == wanted && total == wanted) names.Remove(name);
            var failed = (deployment["status"]?["conditions"] as JsonArray)?.FirstOrDefault(condition => condition?["reason"]?.ToString() == "ProgressDeadlineExceeded");
            if (failed is not null) throw new Failure($"deployment/{name}: {failed["message"]}");
        }
        foreach (var deployment in list["items"]!.AsArray()) Look(deployment!.AsObject());
        if (names.Count == 0) return;
        using var response = await cluster.Http.GetAsync($"/apis/apps/v1/deployments?watch=true&resourceVersion={list["metadata"]!["resourceVersion"]}", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (names.Count > 0 && await reader.ReadLineAsync() is { } line) Look(JsonNode.Parse(line)!["object"]!.AsObject());
    }

    private static int Number(JsonObject deployment, string name) => deployment["status"]?[name]?.GetValue<int>() ?? 0;
}
