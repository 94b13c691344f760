using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Collection;

/// <summary>What is still in a namespace.</summary>
public sealed record NamespaceContent(ResourceKind Kind, IReadOnlyList<JsonObject> Items);

/// <param name="Delete">Objects to delete now.</param>
/// <param name="Status">The namespace's status.</param>
/// <param name="Empty">Nothing is left: the namespace itself may go.</param>
public sealed record NamespaceStep(IReadOnlyList<(ResourceKind Kind, JsonObject Item)> Delete, JsonObject Status, bool Empty);

/// <summary>The end of a namespace: pods first, because what guards them must outlive them, then everything else; conditions in Kubernetes' words. Pure.</summary>
public static class NamespacePlan
{
    /// <param name="home">A namespace that has a deletionTimestamp.</param>
    /// <param name="contents">What is in it.</param>
    /// <param name="failures">What could not be deleted the last time, and why.</param>
    /// <param name="now">Time of conditions that turn.</param>
    public static NamespaceStep Decide(JsonObject home, IReadOnlyList<NamespaceContent> contents, IReadOnlyList<string> failures, DateTimeOffset now)
    {
        var left = contents.Where(content => content.Items.Count > 0).OrderBy(content => content.Kind.ToString(), StringComparer.Ordinal).ToList();
        var first = left.Where(content => content.Kind == Kinds.Pod).ToList();
        var finalizers = left.SelectMany(content => content.Items).SelectMany(item => item.Metadata()["finalizers"] as JsonArray ?? []).GroupBy(finalizer => finalizer!.ToString()).OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
        var conditions = new JsonArray(
            Condition(home, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered", now),
            Condition(home, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions", "All legacy kube types successfully parsed", now),
            failures.Count == 0 ? Condition(home, "NamespaceDeletionContentFailure", false, "ContentDeleted", "All content successfully deleted, may be waiting on finalization", now)
                : Condition(home, "NamespaceDeletionContentFailure", true, "ContentDeletionFailed", $"Failed to delete all resource types, {failures.Count} remaining: {string.Join(", ", failures.Order(StringComparer.Ordinal))}", now),
            left.Count == 0 ? Condition(home, "NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed", now)
                : Condition(home, "NamespaceContentRemaining", true, "SomeResourcesRemain", "Some resources are remaining: " + string.Join(", ", left.Select(content => $"{content.Kind.Plural}.{content.Kind.Group} has {content.Items.Count} resource instances")), now),
            finalizers.Count == 0 ? Condition(home, "NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", "All content-preserving finalizers finished", now)
                : Condition(home, "NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: " + string.Join(", ", finalizers.Select(group => $"{group.Key} in {group.Count()} resource instances")), now));
        var going = first.Count > 0 ? first : left;
        return new NamespaceStep([.. going.SelectMany(content => content.Items.Where(item => !item.IsDeleted()).Select(item => (content.Kind, item)))], new JsonObject { ["phase"] = "Terminating", ["conditions"] = conditions }, left.Count == 0);
    }

    private static JsonObject Condition(JsonObject home, string type, bool holds, string reason, string message, DateTimeOffset now)
    {
        var word = holds ? "True" : "False";
        var before = home.Condition(type);
        return new JsonObject { ["type"] = type, ["status"] = word, ["lastTransitionTime"] = before?.Text("status") == word ? before.Text("lastTransitionTime") : ObjectStamp.Time(now), ["reason"] = reason, ["message"] = message };
    }
}
