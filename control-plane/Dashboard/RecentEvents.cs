using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Dashboard;

/// <summary>The cluster's events, followed once for every viewer. When the watch cannot go on it lists anew.</summary>
public sealed partial class RecentEvents(IObjects objects, ILogger<RecentEvents> log) : BackgroundService
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);
    private readonly ChangeSignal _changed = new();
    private ImmutableDictionary<ObjectName, JsonObject> _events = ImmutableDictionary<ObjectName, JsonObject>.Empty;

    /// <summary>Completes with the next change. Take it first, look second, wait third.</summary>
    public Task NextChange => _changed.Next;

    public IEnumerable<JsonObject> All => Volatile.Read(ref _events).Values;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var list = await objects.ListAsync(Kinds.Event, null, stoppingToken);
                Set(list.Items.ToImmutableDictionary(ObjectStamp.NameOf));
                await foreach (var batch in objects.WatchAsync(Kinds.Event, list.At, stoppingToken)) Take(batch);
            }
            catch (Exception exception) when (exception is StoreUnavailableException or RevisionCompactedException)
            {
                LogBehind(exception.Message);
                await Task.Delay(Again, stoppingToken);
            }
        }
    }

    private void Take(ObjectBatch batch)
    {
        if (batch.Changes.Count == 0) return;
        var events = _events.ToBuilder();
        foreach (var change in batch.Changes)
        {
            if (change.Type == ChangeType.Deleted) events.Remove(change.Name);
            else events[change.Name] = change.Document;
        }
        Set(events.ToImmutable());
    }

    private void Set(ImmutableDictionary<ObjectName, JsonObject> events)
    {
        Volatile.Write(ref _events, events);
        _changed.Raise();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "the dashboard's events are read anew: {Reason}")]
    private partial void LogBehind(string reason);
}
