using System.Text.Json.Nodes;
using System.Threading.Channels;
using Spectre.Console;

namespace Eyrie.Cli;

/// <summary>Follows the Deployments of a manifest until each has rolled out, by watching them and their pods; live on a terminal, a line a change elsewhere.</summary>
public static class Rollout
{
    /// <summary>How long a problem that waiting does not heal (an image that is not there) may stand before the rollout is given up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <exception cref="Failure">A Deployment does not get on; the message says why.</exception>
    public static async Task FollowAsync(Cluster cluster, IReadOnlyList<(string Namespace, string Name)> deployments)
    {
        if (deployments.Count == 0) return;
        if (AnsiConsole.Profile.Out.IsTerminal)
        {
            await AnsiConsole.Live(new Text("")).AutoClear(false).StartAsync(live => WatchAsync(cluster, deployments, lines =>
            {
                live.UpdateTarget(Table(lines));
                live.Refresh();
            }));
            return;
        }
        var said = new Dictionary<string, string>();
        await WatchAsync(cluster, deployments, lines =>
        {
            foreach (var line in lines)
            {
                var word = $"deployment/{line.Name}: {line.Updated} of {line.Wanted} updated, {line.Available} available" + (line.Problem.Length > 0 ? "; " + line.Problem : "");
                if (said.GetValueOrDefault(line.Name) != word) Console.WriteLine(said[line.Name] = word);
            }
        });
    }

    private static Table Table(IReadOnlyList<RolloutLine> lines)
    {
        var table = new Table().Border(TableBorder.None).AddColumns("[grey]DEPLOYMENT[/]", "[grey]UPDATED[/]", "[grey]AVAILABLE[/]", "");
        foreach (var line in lines)
            table.AddRow(new Markup(Markup.Escape(line.Name)), new Markup($"{line.Updated}/{line.Wanted}"), new Markup($"{line.Available}/{line.Wanted}"),
                line.Done ? new Markup("[green]rolled out[/]") : new Markup($"[yellow]{Markup.Escape(line.Problem)}[/]"));
        return table;
    }

    private static async Task WatchAsync(Cluster cluster, IReadOnlyList<(string Namespace, string Name)> wanted, Action<IReadOnlyList<RolloutLine>> show)
    {
        using var end = new CancellationTokenSource();
        var changes = Channel.CreateUnbounded<(string Kind, string Type, JsonObject Document)>();
        var sources = new[] { ("deployments", "/apis/apps/v1/deployments"), ("pods", "/api/v1/pods") }.Select(source => ReadAsync(cluster, source.Item1, source.Item2, changes.Writer, end.Token)).ToList();
        var documents = new Dictionary<(string Kind, string Namespace, string Name), JsonObject>();
        DateTimeOffset? since = null;
        try
        {
            while (true)
            {
                using var patience = new CancellationTokenSource();
                if (since is { } from) patience.CancelAfter(TimeSpan.FromMilliseconds(Math.Max(1, (from + Patience - DateTimeOffset.UtcNow).TotalMilliseconds)));
                try
                {
                    await changes.Reader.WaitToReadAsync(patience.Token);
                }
                catch (OperationCanceledException)
                {
                    // Nothing moved while a problem stood: decided below.
                }
                while (changes.Reader.TryRead(out var change))
                {
                    var key = (change.Kind, change.Document["metadata"]!["namespace"]!.ToString(), change.Document["metadata"]!["name"]!.ToString());
                    if (change.Type == "DELETED") documents.Remove(key);
                    else documents[key] = change.Document;
                }
                var pods = documents.Where(pair => pair.Key.Kind == "pods").Select(pair => pair.Value).ToList();
                var lines = wanted.Where(name => documents.ContainsKey(("deployments", name.Namespace, name.Name))).Select(name => RolloutView.Of(documents[("deployments", name.Namespace, name.Name)], pods)).ToList();
                show(lines);
                if (lines.Count == wanted.Count && lines.All(line => line.Done)) return;
                since = lines.Any(line => line.Problem.Length > 0) ? since ?? DateTimeOffset.UtcNow : null;
                if (since + Patience <= DateTimeOffset.UtcNow) throw new Failure(string.Join('\n', lines.Where(line => line.Problem.Length > 0).Select(line => $"deployment/{line.Name} does not get on: {line.Problem}")));
                if (sources.Any(source => source.IsFaulted)) await Task.WhenAll(sources.Where(source => source.IsFaulted));
            }
        }
        finally
        {
            await end.CancelAsync();
        }
    }

    /// <summary>Lists, then watches from there; when the watch ends it goes on from the last revision.</summary>
    private static async Task ReadAsync(Cluster cluster, string kind, string path, ChannelWriter<(string, string, JsonObject)> changes, CancellationToken cancellationToken)
    {
        try
        {
            var list = await cluster.CallAsync(HttpMethod.Get, path, null);
            foreach (var item in list["items"]!.AsArray()) changes.TryWrite((kind, "ADDED", item!.AsObject())); // one that is completed by a failure of the other source takes none
            var revision = list["metadata"]!["resourceVersion"]!.ToString();
            while (!cancellationToken.IsCancellationRequested)
            {
                using var response = await cluster.Http.GetAsync($"{path}?watch=true&resourceVersion={revision}", HttpCompletionOption.ResponseHeadersRead, cancellationToken);
                using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
                while (await reader.ReadLineAsync(cancellationToken) is { } line)
                {
                    var change = JsonNode.Parse(line)!.AsObject();
                    if (change["type"]!.ToString() == "ERROR") throw new Failure(change["object"]!["message"]!.ToString());
                    revision = change["object"]!["metadata"]!["resourceVersion"]!.ToString();
                    changes.TryWrite((kind, change["type"]!.ToString(), change["object"]!.AsObject()));
                }
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new Failure($"the cluster at {cluster.Url} stopped answering: {exception.Message}");
        }
        finally
        {
            changes.TryComplete();
        }
    }
}
