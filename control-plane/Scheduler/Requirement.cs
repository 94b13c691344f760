using System.Globalization;

namespace Eyrie.ControlPlane.Scheduler;

public enum Comparison { In, NotIn, Exists, DoesNotExist, Gt, Lt }

/// <summary>One line of a label selector or node selector. As in Kubernetes, NotIn also holds where the label is absent.</summary>
public sealed record Requirement(string Key, Comparison Comparison, IReadOnlyList<string> Values)
{
    public static Requirement Equal(string key, string value) => new(key, Comparison.In, [value]);

    public bool Holds(Dictionary<string, string> labels) => Holds(labels.GetValueOrDefault(Key));

    public bool Holds(string? value) => Comparison switch
    {
        Comparison.In => value is not null && Values.Contains(value),
        Comparison.NotIn => value is null || !Values.Contains(value),
        Comparison.Exists => value is not null,
        Comparison.DoesNotExist => value is null,
        _ => long.TryParse(value, CultureInfo.InvariantCulture, out long number) && Values.Count == 1 && long.TryParse(Values[0], CultureInfo.InvariantCulture, out long bound)
            && (Comparison == Comparison.Gt ? number > bound : number < bound),
    };

    public override string ToString() => $"{Key} {Comparison} {string.Join(',', Values)}";
}

/// <summary>All requirements together. Without any it selects everything.</summary>
public sealed class Selector(IReadOnlyList<Requirement> requirements)
{
    public static readonly Selector Everything = new([]), Nothing = new([new Requirement("", Comparison.In, [])]);

    public IReadOnlyList<Requirement> Requirements { get; } = requirements;

    public bool Matches(Dictionary<string, string> labels)
    {
        for (int i = 0; i < Requirements.Count; i++)
            if (!Requirements[i].Holds(labels)) return false;
        return true;
    }

    /// <summary>A label and value without which nothing matches, if there is one: what an index is kept by.</summary>
    public (string Key, string Value)? Anchor => Requirements.FirstOrDefault(requirement => requirement is { Comparison: Comparison.In, Values.Count: 1 }) is { } found ? (found.Key, found.Values[0]) : null;

    public override string ToString() => string.Join(';', Requirements);
}

/// <summary>A term of node affinity: labels, and fields (only metadata.name).</summary>
public sealed record NodeTerm(IReadOnlyList<Requirement> Labels, IReadOnlyList<Requirement> Fields)
{
    /// <summary>A term without requirements matches no node.</summary>
    public bool Matches(NodeInfo node) => Labels.Count + Fields.Count > 0 && Labels.All(line => line.Holds(node.Labels)) && Fields.All(line => line.Key == "metadata.name" && line.Holds(node.Name));
}

public sealed record PreferredNodeTerm(int Weight, NodeTerm Term);
