using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Resources;

/// <summary>
/// Kubernetes objects over the store: the semantics every writer shares (uid, creationTimestamp, resourceVersion, generation,
/// status apart from spec, optimistic concurrency, finalizers, graceful deletion). The API server decodes, defaults and
/// validates before it calls; controllers call it directly. Documents are the stored JSON; a caller owns what it gets
/// (results are fresh copies) and what it passes is not changed.
/// </summary>
public interface IObjects
{
    Task<JsonObject?> GetAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken);

    /// <summary>All objects of a kind, in one namespace or (null) in all, with the revision they were read at.</summary>
    Task<ObjectList> ListAsync(ResourceKind kind, string? @namespace, CancellationToken cancellationToken);

    /// <summary>Part of a list: objects after a key, as of a revision.</summary>
    /// <exception cref="RevisionCompactedException">That revision is no longer held.</exception>
    Task<ObjectPage> PageAsync(ResourceKind kind, string? @namespace, PageQuery page, CancellationToken cancellationToken);

    /// <summary>The same part of a list as text; only of standard kinds, whose text needs nothing done.</summary>
    /// <exception cref="RevisionCompactedException">That revision is no longer held.</exception>
    Task<EncodedPage> EncodedPageAsync(ResourceKind kind, string? @namespace, PageQuery page, CancellationToken cancellationToken);

    /// <summary>An object of a standard kind as text; null: there is none.</summary>
    Task<EncodedObject?> EncodedAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken);

    /// <summary>Stores a new object; metadata.generateName is completed. Sets uid, creationTimestamp, generation 1.</summary>
    /// <exception cref="ObjectExistsException"/>
    Task<JsonObject> CreateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken);

    /// <summary>As <see cref="CreateAsync"/>, of a document that is given away: it becomes the object, watchers get it as it is, and whoever passed it looks at it no more.</summary>
    /// <returns>The name, which may have been completed, and the revision.</returns>
    /// <exception cref="ObjectExistsException"/>
    Task<(ObjectName Name, Revision At)> MakeAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken);

    /// <summary>
    /// Replaces everything but status and system-owned metadata. With metadata.resourceVersion the write happens only at that revision; without,
    /// it is unconditional. An update that changes nothing writes nothing. Removing the last finalizer of a deleted object removes it.
    /// </summary>
    /// <exception cref="ObjectConflictException"/><exception cref="ObjectNotFoundException"/>
    Task<JsonObject> UpdateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken);

    /// <summary>Replaces status only, under the same rules.</summary>
    Task<JsonObject> UpdateStatusAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken);

    /// <summary>
    /// Changes a stored object in place, whatever its revision: for a writer that knows the little it changes and need not see the rest. What it is given is its own to alter while it is asked, and not afterwards; it is asked again
    /// when another writes between. System-owned metadata is left to it.
    /// </summary>
    /// <param name="change">Alters the document; false: leave the object as it is.</param>
    /// <returns>Whether it was written; false also when there is no such object.</returns>
    Task<bool> ChangeAsync(ResourceKind kind, ObjectName name, Func<JsonObject, bool> change, CancellationToken cancellationToken);

    /// <summary>
    /// Deletes. A pod that is bound to a node and whose grace period is not 0 only gets deletionTimestamp and
    /// deletionGracePeriodSeconds (the node confirms, then it is deleted with grace 0); an object with finalizers only gets deletionTimestamp.
    /// Returns the last document.
    /// </summary>
    Task<JsonObject> DeleteAsync(ResourceKind kind, ObjectName name, DeleteOptions options, CancellationToken cancellationToken);

    /// <summary>Changes of a kind after a revision (of a list), each once and in order; every watcher gets the same change, so nobody alters its documents. Empty <see cref="ObjectBatch.Changes"/>: progress.</summary>
    /// <exception cref="RevisionCompactedException"/>
    IAsyncEnumerable<ObjectBatch> WatchAsync(ResourceKind kind, Revision after, CancellationToken cancellationToken);
}

