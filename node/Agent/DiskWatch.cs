using System.Globalization;

namespace Eyrie.Node;

/// <summary>
/// Looks after the disk of the node: from the high threshold on, images that nobody wants are removed until the low one; what is still too full is a condition of the node, and gone when there
/// is room again.
/// </summary>
/// <param name="options">The node's thresholds.</param>
/// <param name="images">Its images.</param>
/// <param name="wanted">Names of the images of all pods that run or are to run here.</param>
/// <param name="told">Told when the condition begins (with its message) and ends (null).</param>
public sealed class DiskWatch(NodeOptions options, ImageStore images, Func<IEnumerable<string>> wanted, Action<string?> told)
{
    public const string Condition = "DiskPressure";

    /// <summary>Per cent of the disk that must be left, as the kubelet has it.</summary>
    private const int Least = 10;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private bool _pressed;

    /// <summary>What pods may request of a disk: what must be left is not among it.</summary>
    public static long ForPods(long diskBytes) => diskBytes / 100 * (100 - Least);

    public Task RunAsync(CancellationToken cancellationToken) => Periodic.RunAsync("looking after the disk", Period, Look, TimeProvider.System, cancellationToken, atOnce: true);

    /// <summary>Looks once, and does what is to be done.</summary>
    public void Look()
    {
        var disk = new DriveInfo(options.StateDirectory);
        long total = disk.TotalSize, used = total - disk.AvailableFreeSpace;
        if (used * 100 >= total * options.ImageHighPercent)
        {
            int removed = images.Collect(wanted(), used - total * options.ImageLowPercent / 100, DateTimeOffset.UtcNow);
            if (removed > 0) Console.Error.WriteLine($"eyrie-node: the disk of {options.StateDirectory} is {used * 100 / total} % full; {removed} images that no pod wants are removed");
            used = total - disk.AvailableFreeSpace;
        }
        bool pressed = (total - used) * 100 < total * Least;
        if (pressed == _pressed) return;
        _pressed = pressed;
        told(pressed ? string.Create(CultureInfo.InvariantCulture, $"the disk of the node has {(total - used) * 100 / total} % left, less than {Least} %; make room on {options.StateDirectory}") : null);
    }
}
