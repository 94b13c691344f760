namespace Eyrie.ControlPlane.Controllers.Autoscaling;

/// <summary>How many replicas one metric asks for (replica_calculator.go of Kubernetes). A ratio within 10 % of 1 asks for no change. Pure.</summary>
public static class ReplicaProposal
{
    public const decimal Tolerance = 0.1m;

    /// <summary>Utilisation as a share of what the pods request.</summary>
    /// <param name="requests">What every pod requests, by name.</param>
    /// <param name="target">Percent.</param>
    /// <returns>Replicas, and the utilisation in percent.</returns>
    public static (int Replicas, int Utilization) ByUtilization(int current, PodSamples samples, IReadOnlyDictionary<string, decimal> requests, int target, decimal tolerance = Tolerance)
    {
        var (ratio, utilization) = Utilization(samples.Values, requests, target);
        // A pod that was not measured counts as one that uses all it requests when there are to be fewer, and nothing when there are to be more.
        return (Balanced(current, samples, ratio, tolerance, filled => Utilization(filled, requests, target).Ratio, name => requests[name]), utilization);
    }

    /// <summary>A value of every pod, on the average.</summary>
    public static (int Replicas, decimal Average) ByAverage(int current, PodSamples samples, decimal target, decimal tolerance = Tolerance)
    {
        decimal Ratio(IReadOnlyDictionary<string, decimal> values) => values.Values.Average() / target;
        return (Balanced(current, samples, Ratio(samples.Values), tolerance, Ratio, _ => target), samples.Values.Values.Average());
    }

    /// <summary>One value for all of them.</summary>
    public static int ByValue(int current, int ready, decimal value, decimal target, decimal tolerance = Tolerance)
    {
        if (current == 0) return Up(value / target);
        var ratio = value / target;
        return Math.Abs(1 - ratio) <= tolerance ? current : Up(ratio * ready);
    }

    /// <summary>One value, shared out among the replicas.</summary>
    public static int ByShare(int current, decimal value, decimal target, decimal tolerance = Tolerance) =>
        current > 0 && Math.Abs(1 - (value / (target * current))) <= tolerance ? current : Up(value / target);

    private static int Balanced(int current, PodSamples samples, decimal ratio, decimal tolerance, Func<IReadOnlyDictionary<string, decimal>, decimal> again, Func<string, decimal> full)
    {
        bool unready = samples.Unready.Count > 0 && ratio > 1;
        if (!unready && samples.Missing.Count == 0) return Math.Abs(1 - ratio) <= tolerance ? current : Up(ratio * samples.Ready);
        var filled = new Dictionary<string, decimal>(samples.Values);
        if (ratio != 1) foreach (var name in samples.Missing) filled[name] = ratio < 1 ? full(name) : 0;
        if (unready) foreach (var name in samples.Unready) filled[name] = 0;
        var next = again(filled);
        if (Math.Abs(1 - next) <= tolerance || (ratio < 1 && next > 1) || (ratio > 1 && next < 1)) return current;
        int replicas = Up(next * filled.Count);
        return (next < 1 && replicas > current) || (next > 1 && replicas < current) ? current : replicas;
    }

    /// <summary>Rounded up, but for what division left behind the tenth digit.</summary>
    private static int Up(decimal replicas) => (int)Math.Ceiling(Math.Round(replicas, 10));

    private static (decimal Ratio, int Percent) Utilization(IReadOnlyDictionary<string, decimal> values, IReadOnlyDictionary<string, decimal> requests, int target)
    {
        int percent = (int)(values.Values.Sum() * 100 / values.Keys.Sum(name => requests[name]));
        return ((decimal)percent / target, percent);
    }
}
