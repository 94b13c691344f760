using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

public sealed class QuotaTests
{
    private static string Pod(string name, string cpu = "100m", string more = "") => $$$$"""{"metadata":{"name":"{{{{name}}}}","namespace":"default"},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"{{{{cpu}}}}"}}}]{{{{more}}}}}}""";

    private static Task UsedAsync(RunningControllers running, string used) => RunningControllers.UntilAsync($"{used} used", () => running.GetAsync(Kinds.ResourceQuota, "q"), quota => quota!["status"]?["used"]?["pods"]?.ToString() == used, quota => quota!.ToJsonString());

    private static async Task<RunningControllers> WithQuotaAsync(string hard)
    {
        var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.ResourceQuota, $$$"""{"metadata":{"name":"q","namespace":"default"},"spec":{"hard":{{{hard}}}}}""");
        await UsedAsync(running, "0");
        return running;
    }

    [Fact]
    public async Task A_quota_is_never_exceeded_however_many_ask_at_once_and_has_room_again_when_something_goes()
    {
        await using var running = await WithQuotaAsync("""{"pods":"5"}""");
        var results = await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            try { await running.CreateAsync(Kinds.Pod, Pod($"p{i}")); return ""; }
            catch (ObjectForbiddenException refused) { return refused.Message; }
        }));
        Assert.Equal(5, results.Count(text => text.Length == 0));
        Assert.All(results.Where(text => text.Length > 0), text => Assert.EndsWith("is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5", text));
        Assert.Equal(5, (await running.ListAsync(Kinds.Pod)).Count);
        await UsedAsync(running, "5");
        var gone = (await running.ListAsync(Kinds.Pod))[0].Name();
        await running.DeleteAsync(Kinds.Pod, gone, "Background");
        await UsedAsync(running, "4");
        await running.CreateAsync(Kinds.Pod, Pod("next"));
    }

    [Fact]
    public async Task A_set_makes_what_the_quota_allows_says_what_it_does_not_and_goes_on_when_there_is_room()
    {
        await using var running = await WithQuotaAsync("""{"pods":"2"}""");
        await running.CreateAsync(Kinds.ReplicaSet, """{"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}""");
        await UsedAsync(running, "2");
        await RunningControllers.UntilAsync("an event", () => running.ListAsync(Kinds.Event), events => events.Any(happened => happened.Text("reason") == "FailedCreate" && happened.Text("message")!.Contains("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2", StringComparison.Ordinal)));
        await RunningControllers.UntilAsync("the condition", () => running.GetAsync(Kinds.ReplicaSet, "web"), set => set!.Condition("ReplicaFailure") is { } failure && failure.Text("reason") == "FailedCreate" && failure.Text("message")!.Contains("is forbidden: exceeded quota: q", StringComparison.Ordinal), set => set!.ToJsonString());
        var quota = (await running.GetAsync(Kinds.ResourceQuota, "q"))!;
        quota["spec"]!["hard"]!["pods"] = "3";
        quota.Metadata().Remove("resourceVersion");
        await running.Objects.UpdateAsync(Kinds.ResourceQuota, quota, CancellationToken.None);
        await UsedAsync(running, "3");
        await RunningControllers.UntilAsync("no condition", () => running.GetAsync(Kinds.ReplicaSet, "web"), set => set!["status"]!["replicas"].Int() == 3 && set.Condition("ReplicaFailure") is null, set => set!.ToJsonString());
    }

    [Fact]
    public async Task A_deployment_says_that_its_pods_are_refused()
    {
        await using var running = await WithQuotaAsync("""{"pods":"1"}""");
        await running.CreateAsync(Kinds.Deployment, """{"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}""");
        await RunningControllers.UntilAsync("the condition", () => running.GetAsync(Kinds.Deployment, "web"), web => web!.Condition("ReplicaFailure")?.Text("message")?.Contains("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1", StringComparison.Ordinal) == true, web => web!.ToJsonString());
    }

    [Fact]
    public async Task A_change_that_uses_more_than_there_is_is_refused_and_one_that_uses_less_makes_room()
    {
        await using var running = await WithQuotaAsync("""{"pods":"1","services.nodeports":"2","requests.storage":"10Gi"}""");
        var first = await running.CreateAsync(Kinds.Service, """{"metadata":{"name":"a","namespace":"default"},"spec":{"type":"NodePort","ports":[{"port":80},{"port":81}]}}""");
        var second = await running.CreateAsync(Kinds.Service, """{"metadata":{"name":"b","namespace":"default"},"spec":{"type":"ClusterIP","ports":[{"port":80}]}}""");
        second["spec"]!["type"] = "NodePort";
        second.Metadata().Remove("resourceVersion");
        var refused = await Assert.ThrowsAsync<ObjectForbiddenException>(() => running.Objects.UpdateAsync(Kinds.Service, second, CancellationToken.None));
        Assert.Equal("services \"b\" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=2, limited: services.nodeports=2", refused.Message);
        first["spec"]!["type"] = "ClusterIP";
        await running.Objects.UpdateAsync(Kinds.Service, first, CancellationToken.None);
        await running.Objects.UpdateAsync(Kinds.Service, second, CancellationToken.None);
        var claim = await running.CreateAsync(Kinds.PersistentVolumeClaim, """{"metadata":{"name":"c","namespace":"default"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"8Gi"}}}}""");
        claim["spec"]!["resources"]!["requests"]!["storage"] = "12Gi";
        refused = await Assert.ThrowsAsync<ObjectForbiddenException>(() => running.Objects.UpdateAsync(Kinds.PersistentVolumeClaim, claim, CancellationToken.None));
        Assert.Contains("exceeded quota: q, requested: requests.storage=4Gi, used: requests.storage=8Gi, limited: requests.storage=10Gi", refused.Message, StringComparison.Ordinal);
        await RunningControllers.UntilAsync("what is used", () => running.GetAsync(Kinds.ResourceQuota, "q"), quota => quota!["status"]?["used"]?["services.nodeports"]?.ToString() == "1" && quota["status"]!["used"]!["requests.storage"]!.ToString() == "8Gi", quota => quota!.ToJsonString());
    }

    [Fact]
    public async Task Objects_of_a_custom_kind_are_counted_those_that_were_there_before_as_well()
    {
        var widget = new ResourceKind("example.com", "v1", "Widget", "widgets", "widget", true);
        await using var running = await RunningControllers.StartAsync();
        running.Services.GetRequiredService<KnownKinds>().SetCustom([widget]);
        Task<JsonObject> MakeAsync(string name) => running.CreateAsync(widget, $$$"""{"metadata":{"name":"{{{name}}}","namespace":"default"}}""");
        Task CountedAsync(string used) => RunningControllers.UntilAsync($"{used} counted", () => running.GetAsync(Kinds.ResourceQuota, "q"), quota => quota!["status"]?["used"]?["count/widgets.example.com"]?.ToString() == used, quota => quota!.ToJsonString());
        await MakeAsync("before");
        await running.CreateAsync(Kinds.ResourceQuota, """{"metadata":{"name":"q","namespace":"default"},"spec":{"hard":{"count/widgets.example.com":"2","count/gadgets.example.com":"1"}}}""");
        await CountedAsync("1");
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            try { await MakeAsync($"w{i}"); return ""; }
            catch (ObjectForbiddenException refused) { return refused.Message; }
        }));
        Assert.Equal(1, results.Count(text => text.Length == 0));
        Assert.All(results.Where(text => text.Length > 0), text => Assert.EndsWith("is forbidden: exceeded quota: q, requested: count/widgets.example.com=1, used: count/widgets.example.com=2, limited: count/widgets.example.com=2", text));
        await running.Objects.DeleteAsync(widget, new ObjectName("default", "before"), new DeleteOptions(), CancellationToken.None);
        await CountedAsync("1");
        await MakeAsync("next");
        await CountedAsync("2");
    }

    [Fact]
    public async Task Every_reason_is_told_at_once()
    {
        await using var running = await WithQuotaAsync("""{"pods":"0"}""");
        await running.CreateAsync(Kinds.LimitRange, """{"metadata":{"name":"l","namespace":"default"},"spec":{"limits":[{"type":"Container","max":{"cpu":"50m"},"default":{"cpu":"50m"}}]}}""");
        await RunningControllers.UntilAsync("every reason", async () =>
        {
            try { await running.CreateAsync(Kinds.Pod, Pod("p", more: ""","serviceAccountName":"nobody" """)); return ""; }
            catch (ObjectForbiddenException refused) { return refused.Message; }
        }, text => text == "pods \"p\" is forbidden: [error looking up service account default/nobody: serviceaccount \"nobody\" not found, maximum cpu usage per Container is 50m, but request is 100m, exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0]");
    }

    [Fact]
    public async Task A_namespace_has_a_default_account_again_when_it_was_deleted_and_pods_use_it()
    {
        await using var running = await RunningControllers.StartAsync();
        await RunningControllers.UntilAsync("the account", () => running.GetAsync(Kinds.ServiceAccount, "default"), account => account is not null);
        var uid = (await running.GetAsync(Kinds.ServiceAccount, "default"))!.Uid();
        await running.DeleteAsync(Kinds.ServiceAccount, "default", "Background");
        await RunningControllers.UntilAsync("another account", () => running.GetAsync(Kinds.ServiceAccount, "default"), account => account is not null && account.Uid() != uid);
        Assert.Equal("default", (await running.CreateAsync(Kinds.Pod, Pod("p")))["spec"]!["serviceAccountName"]!.ToString());
    }
}
