using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Eyrie.Cli;

/// <summary>get: the server's own table, printed.</summary>
public static class Listing
{
    private static readonly Dictionary<string, (string Root, string Plural, bool Namespaced)> Kinds = new()
    {
        ["pods"] = ("/api/v1", "pods", true), ["services"] = ("/api/v1", "services", true), ["namespaces"] = ("/api/v1", "namespaces", false), ["nodes"] = ("/api/v1", "nodes", false),
        ["events"] = ("/api/v1", "events", true), ["configmaps"] = ("/api/v1", "configmaps", true), ["secrets"] = ("/api/v1", "secrets", true),
        ["deployments"] = ("/apis/apps/v1", "deployments", true), ["replicasets"] = ("/apis/apps/v1", "replicasets", true),
    };

    private static readonly Dictionary<string, string> Short = new() { ["po"] = "pods", ["svc"] = "services", ["ns"] = "namespaces", ["no"] = "nodes", ["ev"] = "events", ["cm"] = "configmaps", ["deploy"] = "deployments", ["rs"] = "replicasets" };

    public static string PathOf(string resource, string @namespace)
    {
        var name = Short.GetValueOrDefault(resource, Kinds.ContainsKey(resource + "s") ? resource + "s" : resource);
        if (!Kinds.TryGetValue(name, out var kind)) throw new Failure($"resource \"{resource}\" is not known; known are {string.Join(", ", Kinds.Keys)}");
        return kind.Namespaced ? $"{kind.Root}/namespaces/{@namespace}/{kind.Plural}" : $"{kind.Root}/{kind.Plural}";
    }

    public static async Task WriteAsync(Cluster cluster, string resource, string @namespace)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, PathOf(resource, @namespace));
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
