using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Events are kept for an hour after they were last seen, as kube-apiserver keeps them (--event-ttl).</summary>
public sealed partial class EventExpiry(IObjects objects, TimeProvider clock, ILogger<EventExpiry> log) : BackgroundService
{
    public static readonly TimeSpan Kept = TimeSpan.FromHours(1);
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>Whether an event is past its time.</summary>
    public static bool IsOver(JsonObject happened, DateTimeOffset now) =>
        DateTimeOffset.TryParse(happened.Text("lastTimestamp") ?? happened.Text("eventTime") ?? happened.Metadata().Text("creationTimestamp"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var last) && last + Kept < now;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                foreach (var happened in (await objects.ListAsync(Kinds.Event, null, stoppingToken)).Items.Where(happened => IsOver(happened, clock.GetUtcNow())))
                    await RemoveAsync(happened, stoppingToken);
            }
            catch (StoreUnavailableException exception)
            {
                Late(exception.Message); // they go in a later round
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