/// <summary>What is asked of an object before it is made.</summary>
public interface IAdmission
{
    /// <summary>The document as it would be stored; nothing is written.</summary>
    /// <exception cref="ObjectForbiddenException"/>
    /// <exception cref="ObjectNotFoundException">Its namespace is not there.</exception>
    Task<JsonObject> AdmitAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken);
}

/// <param name="After">Key of the last object of the page before; null: from the start.</param>
/// <param name="Limit">Most objects; 0: all.</param>
/// <param name="At">Revision to read at; zero: the newest.</param>
public sealed record PageQuery(string? After, int Limit, Revision At);

/// <param name="Items">The objects.</param>
/// <param name="At">Revision they were read at.</param>
/// <param name="Last">Key of the last one, when there are more; null: that was all.</param>
/// <param name="Remaining">How many there are after it.</param>
public sealed record ObjectPage(IReadOnlyList<JsonObject> Items, Revision At, string? Last, long Remaining);

public sealed record ObjectList(IReadOnlyList<JsonObject> Items, Revision At);

/// <param name="GraceSeconds">null: the object's own (pods: spec.terminationGracePeriodSeconds); 0: at once.</param>
/// <param name="Uid">Only this very object.</param>
/// <param name="ResourceVersion">Only at this revision.</param>
/// <param name="Propagation">Background, Foreground or Orphan; null: background. Dependents are the garbage collector's job.</param>
public sealed record DeleteOptions(long? GraceSeconds = null, string? Uid = null, string? ResourceVersion = null, string? Propagation = null)
{
    /// <summary>Refuses an object that is not the one that is meant.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="name">Its name.</param>
    /// <param name="stored">As it is now, with its resourceVersion.</param>
    /// <exception cref="ObjectConflictException">It has another uid, or has changed.</exception>
    public void Check(ResourceKind kind, ObjectName name, JsonObject stored)
    {
        var (uid, version) = (stored.Metadata().Text("uid"), stored.Metadata().Text("resourceVersion"));
        if (Uid is not null && Uid != uid) throw new ObjectConflictException(kind, name, $"the UID in the precondition ({Uid}) does not match the UID in record ({uid}). The object might have been deleted and then recreated");
        if (ResourceVersion is not null && ResourceVersion != version) throw new ObjectConflictException(kind, name, $"the ResourceVersion in the precondition ({ResourceVersion}) does not match the ResourceVersion in record ({version}). The object might have been modified");
    }
}

public enum ChangeType { Added, Modified, Deleted }

/// <summary>A change of one object.</summary>
public sealed class ObjectChange
{
    private readonly Lazy<JsonObject?> _previous;
    private readonly Lazy<bool> _onlyStatus;
    private readonly Lazy<byte[]> _encoded;

    private ObjectChange(ChangeType type, ResourceKind kind, ObjectName name, JsonObject document, Lazy<JsonObject?> previous)
    {
        (Type, Kind, Name, Document, _previous) = (type, kind, name, document, previous);
        _encoded = new(() => JsonSerializer.SerializeToUtf8Bytes(document));
        _onlyStatus = new(() => Previous is { } before && JsonNode.DeepEquals(before["spec"], document["spec"]) && SameMetadata(before.Metadata(), document.Metadata()));
    }

    public ObjectChange(ChangeType type, ResourceKind kind, ObjectName name, JsonObject document, JsonObject? previous) : this(type, kind, name, document, new Lazy<JsonObject?>(previous)) { }

    /// <summary>A change whose state before is made when it is first looked at.</summary>
    public static ObjectChange Read(ChangeType type, ResourceKind kind, ObjectName name, JsonObject document, Func<JsonObject?> previous) => new(type, kind, name, document, new Lazy<JsonObject?>(previous));

    public ChangeType Type { get; }
    public ResourceKind Kind { get; }
    public ObjectName Name { get; }
    /// <summary>The object with the new resourceVersion; for Deleted its last state.</summary>
    public JsonObject Document { get; }
    /// <summary>The document as text, made once for all watchers.</summary>
    public ReadOnlySpan<byte> Encoded => _encoded.Value;
    /// <summary>The state before, or null.</summary>
    public JsonObject? Previous => _previous.Value;

