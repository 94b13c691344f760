using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Disruptions;

/// <param name="Count">Replicas that the controllers of the pods are to have.</param>
/// <param name="Unmanaged">Pods without a controller.</param>
/// <param name="Failure">Why the number is not known; null: it is.</param>
public sealed record ExpectedPods(int Count, IReadOnlyList<string> Unmanaged, string? Failure)
{
    private static readonly IReadOnlyList<ResourceKind> Scalable = [Kinds.ReplicaSet, Kinds.StatefulSet, Kinds.ReplicationController, Kinds.Deployment];

    /// <summary>How many pods there should be: what the controllers of those that are there want, each controller once (as the disruption controller of Kubernetes counts). Pure.</summary>
    public static ExpectedPods Of(IEnumerable<JsonObject> pods, Func<ResourceKind, ObjectName, JsonObject?> find)
    {
        var scales = new Dictionary<string, int>();
        var unmanaged = new List<string>();
        foreach (var pod in pods)
        {
            if (Controller(pod) is not { } reference) { unmanaged.Add(pod.Name()); continue; }
            if (Find(reference, pod.Namespace(), find) is not { } controller) return new ExpectedPods(0, unmanaged, $"found no controllers for pod \"{pod.Name()}\"");
            // A Deployment says how many there are to be, whatever its sets have now.
            if (Controller(controller) is { } above && above.Text("kind") == Kinds.Deployment.Kind) controller = Find(above, pod.Namespace(), find) ?? controller;
            scales[controller.Uid()] = controller["spec"]?["replicas"].Int(1) ?? 1;
        }
        return new ExpectedPods(scales.Values.Sum(), unmanaged, null);
    }

    private static JsonObject? Controller(JsonObject document) => (document.Metadata()["ownerReferences"] as JsonArray)?.OfType<JsonObject>().FirstOrDefault(reference => reference["controller"]?.GetValue<bool>() == true);

    private static JsonObject? Find(JsonObject reference, string @namespace, Func<ResourceKind, ObjectName, JsonObject?> find) =>
        Scalable.FirstOrDefault(kind => kind.Kind == reference.Text("kind") && kind.ApiVersion == reference.Text("apiVersion")) is { } kind
        && find(kind, new ObjectName(@namespace, reference.Text("name") ?? "")) is { } found && found.Uid() == reference.Text("uid") ? found : null;
}
