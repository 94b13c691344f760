using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Controllers.Autoscaling;

/// <summary>The query could not be asked, or its answer is of no use; the message says which query and why.</summary>
public sealed class QueryFailedException(string message) : Exception(message);

/// <summary>Instant queries of a Prometheus server (HTTP API v1), for custom metrics and rollout guards.</summary>
/// <param name="server">Its base address; null: the control plane was started without --prometheus.</param>
public sealed class PrometheusQueries(Uri? server, HttpClient http)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <summary>The samples of a query: labels and value each. A scalar has no labels.</summary>
    /// <exception cref="QueryFailedException"/>
    public async Task<IReadOnlyList<(JsonObject Labels, decimal Value)>> QueryAsync(string query)
    {
        if (server is null) throw new QueryFailedException($"query {query}: the control plane knows no Prometheus; start the cluster with --prometheus URL");
        try
        {
            using var ends = new CancellationTokenSource(Deadline);
            using var answer = await http.GetAsync(new Uri(server, "api/v1/query?query=" + Uri.EscapeDataString(query)), ends.Token);
            var body = await answer.Content.ReadFromJsonAsync<JsonObject>(ends.Token);
            if (body?["status"]?.ToString() != "success") throw new QueryFailedException($"query {query}: {body?["error"]?.ToString() ?? answer.StatusCode.ToString()}");
            var data = body["data"]!;
            return data["resultType"]?.ToString() == "scalar" ? [([], Number(query, data["result"]![1]))] : [.. data["result"]!.AsArray().Select(sample => (sample!["metric"] as JsonObject ?? [], Number(query, sample["value"]![1])))];
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException or System.Text.Json.JsonException)
        {
            throw new QueryFailedException($"query {query}: {server} did not answer: {exception.Message}");
        }
    }

    /// <summary>The one number of a query.</summary>
    /// <exception cref="QueryFailedException">It has none, or several.</exception>
    public async Task<decimal> OneAsync(string query) => await QueryAsync(query) is [var only] ? only.Value : throw new QueryFailedException($"query {query}: one value is needed");

    private static decimal Number(string query, JsonNode? text) => decimal.TryParse(text?.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : throw new QueryFailedException($"query {query}: \"{text}\" is no number");
}
