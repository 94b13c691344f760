using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.Controllers.Tests.Simulation;

/// <summary>A workload under test in a <see cref="SimulatedCluster"/>: what its user does, what is checked at every write of a controller, and what is checked in the end.</summary>
public abstract class Subject(SimulatedCluster cluster)
{
    private readonly HashSet<string> _up = [], _lost = [];

    protected SimulatedCluster Cluster { get; } = cluster;
    protected Random Chance => Cluster.Chance;
    protected SimulatedStore Store => Cluster.Store;

    /// <summary>Available pods that faults removed and that nobody may have noticed yet.</summary>
    protected int Ghosts { get; private set; }

    /// <summary>Label app of its pods.</summary>
    public abstract string App { get; }

    /// <summary>Whether it may wait for nothing any more although nothing happens.</summary>
    public virtual bool AtRest => true;

    /// <summary>minReadySeconds.</summary>
    public abstract int MinReady { get; }

    /// <summary>Its pods that are not over and not going.</summary>
    protected IEnumerable<JsonObject> Live => Store.All(Kinds.Pod).Where(pod => IsOurs(pod) && !pod.IsDeleted() && !pod.IsOver());

    public bool IsOurs(JsonObject pod) => pod.Metadata()["labels"]?["app"]?.ToString() == App;

    /// <summary>What a controller decided about an object, before it is done.</summary>
    public virtual void Decided(SimulatedActor actor, ResourceKind kind, JsonObject owner, IReadOnlyList<WorkloadAction> actions) { }

    /// <summary>What a controller has done.</summary>
    public virtual void Check(SimulatedActor actor, ResourceKind kind, JsonObject owner, WorkloadAction action) { }

    public abstract void UserActs();

    /// <summary>The last thing that the user wants works.</summary>
    public abstract void UserSettles();

    public abstract void CheckEnd();

    /// <summary>Whether a version never becomes ready.</summary>
    public static bool IsBroken(JsonObject pod) => Image(pod).EndsWith('5');

    public static string Image(JsonObject pod) => pod["spec"]!["containers"]![0]!["image"]!.ToString();

    /// <summary>What its node makes of a pod that has started.</summary>
    public virtual void Started(JsonObject pod)
    {
        if (!IsBroken(pod) && !pod.IsReady()) Cluster.SetReady(pod, true);
    }

    /// <summary>Pods that are available are up from now on, until somebody deletes them.</summary>
    public void Note()
    {
        foreach (var pod in Live)
            if (pod.IsAvailable(MinReady, Cluster.Now)) _up.Add(pod.Uid());
    }

    /// <summary>So are those that whoever decides takes for available: a fault behind its back is nobody's fault.</summary>
    public void NoteSeen(ObjectCache seen)
    {
        foreach (var pod in Live)
            if (!_lost.Contains(pod.Uid()) && seen.Get(Kinds.Pod, ObjectStamp.NameOf(pod)) is { } known && known.Uid() == pod.Uid() && known.IsAvailable(MinReady, Cluster.Now)) _up.Add(pod.Uid());
    }

    protected bool IsUp(JsonObject pod) => _up.Contains(pod.Uid());

    /// <summary>It goes by a controller's hand: true if it was up.</summary>
    protected bool Falls(string uid) => _up.Remove(uid);

    /// <summary>A fault or somebody else takes a pod away.</summary>
    public void Lost(JsonObject pod)
    {
        _lost.Add(pod.Uid());
        if (!pod.IsDeleted() && _up.Remove(pod.Uid())) Ghosts++;
    }

    public void NoMoreFaults() => Ghosts = 0;
}
