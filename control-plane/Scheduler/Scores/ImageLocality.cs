namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>Nodes that have the pod's images already, by size; less for an image that few nodes have, so that they are not overrun.</summary>
public sealed class ImageLocality : Score
{
    private const double Small = 23L << 20, LargeForEach = 1000L << 20;
    private readonly PodInfo _pod;
    private readonly Cluster _cluster;

    private ImageLocality(PodInfo pod, Cluster cluster) => (_pod, _cluster) = (pod, cluster);

    public static ImageLocality? For(PodInfo pod, Cluster cluster)
    {
        foreach (var image in pod.Images)
            if (cluster.NodesWith(image) > 0) return new ImageLocality(pod, cluster);
        return null;
    }

    public override double Of(NodeState node)
    {
        double sum = 0;
        foreach (var image in _pod.Images)
            if (node.Info.Images.TryGetValue(image, out long size)) sum += (double)size * _cluster.NodesWith(image) / _cluster.Nodes.Count;
        double large = LargeForEach * _pod.Images.Count;
        return Most * (Math.Clamp(sum, Small, large) - Small) / (large - Small);
    }
}
