using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>The templates that a StatefulSet or DaemonSet has had, as ControllerRevisions: what <c>kubectl rollout history</c> and <c>undo</c> read. Pure.</summary>
public sealed record Revisions(string Update, IReadOnlyList<JsonObject> Known)
{
    public const string Label = "controller-revision-hash";

    /// <summary>Adds what must be written for the newest template to be known, and drops those beyond the limit that no pod has.</summary>
    public static Revisions Of(ResourceKind kind, JsonObject owner, IEnumerable<JsonObject> all, IReadOnlyCollection<string> used, List<WorkloadAction> actions)
    {
        var own = all.Where(revision => revision.OwnerUid() == owner.Uid() && !revision.IsDeleted()).OrderBy(Number).ToList();
        var template = owner["spec"]!["template"]!;
        var name = $"{owner.Name()}-{DeploymentPlan.Hash(template)}";
        long last = own.Count == 0 ? 0 : own.Max(Number);
        if (own.FirstOrDefault(revision => revision.Name() == name) is not { } current) actions.Add(new CreateObject(Kinds.ControllerRevision, New(kind, owner, template, name, last + 1)));
        else if (Number(current) < last)
        {
            var copy = (JsonObject)current.DeepClone();
            copy["revision"] = last + 1;
            actions.Add(new UpdateObject(Kinds.ControllerRevision, copy));
        }
        var idle = own.Where(revision => revision.Name() != name && !used.Contains(revision.Name())).ToList();
        actions.AddRange(idle.Take(Math.Max(0, idle.Count - owner["spec"]!["revisionHistoryLimit"].Int(10))).Select(revision => new DeleteObject(Kinds.ControllerRevision, ObjectStamp.NameOf(revision), revision.Uid())));
        return new Revisions(name, own);
    }

    /// <summary>The template of a revision; the owner's own if the revision is not known.</summary>
    public JsonNode Template(string name, JsonObject owner) => Known.FirstOrDefault(revision => revision.Name() == name)?["data"]?["spec"]?["template"] ?? owner["spec"]!["template"]!;

    private static long Number(JsonObject revision) => revision["revision"] is JsonValue value && value.TryGetValue(out long number) ? number : 0;

    private static JsonObject New(ResourceKind kind, JsonObject owner, JsonNode template, string name, long number)
    {
        var kept = (JsonObject)template.DeepClone();
        kept["$patch"] = "replace";
        return new JsonObject
        {
            ["apiVersion"] = "apps/v1", ["kind"] = "ControllerRevision",
            ["metadata"] = new JsonObject
            {
                ["name"] = name, ["namespace"] = owner.Namespace(), ["ownerReferences"] = Views.Owner(kind, owner),
                ["labels"] = new JsonObject((template["metadata"]?["labels"] as JsonObject ?? []).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))) { [Label] = name[(owner.Name().Length + 1)..] },
            },
            ["data"] = new JsonObject { ["spec"] = new JsonObject { ["template"] = kept } }, ["revision"] = number,
        };
    }
}
