using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Sharding;

/// <summary>Which object an actor is the mailbox of. Its text, e.g. <c>deployments.apps/default/web</c>, is the same in every process: by it the object finds its shard.</summary>
/// <param name="Kind">As <see cref="ResourceKind.ToString"/> writes it.</param>
/// <param name="Name">Namespace (empty for cluster-scoped kinds) and name.</param>
public sealed record ObjectKey(string Kind, ObjectName Name)
{
    public override string ToString() => $"{Kind}/{Name.Namespace}/{Name.Name}";

    /// <exception cref="FormatException">The text is none that <see cref="ToString"/> writes.</exception>
    public static ObjectKey Parse(string text) => text.Split('/') is [{ Length: > 0 } kind, var home, { Length: > 0 } name]
        ? new ObjectKey(kind, new ObjectName(home, name)) : throw new FormatException($"\"{text}\" names no object: KIND/NAMESPACE/NAME is expected");
}
