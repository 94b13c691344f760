using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>
/// Nothing is made in a namespace that is not there or is being deleted, by a client or a controller, as the admission plugin NamespaceLifecycle has it. The cache is asked; only where it says no, or may not
/// know yet of a deletion that went through here, the store is.
/// </summary>
internal sealed class NamespaceLifecycle(IObjects inner, ObjectCache cache)
{
    private readonly Lock _deletion = new();
    private int _deleting;
    private long _deleted; // revision

    /// <exception cref="ObjectNotFoundException">There is no such namespace.</exception>
    /// <exception cref="ObjectForbiddenException">It is being deleted.</exception>
    public async Task CheckAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        var name = new ObjectName("", document.Namespace());
        bool current = Volatile.Read(ref _deleting) == 0 && cache.At(Kinds.Namespace).Value >= Interlocked.Read(ref _deleted);
        if (current && cache.Get(Kinds.Namespace, name) is { } known && !known.IsDeleted()) return;
        var home = await inner.GetAsync(Kinds.Namespace, name, cancellationToken) ?? throw new ObjectNotFoundException(Kinds.Namespace, name);
        if (home.IsDeleted()) throw ObjectForbiddenException.Ending(kind, document);
    }

    public async Task<JsonObject> DeleteAsync(ObjectName name, DeleteOptions options, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _deleting);
        try
        {
            var marked = await inner.DeleteAsync(Kinds.Namespace, name, options, cancellationToken);
            long at = long.Parse(marked.Metadata().Text("resourceVersion") ?? "0", CultureInfo.InvariantCulture);
            lock (_deletion) _deleted = Math.Max(_deleted, at);
            return marked;
        }
        finally
        {
            Interlocked.Decrement(ref _deleting);
        }
    }
}
