using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

public sealed class WorkloadEventTests
{
    private const string Template = """{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}""";

    private static async Task UntilToldAsync(RunningControllers running, string reason, Func<List<JsonObject>, bool> wanted) =>
        await RunningControllers.UntilAsync(reason, async () => (await running.ListAsync(Kinds.Event)).Where(happened => happened.Text("reason") == reason).ToList(), wanted, told => string.Join("; ", told.Select(happened => $"{happened["count"]} {happened.Text("message")}")));

    [Fact]
    public async Task Pods_that_a_set_makes_and_deletes_are_told_ten_by_themselves_and_the_others_as_one()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.ReplicaSet, $$$"""{"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":25,"selector":{"matchLabels":{"app":"web"}},"template":{{{Template}}} } }""");
        await UntilToldAsync(running, "SuccessfulCreate", told => told.Sum(happened => happened["count"].Int()) == 25);
        var told = (await running.ListAsync(Kinds.Event)).Where(happened => happened.Text("reason") == "SuccessfulCreate").ToList();
        Assert.Equal(11, told.Count);
        Assert.Equal(15, Assert.Single(told, happened => happened.Text("message")!.StartsWith("(combined from similar events): Created pod: web-", StringComparison.Ordinal))["count"].Int());
        Assert.All(told, happened => Assert.Equal("ReplicaSet", happened["involvedObject"]!["kind"]!.ToString()));
        var set = (await running.GetAsync(Kinds.ReplicaSet, "web"))!;
        set["spec"]!["replicas"] = 24;
        set.Metadata().Remove("resourceVersion");
        await running.Objects.UpdateAsync(Kinds.ReplicaSet, set, CancellationToken.None);
        await UntilToldAsync(running, "SuccessfulDelete", gone => gone.Count == 1 && gone[0].Text("message")!.StartsWith("Deleted pod: web-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_stateful_set_tells_in_its_own_words()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.StatefulSet, $$$"""{"metadata":{"name":"db","namespace":"default"},"spec":{"replicas":1,"serviceName":"db","selector":{"matchLabels":{"app":"web"}},"template":{{{Template}}} } }""");
        await UntilToldAsync(running, "SuccessfulCreate", told => told.Count == 1 && told[0].Text("message") == "create Pod db-0 in StatefulSet db successful");
    }
}
