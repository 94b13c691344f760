using System.Text.Json.Nodes;
using System.Threading.Channels;
using Akka.Actor;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

public sealed class LostNodeTests
{
    private static Guid Connect(RunningControllers running, string node)
    {
        var session = Guid.NewGuid();
        var hello = new NodeHello { NodeName = node, CpuMilli = 4000, MemoryBytes = 1L << 32, MaxPods = 10, Architecture = "amd64", PodRange = "127.64.16.0/22" };
        running.Sessions.Tell(new SessionOpened(session, hello, Channel.CreateUnbounded<ControlMessage>().Writer));
        return session;
    }

    private static async Task PodAsync(RunningControllers running, string name, string tolerations)
    {
        await running.CreateAsync(Kinds.Pod, $$$"""{"metadata":{"name":"{{{name}}}","namespace":"default"},"spec":{"nodeName":"node-1","containers":[{"name":"c","image":"i"}]{{{tolerations}}}}}""");
        var pod = (await running.GetAsync(Kinds.Pod, name))!;
        pod["status"] = Documents.Json("""{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}""");
        await running.Objects.UpdateStatusAsync(Kinds.Pod, pod, CancellationToken.None);
    }

    private static string Of(JsonObject? node) => node is null ? "gone" : string.Join(' ', Taints.Of(node).Select(taint => $"{taint.Key}:{taint.Effect}"));

    [Fact]
    public async Task A_lost_node_is_tainted_its_pods_leave_when_they_tolerate_it_no_longer_and_what_stayed_is_ready_when_it_is_back()
    {
        await using var running = await RunningControllers.StartAsync();
        Connect(running, "node-0");
        var session = Connect(running, "node-1");
        await RunningControllers.UntilAsync("two nodes", () => running.ListAsync(Kinds.Node, null), nodes => nodes.Count(node => node.IsReady()) == 2);
        await PodAsync(running, "patient", "");
        await PodAsync(running, "hasty", ""","tolerations":[{"operator":"Exists","effect":"NoExecute","tolerationSeconds":1}]""");
        running.Sessions.Tell(new SessionClosed(session, "node-1"));
        await RunningControllers.UntilAsync("taints", () => running.GetAsync(Kinds.Node, "node-1"), node => Of(node) == "node.kubernetes.io/unreachable:NoExecute node.kubernetes.io/unreachable:NoSchedule", Of);
        await RunningControllers.UntilAsync("the hasty pod going", () => running.GetAsync(Kinds.Pod, "hasty"), pod => pod!.IsDeleted(), pod => pod!.ToJsonString());
        Assert.Equal("DeletionByTaintManager", (await running.GetAsync(Kinds.Pod, "hasty"))!.Condition("DisruptionTarget")!.Text("reason"));
        await RunningControllers.UntilAsync("the patient pod unready", () => running.GetAsync(Kinds.Pod, "patient"), pod => pod!.Condition("Ready")!.Text("reason") == "NodeLost", pod => pod!.ToJsonString());
        Assert.False((await running.GetAsync(Kinds.Pod, "patient"))!.IsDeleted());
        Connect(running, "node-1");
        await RunningControllers.UntilAsync("the taints off", () => running.GetAsync(Kinds.Node, "node-1"), node => Of(node) == "", Of);
        await RunningControllers.UntilAsync("the patient pod ready", () => running.GetAsync(Kinds.Pod, "patient"), pod => pod!.IsReady(), pod => pod!.ToJsonString());
    }
}
