using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What decisions ask of a pod again and again, each read from its document once.</summary>
/// <param name="document">Never changed any more, as every document of the cache.</param>
public sealed class PodView(JsonObject document)
{
    private readonly Lazy<(bool Over, bool Deleted, bool Ready, DateTimeOffset? Since)> _read = new(() => (document.IsOver(), document.IsDeleted(), document.IsReady(), Views.Time(document.Condition("Ready")?.Text("lastTransitionTime"))), LazyThreadSafetyMode.PublicationOnly);

    public JsonObject Document { get; } = document;

    /// <inheritdoc cref="Views.IsDeleted"/>
    public bool IsDeleted => _read.Value.Deleted;
    /// <inheritdoc cref="Views.IsOver"/>
    public bool IsOver => _read.Value.Over;
    /// <inheritdoc cref="Views.IsReady"/>
    public bool IsReady => _read.Value.Ready;

    /// <summary>Ready, and has been for <paramref name="minReadySeconds"/>.</summary>
    public bool IsAvailable(int minReadySeconds, DateTimeOffset now) => IsReady && (minReadySeconds == 0 || (AvailableAt(minReadySeconds) is { } at && at <= now));

    /// <summary>When it has been ready for so long, if it stays ready; null: it is not ready.</summary>
    public DateTimeOffset? AvailableAt(int minReadySeconds) => IsReady ? _read.Value.Since?.AddSeconds(minReadySeconds) : null;

    /// <summary>When the next of them has been ready for long enough; null: none is waiting for that.</summary>
    public static DateTimeOffset? NextAvailable(IEnumerable<PodView> pods, int minReadySeconds, DateTimeOffset now) =>
        minReadySeconds == 0 ? null : pods.Where(pod => !pod.IsAvailable(minReadySeconds, now)).Min(pod => pod.AvailableAt(minReadySeconds));
}
