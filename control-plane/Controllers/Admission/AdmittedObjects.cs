using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>The objects behind what is asked of everything that is made, by a client or by a controller alike: defaults that only what is made gets.</summary>
public sealed class AdmittedObjects(IObjects inner) : IObjects
{
    public Task<JsonObject> CreateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken) => inner.CreateAsync(kind, Admit(kind, document), cancellationToken);

    /// <summary>The document as it is to be stored.</summary>
    private static JsonObject Admit(ResourceKind kind, JsonObject document)
    {
        if (kind != Kinds.Pod || document["spec"] is null) return document;
        var made = (JsonObject)document.DeepClone();
        Taints.Default(made["spec"]!.AsObject());
        return made;
    }

    public Task<JsonObject?> GetAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken) => inner.GetAsync(kind, name, cancellationToken);

    public Task<ObjectList> ListAsync(ResourceKind kind, string? @namespace, CancellationToken cancellationToken) => inner.ListAsync(kind, @namespace, cancellationToken);

    public Task<ObjectPage> PageAsync(ResourceKind kind, string? @namespace, PageQuery page, CancellationToken cancellationToken) => inner.PageAsync(kind, @namespace, page, cancellationToken);

    public Task<JsonObject> UpdateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken) => inner.UpdateAsync(kind, document, cancellationToken);

    public Task<JsonObject> UpdateStatusAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken) => inner.UpdateStatusAsync(kind, document, cancellationToken);

    public Task<JsonObject> DeleteAsync(ResourceKind kind, ObjectName name, DeleteOptions options, CancellationToken cancellationToken) => inner.DeleteAsync(kind, name, options, cancellationToken);

    public IAsyncEnumerable<ObjectBatch> WatchAsync(ResourceKind kind, Revision after, CancellationToken cancellationToken) => inner.WatchAsync(kind, after, cancellationToken);
}
