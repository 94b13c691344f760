using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Pods by what many selectors ask of them first, so that each selector looks at few. Pure.</summary>
public sealed class LabelledPods
{
    private readonly Dictionary<(string Namespace, string Key, string Value), List<JsonObject>> _pods = [];

    /// <param name="pods">The pods; looked at only where a selector is.</param>
    /// <param name="selectors">What will be asked: namespace, and labels with their values, at least one.</param>
    public LabelledPods(IEnumerable<JsonObject> pods, IEnumerable<(string Namespace, JsonObject Selector)> selectors)
    {
        var keys = selectors.ToLookup(asked => asked.Namespace, asked => asked.Selector.First().Key).ToDictionary(home => home.Key, home => home.ToHashSet());
        if (keys.Count == 0) return;
        foreach (var pod in pods)
        {
            var home = pod.Namespace();
            if (!keys.TryGetValue(home, out var first) || pod.Metadata()["labels"] is not JsonObject labels) continue;
            foreach (var key in first)
                if (labels[key]?.ToString() is { } value) At((home, key, value)).Add(pod);
        }
    }

    private List<JsonObject> At((string, string, string) place) => _pods.TryGetValue(place, out var there) ? there : _pods[place] = [];

    /// <summary>The pods of a namespace that a selector selects; none where there is no selector.</summary>
    public IEnumerable<JsonObject> Of(string @namespace, JsonObject? selector) => selector is { Count: > 0 } && _pods.TryGetValue((@namespace, selector.First().Key, selector.First().Value?.ToString() ?? ""), out var there)
        ? there.Where(pod => Views.Selects(selector, pod)) : [];
}
