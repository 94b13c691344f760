using Akka.Actor;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

public sealed class AutoscalerTests
{
    [Fact]
    public async Task A_deployment_grows_when_its_pods_use_more_memory_than_the_target()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.Deployment, """{"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"nodeName":"node-0","containers":[{"name":"c","image":"i","resources":{"requests":{"memory":"100Mi"}}}]}}}}""");
        await RunningControllers.UntilAsync("two pods", () => running.ListAsync(Kinds.Pod), pods => pods.Count == 2);
        var report = new UsageReport { Node = new Usage() };
        foreach (var pod in await running.ListAsync(Kinds.Pod))
        {
            pod["status"] = Documents.Json("""{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}""");
            await running.Objects.UpdateStatusAsync(Kinds.Pod, pod, CancellationToken.None);
            report.Containers.Add(new ContainerUsage { Namespace = "default", Pod = pod.Name(), PodUid = pod.Uid(), Container = "c", Usage = new Usage { MemoryWorkingSetBytes = 150 << 20, WindowMilliseconds = 10_000 } });
        }
        running.Services.GetRequiredService<PodStatistics>().Take("node-0", report);
        await RunningControllers.UntilAsync("the feed to know the pods", () => Task.FromResult(running.Services.GetRequiredService<ObjectCache>().All(Kinds.Pod)), pods => pods.Count == 2 && pods.All(pod => pod.IsReady()));
        await running.CreateAsync(Kinds.HorizontalPodAutoscaler, """{"metadata":{"name":"web","namespace":"default"},"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"minReplicas":1,"maxReplicas":10,"metrics":[{"type":"Resource","resource":{"name":"memory","target":{"type":"Utilization","averageUtilization":50}}}]}}""");
        await RunningControllers.UntilAsync("six replicas", () => running.GetAsync(Kinds.Deployment, "web"), web => web!["spec"]!["replicas"]!.GetValue<int>() == 6, web => web!["spec"]!.ToJsonString());
        await RunningControllers.UntilAsync("a status", () => running.GetAsync(Kinds.HorizontalPodAutoscaler, "web"), found => found!["status"]?["currentMetrics"]?[0]?["resource"]?["current"]?["averageUtilization"]?.GetValue<int>() == 150, found => found!.ToJsonString());
        await RunningControllers.UntilAsync("an event", () => running.ListAsync(Kinds.Event), events => events.Any(happened => happened.Text("message") == "New size: 6; reason: memory resource utilization (percentage of request) above target"));
    }
}
