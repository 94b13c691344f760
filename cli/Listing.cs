using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Eyrie.Cli;

/// <summary>get: the server's own table, printed.</summary>
public static class Listing
{
    public static async Task WriteAsync(Cluster cluster, string resource, string @namespace)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, (await Resources.DiscoverAsync(cluster)).Named(resource).Collection(@namespace));
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse("application/json;as=Table;v=v1;g=meta.k8s.io"));
        using var response = await cluster.Http.SendAsync(request);
        var table = JsonNode.Parse(await response.Content.ReadAsStringAsync())!.AsObject();
        if (!response.IsSuccessStatusCode) throw new Failure(table["message"]?.ToString() ?? "the list could not be read");
        var columns = table["columnDefinitions"]!.AsArray().Select((column, index) => (column, index)).Where(pair => pair.column!["priority"]!.GetValue<int>() == 0).ToList();
        var shown = new Table().Border(TableBorder.None);
        foreach (var (column, _) in columns) shown.AddColumn(new TableColumn(Markup.Escape(column!["name"]!.ToString().ToUpperInvariant())).NoWrap());
        foreach (var row in table["rows"]!.AsArray()) shown.AddRow([.. columns.Select(pair => Markup.Escape(row!["cells"]![pair.index]?.ToString() ?? ""))]);
        AnsiConsole.Write(shown);
    }
}
