using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Resources;

/// <summary><see cref="IObjects"/> over a store: one key an object, its JSON the value, the store's revision the resourceVersion. Events go with their lease, an hour after they were last written.</summary>
/// <param name="store">Where they are kept.</param>
/// <param name="clock">Says what time it is.</param>
/// <param name="eventsKept">How long Events are kept.</param>
public sealed class Objects(IStore store, TimeProvider clock, TimeSpan eventsKept) : IObjects
{
    /// <summary>As kube-apiserver keeps Events (--event-ttl).</summary>
    public static readonly TimeSpan EventsKept = TimeSpan.FromHours(1);

    private readonly SharedLease _events = new(store, eventsKept);

    public Objects(IStore store, TimeProvider clock) : this(store, clock, EventsKept) { }

    private const string SuffixAlphabet = "bcdfghjklmnpqrstvwxz2456789"; // as Kubernetes: no vowels, so that no word appears

    /// <summary>Changes that watchers which keep up with the store find read already.</summary>
    private const int Shared = 1024;

    /// <summary>What watchers are told of the latest changes: read once for all of them.</summary>
    private readonly Recent<StoreChange, Lazy<ObjectChange>> _changes = new(Shared);

    /// <summary>Writes that can be on their way to the store and back at once: the pods of many sets, and their bindings.</summary>
    private const int OnTheirWay = 8192;

    /// <summary>Documents that were written and that nobody alters any more, by the bytes they became: watchers get them as they are, where the store hands on the very bytes.</summary>
    private readonly Recent<byte[], JsonObject> _written = new(OnTheirWay);

