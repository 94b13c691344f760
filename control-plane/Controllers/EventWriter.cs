using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Writes core/v1 Events, apart from those who report them. The same event of the same object is counted, not repeated; of a series there is one, with its newest message.</summary>
public sealed partial class EventWriter(IObjects objects, TimeProvider clock, ILogger<EventWriter> log) : BackgroundService
{
    private sealed record Entry(JsonObject About, string Type, string Reason, string Message, int Count, string Series)
    {
        public ObjectName Name { get; } = new(About.Namespace(), $"{About.Name()}.{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(About.Uid() + Type + Reason + (Series.Length > 0 ? "\n" + Series : Message))))[..16]}");
    }

    /// <summary>Events on their way to the store at once.</summary>
    private const int Group = 256;

    private readonly Channel<Entry> _queue = Channel.CreateBounded<Entry>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropOldest });

    /// <param name="about">What it happened to.</param>
    /// <param name="type">Normal or Warning.</param>
    /// <param name="reason">A word.</param>
    /// <param name="message">For people.</param>
    /// <param name="count">How often, since it was last told.</param>
    /// <param name="series">Events of one type, reason and series are one; empty: those of one message are.</param>
    public void Write(JsonObject about, string type, string reason, string message, int count, string series = "") => _queue.Writer.TryWrite(new Entry(about, type, reason, message, count, series));

    /// <summary>What has queued up is written together, the same event once.</summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (await _queue.Reader.WaitToReadAsync(stoppingToken))
        {
            var group = new Dictionary<ObjectName, Entry>();
            while (group.Count < Group && _queue.Reader.TryRead(out var entry)) group[entry.Name] = group.TryGetValue(entry.Name, out var same) ? same with { Count = same.Count + entry.Count, Message = entry.Message } : entry;
            await Task.WhenAll(group.Values.Select(entry => TryWriteAsync(entry, stoppingToken)));
        }
    }

    private async Task TryWriteAsync(Entry entry, CancellationToken cancellationToken)
    {
        try
        {
            await WriteAsync(entry, cancellationToken);
        }
        catch (Exception exception) when (exception is StoreUnavailableException or ObjectConflictException or ObjectNotFoundException or ObjectExistsException or ObjectForbiddenException)
        {
            Lost(entry.Reason, exception.Message);
        }
    }

    private async Task WriteAsync(Entry entry, CancellationToken cancellationToken)
    {
        var (about, name) = (entry.About, entry.Name);
        var now = ObjectStamp.Time(clock.GetUtcNow());
        if (await objects.GetAsync(Kinds.Event, name, cancellationToken) is { } known)
        {
            known["message"] = entry.Message;
            known["count"] = known["count"].Int(1) + entry.Count;
            known["lastTimestamp"] = now;
            await objects.UpdateAsync(Kinds.Event, known, cancellationToken);
            return;
        }
        await objects.MakeAsync(Kinds.Event, new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = name.Name, ["namespace"] = name.Namespace },
            ["involvedObject"] = new JsonObject { ["kind"] = about.Text("kind") ?? "Pod", ["namespace"] = about.Namespace(), ["name"] = about.Name(), ["uid"] = about.Uid(), ["apiVersion"] = about.Text("apiVersion") ?? "v1" },
            ["type"] = entry.Type, ["reason"] = entry.Reason, ["message"] = entry.Message, ["count"] = entry.Count, ["firstTimestamp"] = now, ["lastTimestamp"] = now,
            ["eventTime"] = null, ["source"] = new JsonObject { ["component"] = "eyrie" }, ["reportingComponent"] = "eyrie", ["reportingInstance"] = "",
        }, cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "event {Reason} could not be written: {Cause}")]
    private partial void Lost(string reason, string cause);
}
