using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What is told of an object when one of its actions was carried out, in the words of kube-controller-manager. Pure.</summary>
public static class WorkloadEvents
{
    private const string Created = "SuccessfulCreate", Deleted = "SuccessfulDelete";

    /// <param name="kind">The kind of the object that was decided about.</param>
    /// <param name="name">Its name.</param>
    /// <param name="action">What was done.</param>
    /// <param name="made">Name of what was made; a name may have been completed.</param>
    /// <returns>null: nothing.</returns>
    public static Report? Of(ResourceKind kind, string name, WorkloadAction action, string made) => action switch
    {
        CreateObject create when create.Kind == Kinds.Pod => Pod(kind, name, Created, "create", "Created", made),
        DeleteObject delete when delete.Kind == Kinds.Pod => Pod(kind, name, Deleted, "delete", "Deleted", delete.Name.Name),
        _ => null,
    };

    private static Report Pod(ResourceKind kind, string owner, string reason, string verb, string done, string pod) =>
        new("Normal", reason, kind == Kinds.StatefulSet ? $"{verb} Pod {pod} in StatefulSet {owner} successful" : $"{done} pod: {pod}");
}