    /// <summary>Nothing but its status is another: most changes of most objects.</summary>
    public bool OnlyStatus => Type == ChangeType.Modified && _onlyStatus.Value;

    /// <summary>The same change of a reader that has the state before at hand.</summary>
    public ObjectChange After(JsonObject? previous) => new(Type, Kind, Name, Document, previous);

    private static bool SameMetadata(JsonObject before, JsonObject now) => before.Count == now.Count && now.All(pair => pair.Key == "resourceVersion" || (before.ContainsKey(pair.Key) && JsonNode.DeepEquals(before[pair.Key], pair.Value)));
}

public sealed record ObjectBatch(IReadOnlyList<ObjectChange> Changes, Revision At);

public sealed class ObjectNotFoundException(ResourceKind kind, ObjectName name) : Exception($"{kind} \"{name.Name}\" not found")
{
    public ResourceKind Kind { get; } = kind;
    public ObjectName Name { get; } = name;
}

/// <summary>The namespace does not allow it: limits, quotas, a missing account. Every reason at once.</summary>
public sealed class ObjectForbiddenException(ResourceKind kind, ObjectName name, IReadOnlyList<string> reasons)
    : Exception($"{kind} \"{name.Name}\" is forbidden: {(reasons.Count == 1 ? reasons[0] : $"[{string.Join(", ", reasons)}]")}")
{
    public ResourceKind Kind { get; } = kind;
    public ObjectName Name { get; } = name;
    /// <summary>The namespace is being deleted: trying again is of no use.</summary>
    public bool Terminating { get; private init; }

    public static ObjectForbiddenException Of(ResourceKind kind, JsonObject document, IReadOnlyList<string> reasons) => new(kind, NameOf(document), reasons);

    /// <summary>Nothing more is made where everything is being deleted.</summary>
    public static ObjectForbiddenException Ending(ResourceKind kind, JsonObject document) => new(kind, NameOf(document), [$"unable to create new content in namespace {NameOf(document).Namespace} because it is being terminated"]) { Terminating = true };

    private static ObjectName NameOf(JsonObject document) => new(document.Metadata().Text("namespace") ?? "", document.Metadata().Text("name") ?? document.Metadata().Text("generateName") ?? "");
}

public sealed class ObjectExistsException(ResourceKind kind, ObjectName name) : Exception($"{kind} \"{name.Name}\" already exists")
{
    public ResourceKind Kind { get; } = kind;
    public ObjectName Name { get; } = name;
}

public sealed class ObjectConflictException(ResourceKind kind, ObjectName name, string reason)
    : Exception($"Operation cannot be fulfilled on {kind} \"{name.Name}\": {reason}")
{
    public ResourceKind Kind { get; } = kind;
    public ObjectName Name { get; } = name;

    /// <summary>Another writer came between.</summary>
    public static ObjectConflictException Modified(ResourceKind kind, ObjectName name) => new(kind, name, "the object has been modified; please apply your changes to the latest version and try again");

    /// <summary>Refuses to write over another object or another revision than those that a document names; it may name none.</summary>
    /// <param name="kind">Kind of both documents.</param>
    /// <param name="stored">As it is now, with its resourceVersion.</param>
    /// <param name="wanted">What is to be written.</param>
    /// <exception cref="ObjectConflictException"/>
    public static void Check(ResourceKind kind, JsonObject stored, JsonObject wanted)
    {
        bool Other(string field) => wanted.Metadata().Text(field) is { Length: > 0 } named && named != stored.Metadata().Text(field);
        if (Other("resourceVersion")) throw Modified(kind, ObjectStamp.NameOf(stored));
        if (Other("uid")) throw new ObjectConflictException(kind, ObjectStamp.NameOf(stored), "the object was deleted and made anew: its uid is another");
    }
}
