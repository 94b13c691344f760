namespace Eyrie.ControlPlane.Scheduler;

/// <summary>A pod as the scheduler sees it, whether placed or not. Never changed after it was made.</summary>
public sealed class PodInfo
{
    public required string Uid { get; init; }
    public required string Namespace { get; init; }
    public required string Name { get; init; }
    public Dictionary<string, string> Labels { get; init; } = [];
    /// <summary>Uid of the controller that owns it: its siblings are spread.</summary>
    public string? Owner { get; init; }
    public int Priority { get; init; }
    /// <summary>preemptionPolicy: Never.</summary>
    public bool NeverPreempts { get; init; }
    public DateTimeOffset Created { get; init; }
    public DateTimeOffset Started { get; init; }
    public bool Terminating { get; init; }
    /// <summary>Where it is, or empty.</summary>
    public string Node { get => _node; init => _node = value; }
    /// <summary>Where preemption makes room for it, or empty.</summary>
    public string Nominated { get => _nominated; init => _nominated = value; }
    /// <summary>spec.schedulingGates: not looked at before they are gone.</summary>
    public IReadOnlyList<string> Gates { get; init; } = [];

    /// <summary>Gates of other pods that its containers may call, and gates that they serve, each <c>namespace/name</c>.</summary>
    public IReadOnlyList<string> CalledGates { get; init; } = [];
    public IReadOnlyList<string> ServedGates { get; init; } = [];

    /// <summary>Containers and sidecars together, or the largest init container if that is more; plus overhead. Pods is 1.</summary>
    public Amounts Requests { get; init; } = new(0, 0, 1);
    /// <summary>The same for scores: a container that asks for nothing counts as 100m and 200 MiB, so that such pods spread too.</summary>
    public Amounts ScoredRequests { get; init; } = new(100, 200L << 20, 1);
    /// <summary>Other resources by name.</summary>
    public IReadOnlyDictionary<string, long> Extended { get; init; } = EmptyAmounts;
    public IReadOnlyList<HostPort> HostPorts { get; init; } = [];
    /// <summary>Of init containers and containers, with their tags.</summary>
    public IReadOnlyList<string> Images { get; init; } = [];

    public IReadOnlyList<Requirement> NodeSelector { get; init; } = [];
    /// <summary>Required node affinity, one of which must match; null: none.</summary>
    public IReadOnlyList<NodeTerm>? NodeTerms { get; init; }
    public IReadOnlyList<PreferredNodeTerm> PreferredNodes { get; init; } = [];
    /// <summary>For each volume, the node terms one of which must match.</summary>
    public IReadOnlyList<IReadOnlyList<NodeTerm>> VolumeTerms { get => _volumeTerms; init => _volumeTerms = value; }
    public IReadOnlyList<Toleration> Tolerations { get; init; } = [];
    public IReadOnlyList<PodTerm> Affinity { get; init; } = [];
    public IReadOnlyList<PodTerm> AntiAffinity { get; init; } = [];
    /// <summary>Weights below zero are preferred anti-affinity.</summary>
    public IReadOnlyList<(int Weight, PodTerm Term)> PreferredPods { get; init; } = [];
    public IReadOnlyList<SpreadConstraint> Spread { get; init; } = [];

    private static readonly IReadOnlyDictionary<string, long> EmptyAmounts = new Dictionary<string, long>();

    private string _node = "", _nominated = "";
    private IReadOnlyList<IReadOnlyList<NodeTerm>> _volumeTerms = [];

    /// <summary>The same pod, placed.</summary>
    public PodInfo At(string node)
    {
        var copy = (PodInfo)MemberwiseClone();
        (copy._node, copy._nominated) = (node, "");
        return copy;
    }

    /// <summary>The same pod, with what is known of its volumes by now.</summary>
    public PodInfo With(IReadOnlyList<IReadOnlyList<NodeTerm>> volumeTerms)
    {
        var copy = (PodInfo)MemberwiseClone();
        copy._volumeTerms = volumeTerms;
        return copy;
    }

    /// <summary>The same pod, with room being made for it.</summary>
    public PodInfo NominatedTo(string node)
    {
        var copy = (PodInfo)MemberwiseClone();
        copy._nominated = node;
        return copy;
    }

    public bool HoldsTerms => Affinity.Count + AntiAffinity.Count + PreferredPods.Count > 0;

    public override string ToString() => $"{Namespace}/{Name}";
}

/// <param name="Address">0.0.0.0: every address of the node.</param>
public readonly record struct HostPort(string Address, string Protocol, int Port)
{
    public bool Conflicts(HostPort other) => Port == other.Port && Protocol == other.Protocol && (Address == other.Address || Address == "0.0.0.0" || other.Address == "0.0.0.0");
}

public sealed record Taint(string Key, string Value, string Effect)
{
    public override string ToString() => $"{{{Key}: {Value}}}";
}

/// <param name="Key">Empty (with Exists): every key.</param>
/// <param name="Effect">Empty: every effect.</param>
public sealed record Toleration(string Key, bool Exists, string Value, string Effect)
{
    public bool Tolerates(Taint taint) => (Effect.Length == 0 || Effect == taint.Effect) && (Key.Length == 0 || Key == taint.Key) && (Exists || Value == taint.Value);
}

/// <summary>A term of pod affinity or anti-affinity: which pods, seen over which topology.</summary>
/// <param name="Namespaces">Names; with <paramref name="NamespaceSelector"/> null and no names the pod's own was put in by the reader.</param>
public sealed class PodTerm(string topologyKey, Selector selector, IReadOnlyList<string> namespaces, Selector? namespaceSelector)
{
    public string TopologyKey { get; } = topologyKey;
    public Selector Selector { get; } = selector;
    public IReadOnlyList<string> Namespaces { get; } = namespaces;
    public Selector? NamespaceSelector { get; } = namespaceSelector;

    /// <summary>Equal for terms that select the same pods.</summary>
    public string Pods { get; } = $"{string.Join(',', namespaces.Order(StringComparer.Ordinal))}|{namespaceSelector?.ToString() ?? "-"}|{selector}";

    public bool Selects(PodInfo pod, Cluster cluster) => Selector.Matches(pod.Labels) && (Namespaces.Contains(pod.Namespace) || (NamespaceSelector?.Matches(cluster.NamespaceLabels(pod.Namespace)) ?? false));
}

/// <param name="Hard">whenUnsatisfiable: DoNotSchedule; else ScheduleAnyway.</param>
/// <param name="MinDomains">Domains that must be there before the emptiest of them counts; 1 without.</param>
/// <param name="HonorAffinity">Only nodes that the pod's node affinity lets it use are counted.</param>
/// <param name="HonorTaints">Only nodes whose taints it tolerates are counted.</param>
public sealed record SpreadConstraint(int MaxSkew, string TopologyKey, bool Hard, Selector Selector, int MinDomains = 1, bool HonorAffinity = true, bool HonorTaints = false);
