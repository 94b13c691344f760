using System.Diagnostics;
using System.Globalization;
using Eyrie.ControlPlane.Scheduler;

namespace Eyrie.Benchmarks;

/// <summary>The scheduler's decisions alone, one thread, no store: 50,000 pods of 5,000 ReplicaSets onto 5,000 nodes in ten zones; also how the cost of a pod grows with the nodes.</summary>
public sealed class Scheduling : IBenchmark
{
    public string Name => "scheduler";
    public string Description => "placements a second of the scheduler alone, 5,000 nodes and 50,000 pods";
    public int DefaultRounds => 5;

    private const int Nodes = 5_000, Pods = 50_000, PerOwner = 10, Preemptors = 1_000;

    private sealed record Outcome(string What, int Placed, TimeSpan Taken);

    public Task RunAsync(int rounds)
    {
        var outcomes = new List<Outcome>();
        Measure("warming up", 100, 1_000, Plain);
        for (int round = 0; round < rounds; round++)
        {
            outcomes.Add(Measure("plain", Nodes, Pods, Plain));
            outcomes.Add(Measure("topology spread over zones, at most 1 apart", Nodes, Pods, Spread));
            outcomes.Add(Measure("anti-affinity: no two of a set on a node", Nodes, Pods, Apart));
            outcomes.Add(Preempting());
            foreach (int nodes in new[] { 100, 1_000 }) outcomes.Add(Measure(string.Create(CultureInfo.InvariantCulture, $"plain, {nodes} nodes, {nodes * 10} pods"), nodes, nodes * 10, Plain));
        }
        Console.WriteLine("| | placements a second | a pod | pods |\n|---|---|---|---|");
        foreach (var same in outcomes.GroupBy(outcome => outcome.What))
        {
            var middle = same.OrderBy(outcome => outcome.Taken).ElementAt(same.Count() / 2);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {same.Key} | {middle.Placed / middle.Taken.TotalSeconds:0} | {middle.Taken.TotalMicroseconds / middle.Placed:0.0} µs | {middle.Placed} |"));
        }
        return Task.CompletedTask;
    }

    private static PodInfo Plain(int number) => Pod(number);

    private static PodInfo Spread(int number)
    {
        var pod = Pod(number);
        return With(pod, new SpreadConstraint(1, "topology.kubernetes.io/zone", true, new Selector([Requirement.Equal("app", pod.Labels["app"])])), null);
    }

    private static PodInfo Apart(int number)
    {
        var pod = Pod(number);
        return With(pod, null, new PodTerm("kubernetes.io/hostname", new Selector([Requirement.Equal("app", pod.Labels["app"])]), ["default"], null));
    }

    private static PodInfo With(PodInfo pod, SpreadConstraint? spread, PodTerm? away) => new()
    {
        Uid = pod.Uid, Namespace = pod.Namespace, Name = pod.Name, Labels = pod.Labels, Owner = pod.Owner, Requests = pod.Requests, ScoredRequests = pod.ScoredRequests,
        Spread = spread is null ? [] : [spread], AntiAffinity = away is null ? [] : [away],
    };

    private static PodInfo Pod(int number, int cpu = 100, int priority = 0)
    {
        var app = string.Create(CultureInfo.InvariantCulture, $"app-{number / PerOwner}");
        var name = string.Create(CultureInfo.InvariantCulture, $"{app}-{number}-{priority}");
        var requests = new Amounts(cpu, 128L << 20, 1);
        return new PodInfo { Uid = name, Namespace = "default", Name = name, Labels = new() { ["app"] = app }, Owner = app, Requests = requests, ScoredRequests = requests, Priority = priority };
    }

    private static Cluster Empty(int nodes)
    {
        var cluster = new Cluster();
        for (int i = 0; i < nodes; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"node-{i:00000}");
            cluster.SetNode(new NodeInfo { Name = name, Capacity = new Amounts(4_000, 16L << 30, 110), Labels = new() { ["kubernetes.io/hostname"] = name, ["topology.kubernetes.io/zone"] = string.Create(CultureInfo.InvariantCulture, $"zone-{i % 10}") } });
        }
        return cluster;
    }

    private static Outcome Measure(string what, int nodes, int pods, Func<int, PodInfo> pod)
    {
        var cluster = Empty(nodes);
        var waiting = new SchedulingQueue();
        for (int i = 0; i < pods; i++) waiting.Set(pod(i));
        long start = Stopwatch.GetTimestamp();
        int placed = Place(cluster, waiting);
        var taken = Stopwatch.GetElapsedTime(start);
        if (placed != pods) throw new InvalidOperationException($"{what}: {placed} of {pods} pods were placed");
        return new Outcome(what, placed, taken);
    }

    private static int Place(Cluster cluster, SchedulingQueue waiting)
    {
        int placed = 0, at = 0;
        var options = new PlacementOptions(1);
        while (waiting.Take(DateTimeOffset.UnixEpoch) is { } next)
        {
            if (Placement.Decide(next, cluster, options, at) is not Bind bind) continue;
            at = bind.Next;
            waiting.Remove(next.Uid);
            cluster.SetPod(next.At(bind.Node));
            placed++;
        }
        return placed;
    }

    /// <summary>Every node is full of pods of low priority; each pod of high priority takes the room of four.</summary>
    private static Outcome Preempting()
    {
        var cluster = Empty(Nodes);
        for (int i = 0; i < Pods; i++) cluster.SetPod(Pod(i, 400).At(string.Create(CultureInfo.InvariantCulture, $"node-{i % Nodes:00000}")));
        long start = Stopwatch.GetTimestamp();
        int at = 0;
        for (int i = 0; i < Preemptors; i++)
        {
            var pod = Pod(i, 1_600, 1_000);
            if (Placement.Decide(pod, cluster, new PlacementOptions(1), at) is not Unschedulable refused) throw new InvalidOperationException("a full cluster had room");
            if (Preemption.Decide(pod, cluster, refused, [], at) is not Preempt preempt || preempt.Victims.Count != 4) throw new InvalidOperationException("no room was made, or too much");
            foreach (var victim in preempt.Victims) cluster.RemovePod(victim.Uid);
            cluster.SetPod(pod.At(preempt.Node));
            at += 500;
        }
        return new Outcome("preemption, every node full", Preemptors, Stopwatch.GetElapsedTime(start));
    }
}
