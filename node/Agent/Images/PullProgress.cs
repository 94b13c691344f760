using System.Globalization;

namespace Eyrie.Node;

/// <summary>A layer of an image that is being pulled: its bytes as the manifest says, how many of them are here, and whether it is unpacked. Packed bytes, as they are sent.</summary>
public readonly record struct PulledLayer(long Bytes, long Here, bool Unpacked);

/// <summary>How far a pull is, every few seconds and only when that has changed: what stands still is seen by the age of the event.</summary>
/// <param name="image">Its name, as whoever wants it wrote it.</param>
/// <param name="look">Its layers as they are now. Layers that are pulled for another image as well are the same.</param>
/// <param name="tell">Told the event's message.</param>
public sealed class PullProgress(string image, Func<IEnumerable<PulledLayer>> look, Action<string> tell)
{
    public const string Reason = "PullProgress";
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private string _last = "";

    /// <summary>Tells at every period, until the timer is disposed.</summary>
    public ITimer Begin(TimeProvider time) => time.CreateTimer(_ => Look(), null, Period, Period);

    private void Look()
    {
        var message = Message(image, [.. look()]);
        if (message == Interlocked.Exchange(ref _last, message)) return;
        tell(message);
    }

    public static string Message(string image, IReadOnlyList<PulledLayer> layers)
    {
        long bytes = layers.Sum(layer => layer.Bytes), here = layers.Sum(layer => layer.Unpacked ? layer.Bytes : Math.Min(layer.Here, layer.Bytes));
        return string.Create(CultureInfo.InvariantCulture, $"Pulling image \"{image}\": {Size(here)} of {Size(bytes)} ({(bytes == 0 ? 100 : (int)(100.0 * here / bytes))} %), {layers.Count(layer => layer.Unpacked)} of {layers.Count} layers unpacked");
    }

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.0} MiB");
}
