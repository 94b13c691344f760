using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

public sealed class EventWriterTests
{
    [Fact]
    public async Task Of_a_series_there_is_one_event_with_its_newest_message_and_what_has_none_is_counted_by_its_message()
    {
        await using var running = await RunningControllers.StartAsync();
        var pod = await running.CreateAsync(Kinds.Pod, """{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"default"},"spec":{"schedulingGates":[{"name":"x/wait"}],"containers":[{"name":"a","image":"a:1"}]}}""");
        var events = running.Services.GetRequiredService<EventWriter>();
        Task SeenAsync(string wanted) => RunningControllers.UntilAsync(wanted, async () => string.Join("; ", (await running.ListAsync(Kinds.Event)).Select(Line).Where(line => line.StartsWith("Pull", StringComparison.Ordinal)).Order(StringComparer.Ordinal)), seen => seen == wanted);
        void Tell(string reason, string message, string series = "") => events.Write(pod, "Normal", reason, message, 1, series);

        Tell("PullProgress", "1 of 3", "a:1");
        await SeenAsync("PullProgress 1 of 3 x1");
        Tell("PullProgress", "2 of 3", "a:1");
        await SeenAsync("PullProgress 2 of 3 x2");
        foreach (var message in new[] { "3 of 4", "3 of 3" }) Tell("PullProgress", message, "a:1");
        Tell("PullProgress", "1 of 9", "other:1");
        foreach (var message in new[] { "one", "other", "one" }) Tell("Pulled", message);
        await SeenAsync("PullProgress 1 of 9 x1; PullProgress 3 of 3 x4; Pulled one x2; Pulled other x1");
    }

    private static string Line(JsonObject document) => $"{document["reason"]} {document["message"]} x{document["count"]}";
}
