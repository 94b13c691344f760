using Eyrie.Manifests;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>Tells which images a node has, every ten seconds at most and as many as the kubelet does.</summary>
/// <param name="images">Those of the node.</param>
/// <param name="told">Told what is there, whether it has changed or not.</param>
public sealed class ImageReports(ImageStore images, Action<IReadOnlyList<NodeImage>> told)
{
    /// <summary>The most that are told, the largest; nodeStatusMaxImages of the kubelet.</summary>
    public const int Most = 50;

    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    public Task RunAsync(CancellationToken cancellationToken) => Periodic.RunAsync("listing images", Period, () => told(Of(images.Images())), TimeProvider.System, cancellationToken, atOnce: true);

    /// <summary>Every image once, under all names that it was pulled by.</summary>
    /// <param name="images">Largest first.</param>
    public static IReadOnlyList<NodeImage> Of(IEnumerable<Image> images) => [.. images.GroupBy(image => image.Digest).Take(Most).Select(same => new NodeImage { SizeBytes = same.First().Bytes, Names = { same.Select(image => ImageNames.Tagged(image.Name)) } })];
}
