using System.Text;
using Eyrie.Microkernel.Client;
using Prometheus;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class PeerMetricsTests
{
    private const string Hello = "connect tcp service default/hello 80", Series = "eyrie_container_connections_total{namespace=\"n\",pod=\"p\",container=\"a\",peer=\"tcp service default/hello 80\",outcome=\"made\"} ";
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly PeerMetrics _metrics;

    public PeerMetricsTests() => _metrics = new PeerMetrics(Prometheus.Metrics.WithCustomRegistry(_registry));

    private static RunningContainer Container(string id) => new("u", "n", "p", "a", id, default);

    private async Task<string> ShownAsync()
    {
        using var text = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(text);
        return Encoding.UTF8.GetString(text.ToArray());
    }

    [Fact]
    public async Task Counts_grow_with_the_containers_and_begin_again_with_it_or_with_the_server()
    {
        _metrics.Show(Container("c1"), [new PeerCounts(Hello, 3, 1), new PeerCounts("other", 7, 0)]);
        _metrics.Show(Container("c1"), [new PeerCounts(Hello, 5, 1), new PeerCounts("other", 7, 0)]);
        var shown = await ShownAsync();
        Assert.Contains(Series + "5\n", shown, StringComparison.Ordinal);
        Assert.Contains("peer=\"tcp service default/hello 80\",outcome=\"failed\"} 1\n", shown, StringComparison.Ordinal);
        Assert.Contains("peer=\"other\",outcome=\"made\"} 7\n", shown, StringComparison.Ordinal);
        _metrics.Show(Container("c1"), [new PeerCounts(Hello, 2, 0)]); // the server began again; the others are revoked
        shown = await ShownAsync();
        Assert.Contains(Series + "2\n", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("other", shown, StringComparison.Ordinal);
        _metrics.Show(Container("c2"), [new PeerCounts(Hello, 1, 0)]); // the container was started anew
        Assert.Contains(Series + "1\n", await ShownAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_has_ended_is_not_shown()
    {
        _metrics.Show(Container("c1"), [new PeerCounts(Hello, 3, 1)]);
        _metrics.Keep([Container("c1")]);
        Assert.Contains(Series, await ShownAsync(), StringComparison.Ordinal);
        _metrics.Keep([]);
        Assert.DoesNotContain("pod=\"p\"", await ShownAsync(), StringComparison.Ordinal);
    }
}
