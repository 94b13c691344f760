using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>
/// Removes Events that are under no lease: those that were restored, moved from another store, or written before Events had one. There are none such but those that a control plane finds when it starts, so it looks
/// then, and once more when all of them are past their time.
/// </summary>
public sealed partial class EventExpiry(IObjects objects, TimeProvider clock, ILogger<EventExpiry> log) : BackgroundService
{
    private static readonly TimeSpan Retry = TimeSpan.FromMinutes(1);

    /// <summary>Whether an event is past its time.</summary>
    public static bool IsOver(JsonObject happened, DateTimeOffset now) =>
        DateTimeOffset.TryParse(happened.Text("lastTimestamp") ?? happened.Text("eventTime") ?? happened.Metadata().Text("creationTimestamp"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var last) && last + Objects.EventsKept < now;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await SweepAsync(stoppingToken);
        await Task.Delay(Objects.EventsKept + Retry, clock, stoppingToken);
        await SweepAsync(stoppingToken);
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                foreach (var happened in (await objects.ListAsync(Kinds.Event, null, cancellationToken)).Items.Where(happened => IsOver(happened, clock.GetUtcNow()))) await RemoveAsync(happened, cancellationToken);
                return;
            }
            catch (StoreUnavailableException exception)
            {
                Late(exception.Message);
                await Task.Delay(Retry, clock, cancellationToken);
            }
        }
    }

    private async Task RemoveAsync(JsonObject happened, CancellationToken cancellationToken)
    {
        try
        {
            await objects.DeleteAsync(Kinds.Event, ObjectStamp.NameOf(happened), new DeleteOptions(Uid: happened.Uid()), cancellationToken);
        }
        catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
        {
            // Gone already: what is wanted.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "events past their time were not removed: {Cause}")]
    private partial void Late(string cause);
}
