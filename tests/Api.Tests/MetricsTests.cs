using System.Net;
using Eyrie.ControlPlane.Controllers;
using Eyrie.Node.Contract.V1;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Api.Tests;

[Collection(nameof(ApiServer))]
public sealed class MetricsTests(ApiServer server)
{
    [Fact]
    public async Task Kubectl_top_shows_what_the_nodes_told_of_pods_that_are_there()
    {
        await server.SendAsync("POST", "api/v1/nodes", """{"metadata":{"name":"measured"},"status":{"allocatable":{"cpu":"2","memory":"4Gi"},"capacity":{"cpu":"2","memory":"4Gi"}}}""");
        await server.SendAsync("PATCH", "api/v1/nodes/measured/status", """{"status":{"allocatable":{"cpu":"2","memory":"4Gi"},"capacity":{"cpu":"2","memory":"4Gi"}}}""", "application/merge-patch+json");
        await server.SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"metrics"}}""");
        var (_, pod) = await server.SendAsync("POST", "api/v1/namespaces/metrics/pods", """{"metadata":{"name":"web","labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"i:1"},{"name":"b","image":"i:1"}]}}""");
        Usage Used(long nanocores, long bytes) => new() { CpuNanocores = nanocores, MemoryWorkingSetBytes = bytes, WindowMilliseconds = 10000 };
        ContainerUsage Of(string name, string uid, string container, Usage usage) => new() { Namespace = "metrics", Pod = name, PodUid = uid, Container = container, Usage = usage };
        var uid = pod["metadata"]!["uid"]!.ToString();
        var report = new UsageReport { Node = Used(500_000_000, 1L << 30) };
        report.Containers.AddRange([Of("web", uid, "a", Used(250_000_000, 20 << 20)), Of("web", uid, "b", Used(1_000_000, 1 << 20)), Of("gone", "other", "a", Used(1, 1))]);
        server.Services.GetRequiredService<PodStatistics>().Take("measured", report);
        var output = await server.KubectlAsync("metrics", """
            K top node measured --no-headers | awk '{print $1, $2, $3, $4, $5}'
            K top pod --no-headers | awk '{print $1, $2, $3}'
            K top pod -l app=web --containers --no-headers | awk '{print $1, $2, $3, $4}'
            K top pod -l app=other
            K get podmetrics --no-headers | awk '{print $1, $2, $3, $4}'
            """);
        Assert.Equal("measured 500m 25% 1024Mi 25%\nweb 251m 21Mi\nweb a 250m 20Mi\nweb b 1m 1Mi\nweb 251000000n 21504Ki 10s\nNo resources found in metrics namespace.\n", output);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", "apis/metrics.k8s.io/v1beta1/namespaces/metrics/pods/gone")).Code);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await server.SendAsync("GET", "apis/metrics.k8s.io/v1beta1/pods?watch=true")).Code);
    }
}
