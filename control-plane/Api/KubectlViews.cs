using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Api;

/// <summary>
/// What a command of kubectl is shown that would go wrong by the types it was built with, which lack Eyrie's fields. kubectl names its command in the header
/// <c>Kubectl-Command</c> (1.22 and later). Pure.
/// </summary>
public enum KubectlView
{
    /// <summary>The object as it is.</summary>
    None,
    /// <summary><c>edit</c> looks every object that was changed up in its types: Eyrie's are text there, which <see cref="SchemaCheck"/> takes back.</summary>
    Text,
    /// <summary>
    /// <c>describe</c> and <c>rollout</c> compare the template of a Deployment with those of its ReplicaSets, and <c>debug</c> copies a pod: both carry the annotation that the templates of
    /// ReplicaSets carry (<see cref="KeptPermissions"/>).
    /// </summary>
    Annotated,
}

public static class KubectlViews
{
    /// <param name="command">The header, e.g. <c>kubectl rollout undo</c>; empty: another client.</param>
    public static KubectlView Of(string command) => command.Split(' ').ElementAtOrDefault(1) switch
    {
        "edit" => KubectlView.Text,
        "describe" or "rollout" or "debug" => KubectlView.Annotated,
        _ => KubectlView.None,
    };

    public static JsonObject Show(this KubectlView view, ResourceKind kind, Schema? schema, JsonObject document) => view switch
    {
        KubectlView.Text when schema is not null && kind.Custom is null => OwnFields.AsText(schema, document),
        KubectlView.Annotated when kind == Kinds.Pod => Annotated(document, pod => pod),
        KubectlView.Annotated when kind == Kinds.Deployment && document["spec"]?["template"] is JsonObject => Annotated(document, deployment => deployment["spec"]!["template"]!.AsObject()),
        _ => document,
    };

    private static JsonObject Annotated(JsonObject document, Func<JsonObject, JsonObject> template)
    {
        var made = (JsonObject)document.DeepClone();
        KeptPermissions.Keep(template(made));
        return made;
    }
}