    public async Task<JsonObject?> GetAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken) => (await FindAsync(kind, name, cancellationToken))?.Document;

    public async Task<ObjectList> ListAsync(ResourceKind kind, string? @namespace, CancellationToken cancellationToken)
    {
        var prefix = @namespace is null || !kind.Namespaced ? kind.KeyPrefix : kind.KeyPrefix + @namespace + "/";
        var found = await store.RangeAsync(new RangeQuery(prefix, After(prefix)), cancellationToken);
        return new ObjectList([.. found.Entries.Select(entry => Parse(kind, entry.Value, entry.Modified))], found.At);
    }

    public async Task<ObjectPage> PageAsync(ResourceKind kind, string? @namespace, PageQuery page, CancellationToken cancellationToken)
    {
        var prefix = @namespace is null || !kind.Namespaced ? kind.KeyPrefix : kind.KeyPrefix + @namespace + "/";
        var start = page.After is null ? prefix : page.After + "\0";
        var found = await store.RangeAsync(new RangeQuery(start, After(prefix), page.Limit, page.At), cancellationToken);
        return new ObjectPage([.. found.Entries.Select(entry => Parse(kind, entry.Value, entry.Modified))], found.At, found.More ? found.Entries[^1].Key : null, found.Remaining);
    }

    public async Task<EncodedPage> EncodedPageAsync(ResourceKind kind, string? @namespace, PageQuery page, CancellationToken cancellationToken)
    {
        var prefix = @namespace is null || !kind.Namespaced ? kind.KeyPrefix : kind.KeyPrefix + @namespace + "/";
        var found = await store.RangeAsync(new RangeQuery(page.After is null ? prefix : page.After + "\0", After(prefix), page.Limit, page.At), cancellationToken);
        return new EncodedPage([.. found.Entries.Select(entry => new EncodedObject(entry))], found.At, found.More ? found.Entries[^1].Key : null, found.Remaining);
    }

    public async Task<EncodedObject?> EncodedAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken)
    {
        var key = kind.Key(name);
        var found = await store.RangeAsync(new RangeQuery(key, key + "\0"), cancellationToken);
        return found.Entries.Count == 0 ? null : new EncodedObject(found.Entries[0]);
    }

    public async Task<JsonObject> CreateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        bool generated = string.IsNullOrEmpty(document.Metadata().Text("name"));
        while (true)
        {
            var made = ObjectStamp.New(kind, document, Guid.NewGuid(), clock.GetUtcNow(), RandomNumberGenerator.GetString(SuffixAlphabet, 5));
            var name = ObjectStamp.NameOf(made);
            var key = kind.Key(name);
            var result = await CommitAsync(kind, new Compare(key, Revision.Zero), Put(kind, key, made), cancellationToken);
            if (result.Committed) return Versioned(made, result.At);
            if (!generated) throw new ObjectExistsException(kind, name);
        }
    }

    public async Task<(ObjectName Name, Revision At)> MakeAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        bool generated = string.IsNullOrEmpty(document.Metadata().Text("name"));
        while (true)
        {
            ObjectStamp.Begin(kind, document, Guid.NewGuid(), clock.GetUtcNow(), RandomNumberGenerator.GetString(SuffixAlphabet, 5));
            var name = ObjectStamp.NameOf(document);
            var key = kind.Key(name);
            var put = Put(kind, key, document);
            Hand(kind, put, document);
            var result = await CommitAsync(kind, new Compare(key, Revision.Zero), put, cancellationToken);
            if (result.Committed) return (name, result.At);
            if (!generated) throw new ObjectExistsException(kind, name);
            document.Metadata().Remove("name");
        }
    }

    /// <summary>Watchers get the document that was written, which nobody alters any more. Events are many, and few watch them.</summary>
    private void Hand(ResourceKind kind, Write put, JsonObject document)
    {
        if (IsEvent(kind)) return;
        if (put.Value is not { } value || kind is not { Custom: null, View: null } || !MemoryMarshal.TryGetArray(value, out var bytes)) return;
        DocumentReader.Settle(document);
        _written.Set(bytes.Array!, document);
    }

    public Task<JsonObject> UpdateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken) =>
        WriteAsync(kind, document, stored => ObjectStamp.Replace(kind, stored, document), cancellationToken);

    public Task<JsonObject> UpdateStatusAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken) =>
        WriteAsync(kind, document, stored => ObjectStamp.ReplaceStatus(stored, document), cancellationToken);

    private async Task<JsonObject> WriteAsync(ResourceKind kind, JsonObject document, Func<JsonObject, JsonObject> change, CancellationToken cancellationToken)
    {
        var name = ObjectStamp.NameOf(document);
        var wanted = document.Metadata().Text("resourceVersion");
        while (true)
        {
            var (stored, modified) = await FindAsync(kind, name, cancellationToken) ?? throw new ObjectNotFoundException(kind, name);
            ObjectConflictException.Check(kind, stored, document);
            var made = change(stored);
            bool gone = ObjectStamp.IsFree(kind, made) && ObjectStamp.HasFinalizers(stored);
            stored.Metadata().Remove("resourceVersion");
            if (!gone && JsonNode.DeepEquals(stored, made)) return Versioned(made, modified);
            var key = kind.Key(name);
            var result = await CommitAsync(kind, new Compare(key, modified), Put(kind, key, gone ? null : made), cancellationToken);
            if (result.Committed) return Versioned(made, result.At);
            if (!string.IsNullOrEmpty(wanted)) throw ObjectConflictException.Modified(kind, name);
        }
    }

    public async Task<bool> ChangeAsync(ResourceKind kind, ObjectName name, Func<JsonObject, bool> change, CancellationToken cancellationToken)
    {
        var key = kind.Key(name);
        while (await FindAsync(kind, name, cancellationToken) is var (stored, modified))
        {
            bool held = ObjectStamp.HasFinalizers(stored);
            if (!change(stored)) return false;
            stored.Metadata().Remove("resourceVersion");
            bool gone = held && ObjectStamp.IsFree(kind, stored);
            var put = Put(kind, key, gone ? null : stored);
            Hand(kind, put, stored);
            if ((await CommitAsync(kind, new Compare(key, modified), put, cancellationToken)).Committed) return true;
        }
        return false;
    }

    public async Task<JsonObject> DeleteAsync(ResourceKind kind, ObjectName name, DeleteOptions options, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (stored, modified) = await FindAsync(kind, name, cancellationToken) ?? throw new ObjectNotFoundException(kind, name);
            options.Check(kind, name, stored);
            var next = AfterDelete(kind, stored, options);
            stored.Metadata().Remove("resourceVersion");
            if (next is not null && JsonNode.DeepEquals(stored, next)) return Versioned(next, modified);
            var key = kind.Key(name);
            var result = await CommitAsync(kind, new Compare(key, modified), Put(kind, key, next), cancellationToken);
            if (result.Committed) return Versioned(next ?? stored, result.At);
        }
    }

    /// <summary>What a deletion leaves: null when the object goes at once.</summary>
    private JsonObject? AfterDelete(ResourceKind kind, JsonObject stored, DeleteOptions options)
    {
        bool marked = stored.Metadata()["deletionTimestamp"] is not null;
        var kept = Finalizers.For(stored, options.Propagation);
        bool finalizers = ObjectStamp.HasFinalizers(kept);
        long grace = 0;
        if (kind == Kinds.Pod && stored["spec"] is JsonObject spec && spec.Text("nodeName") is { Length: > 0 } && stored["status"]?["phase"]?.GetValue<string>() is not ("Succeeded" or "Failed"))
            grace = options.GraceSeconds ?? spec["terminationGracePeriodSeconds"]?.GetValue<long>() ?? 30;
        if (kind == Kinds.Namespace && stored["spec"]?["finalizers"] is JsonArray { Count: > 0 }) finalizers = true;
        if (grace == 0 && !finalizers) return null;
        if (marked && stored.Metadata()["deletionGracePeriodSeconds"]?.GetValue<long>() <= grace) return Clean(kept);
        var made = ObjectStamp.MarkDeleted(kept, clock.GetUtcNow(), grace);
        if (kind == Kinds.Namespace) made["status"] = new JsonObject { ["phase"] = "Terminating" };
        return made;
    }

    private static JsonObject Clean(JsonObject stored)
    {
        var made = (JsonObject)stored.DeepClone();
        made.Metadata().Remove("resourceVersion");
        return made;
    }

    public async IAsyncEnumerable<ObjectBatch> WatchAsync(ResourceKind kind, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var batch in store.WatchAsync(kind.KeyPrefix, after, cancellationToken))
            yield return new ObjectBatch([.. batch.Changes.Select(change => kind is { Custom: null, View: null } ? _changes.GetOrAdd(change, one => new Lazy<ObjectChange>(() => Change(kind, one))).Value : Change(kind, change))], batch.At);
    }

    private ObjectChange Change(ResourceKind kind, StoreChange change)
    {
        JsonObject? Previous() => change.Previous is { } before ? Parse(kind, before, change.At) : null;
        if (change.Value is null)
        {
            var last = Previous()!;
            return new ObjectChange(ChangeType.Deleted, kind, ObjectStamp.NameOf(last), last, last);
        }
        var document = MemoryMarshal.TryGetArray(change.Value.Value, out var bytes) && _written.Take(bytes.Array!, out var written) ? Versioned(written, change.At) : Parse(kind, change.Value.Value, change.At);
        return ObjectChange.Read(change.Previous is null ? ChangeType.Added : ChangeType.Modified, kind, ObjectStamp.NameOf(document), document, Previous);
    }

    private async Task<(JsonObject Document, Revision Modified)?> FindAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken)
    {
        var key = kind.Key(name);
        var found = await store.RangeAsync(new RangeQuery(key, key + "\0"), cancellationToken);
        return found.Entries.Count == 0 ? null : (Parse(kind, found.Entries[0].Value, found.Entries[0].Modified), found.Entries[0].Modified);
    }

    private static JsonObject Parse(ResourceKind kind, ReadOnlyMemory<byte> value, Revision revision)
    {
        var document = DocumentReader.Read(value.Span);
        kind.Custom?.AfterRead(document);
        kind.View?.AfterRead(document);
        return Versioned(document, revision);
    }

    private static JsonObject Versioned(JsonObject document, Revision revision)
    {
        document.Metadata()["resourceVersion"] = revision.Value.ToString(CultureInfo.InvariantCulture);
        return document;
    }

    /// <summary>The write of a document, or (null) its removal.</summary>
    private static Write Put(ResourceKind kind, string key, JsonObject? document)
    {
        if (document is null) return new Write(key, null);
        if (kind.View is { } view)
        {
            var stored = (JsonObject)document.DeepClone();
            view.BeforeWrite(stored);
            return new Write(key, JsonSerializer.SerializeToUtf8Bytes(stored));
        }
        if (kind.Custom is { } custom) document["apiVersion"] = custom.StorageVersion;
        var bytes = JsonSerializer.SerializeToUtf8Bytes(document);
        document["apiVersion"] = kind.ApiVersion;
        return new Write(key, bytes);
    }

    private async Task<CommitResult> CommitAsync(ResourceKind kind, Compare decidedOn, Write write, CancellationToken cancellationToken)
    {
        if (write.Value is not null && IsEvent(kind)) write = write with { Lease = await _events.CurrentAsync(cancellationToken) };
        try
        {
            return await store.CommitAsync(new Transaction([decidedOn], [write]), cancellationToken);
        }
        catch (LeaseOverException)
        {
            _events.Forget(); // the next write has another
            throw;
        }
    }

    private static bool IsEvent(ResourceKind kind) => kind == Kinds.Event || kind == Kinds.EventOfGroup;

    private static string After(string prefix) => prefix[..^1] + (char)(prefix[^1] + 1);
}
