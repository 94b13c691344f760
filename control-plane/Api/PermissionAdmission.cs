using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Api;

/// <summary>What permissions a namespace lets its pods have, checked when a pod or a workload's template is written: its PermissionSets are there, and its ceiling holds.</summary>
public static class PermissionAdmission
{
    /// <summary>Path of the pod in a document of a kind that carries one.</summary>
    private static readonly Dictionary<ResourceKind, string> Templates = new()
    {
        [Kinds.Pod] = "", [Kinds.Deployment] = "spec.template.", [Kinds.ReplicaSet] = "spec.template.", [Kinds.StatefulSet] = "spec.template.", [Kinds.DaemonSet] = "spec.template.", [Kinds.Job] = "spec.template.",
        [Kinds.ReplicationController] = "spec.template.", [Kinds.CronJob] = "spec.jobTemplate.spec.template.",
    };

    public static async Task<IReadOnlyList<FieldError>> CheckAsync(IObjects objects, ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        if (!Templates.TryGetValue(kind, out var path)) return [];
        JsonNode? template = document;
        foreach (var part in path.Split('.', StringSplitOptions.RemoveEmptyEntries)) template = template.At(part);
        var home = document.NamespaceOf();
        var pod = new JsonObject { ["metadata"] = new JsonObject { ["namespace"] = home, ["labels"] = template.At("metadata", "labels")?.DeepClone() }, ["spec"] = template.At("spec")?.DeepClone() };
        var around = new CompileContext
        {
            Namespaces = await objects.GetAsync(Kinds.Namespace, new ObjectName("", home), cancellationToken) is { } found ? [found] : [],
            PermissionSets = (await objects.ListAsync(Kinds.PermissionSet, home, cancellationToken)).Items,
        };
        return [.. PermissionCompiler.Compile(pod, around).Errors.Select(error => new FieldError(error.Source.Object.Length > 0 ? $"{error.Source.Object} {error.Source.FieldPath}" : path + error.Source.FieldPath, "Invalid value: " + error.Message))];
    }

    public static IEnumerable<FieldError> Set(JsonObject document)
    {
        var errors = new List<PermissionError>();
        new DeclarationReader(document.NamespaceOf(), "", errors).Read(document["spec"], "spec");
        return errors.Select(error => new FieldError(error.Source.FieldPath, "Invalid value: " + error.Message));
    }
}
