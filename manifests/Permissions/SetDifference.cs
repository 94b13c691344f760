namespace Eyrie.Manifests.Permissions;

/// <param name="Wider">Lines of the new set that nothing of the old one covered.</param>
/// <param name="Narrower">Lines of the old set that nothing of the new one covers.</param>
/// <param name="Restated">New lines that the old set already covered.</param>
public sealed record ContainerDifference(string Container, IReadOnlyList<string> Wider, IReadOnlyList<string> Narrower, IReadOnlyList<string> Restated)
{
    public bool Nothing => Wider.Count + Narrower.Count + Restated.Count == 0;
}

/// <summary>What one revision of a pod may do that another may not. Pure.</summary>
public static class SetDifference
{
    public static IReadOnlyList<ContainerDifference> Of(IEnumerable<ContainerCapabilitySet> before, IEnumerable<ContainerCapabilitySet> after)
    {
        var (old, next) = (before.ToDictionary(set => set.Container, set => set.Lines), after.ToDictionary(set => set.Container, set => set.Lines));
        return [.. old.Keys.Union(next.Keys).Order(StringComparer.Ordinal).Select(name => Of(name, old.GetValueOrDefault(name, []), next.GetValueOrDefault(name, [])))];
    }

    /// <summary>A set that names nothing to be executed lets everything be.</summary>
    private static IReadOnlyList<string> Explicit(IReadOnlyList<string> set) => set.Count == 0 || set.Any(line => line.StartsWith("exec ", StringComparison.Ordinal)) ? set : [.. set, new CapabilityEntry.Execute("/").ToString()];

    private static ContainerDifference Of(string container, IReadOnlyList<string> before, IReadOnlyList<string> after)
    {
        (before, after) = (Explicit(before), Explicit(after));
        bool Covered(IReadOnlyList<string> by, string line) => by.Any(wide => Coverage.Covers(wide, line));
        var added = after.Except(before).ToList();
        return new ContainerDifference(container, [.. added.Where(line => !Covered(before, line))], [.. before.Except(after).Where(line => !Covered(after, line))], [.. added.Where(line => Covered(before, line))]);
    }
}
