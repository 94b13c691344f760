using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Lists as sets: <c>sets.contains</c>, <c>sets.equivalent</c>, <c>sets.intersects</c>.</summary>
internal static class RuleSets
{
    /// <summary>What the functions stand behind.</summary>
    public sealed class Library;

    public static readonly Dictionary<string, RuleFunction[]> Functions = new()
    {
        ["contains"] = [Of<Library, object?[], object?[]>((_, list, sub) => Contains(list, sub))],
        ["equivalent"] = [Of<Library, object?[], object?[]>((_, one, other) => Contains(one, other) && Contains(other, one))],
        ["intersects"] = [Of<Library, object?[], object?[]>((_, one, other) => one.Any(item => Has(other, item)))],
    };

    private static bool Contains(object?[] list, object?[] sub) => sub.All(item => Has(list, item));

    private static bool Has(object?[] list, object? item) => list.Any(other => RuleLanguage.Same(other, item));
}
