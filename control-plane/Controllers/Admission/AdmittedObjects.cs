using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>
/// The objects behind what is asked of everything that is made, by a client or by a controller alike: a namespace that stays, defaults that only what is made gets, limit ranges, quotas. Where a namespace has a
/// quota, what falls under it is made, and changed if that may use more, one after the other: looked at, written, and counted, so that a quota is never exceeded; the count that a crash left out the quota's controller finds.
/// </summary>
public sealed class AdmittedObjects(IObjects inner, ObjectCache cache, KnownKinds known) : IObjects, IAdmission
{
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _homes = new();
    private readonly NamespaceLifecycle _namespaces = new(inner, cache);

    public async Task<JsonObject> CreateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        if (!kind.Namespaced) return await inner.CreateAsync(kind, document, cancellationToken);
        var made = await AdmitAsync(kind, document, cancellationToken);
        if (!IsCounted(kind, made.Namespace())) return await inner.CreateAsync(kind, made, cancellationToken);
        return await CountedAsync(kind, made, null, () => inner.CreateAsync(kind, made, cancellationToken), cancellationToken);
    }

    public async Task<(ObjectName Name, Revision At)> MakeAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        if (!kind.Namespaced) return await inner.MakeAsync(kind, document, cancellationToken);
        if (IsCounted(kind, document.Namespace()))
        {
            var counted = await CreateAsync(kind, document, cancellationToken); // the charge is read from what was made
            return (ObjectStamp.NameOf(counted), new Revision(long.Parse(counted.Metadata().Text("resourceVersion")!, CultureInfo.InvariantCulture)));
        }
        await _namespaces.CheckAsync(kind, document, cancellationToken);
        var errors = new List<string>();
        await DefaultAsync(kind, document, false, errors, cancellationToken);
        if (errors.Count > 0) throw ObjectForbiddenException.Of(kind, document, errors);
        return await inner.MakeAsync(kind, document, cancellationToken);
    }

    public async Task<JsonObject> UpdateAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        if (!Quotas.MayChange(kind) || !IsCounted(kind, document.Namespace())) return await inner.UpdateAsync(kind, document, cancellationToken);
        return await CountedAsync(kind, document, ObjectStamp.NameOf(document), () => inner.UpdateAsync(kind, document, cancellationToken), cancellationToken);
    }

    /// <param name="changed">Which object is changed; null: it is made.</param>
    private async Task<JsonObject> CountedAsync(ResourceKind kind, JsonObject document, ObjectName? changed, Func<Task<JsonObject>> write, CancellationToken cancellationToken)
    {
        var turn = _homes.GetOrAdd(document.Namespace(), _ => new SemaphoreSlim(1));
        await turn.WaitAsync(cancellationToken);
        try
        {
            var before = changed is { } name ? await inner.GetAsync(kind, name, cancellationToken) : null;
            if (changed is not null && before is null) return await write(); // which says that it is not there
            var quotas = await CheckQuotasAsync(kind, document, before, [], cancellationToken);
            var written = await write();
            foreach (var quota in quotas) await ChargeAsync(quota, kind, written, before);
            return written;
        }
        finally
        {
            turn.Release();
        }
    }

    public async Task<JsonObject> AdmitAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken)
    {
        if (kind.Namespaced) await _namespaces.CheckAsync(kind, document, cancellationToken);
        bool counted = IsCounted(kind, document.Namespace());
        if (kind != Kinds.Pod && kind != Kinds.PersistentVolumeClaim && !counted) return document;
        var made = (JsonObject)document.DeepClone();
        var errors = new List<string>();
        await DefaultAsync(kind, made, counted, errors, cancellationToken);
        if (counted) await CheckQuotasAsync(kind, made, null, errors, cancellationToken);
        return errors.Count == 0 ? made : throw ObjectForbiddenException.Of(kind, made, errors);
    }

    /// <summary>Gives a document that is the caller's to alter what it lacks, and says what is wrong with it apart from quotas.</summary>
    private async Task DefaultAsync(ResourceKind kind, JsonObject made, bool counted, List<string> errors, CancellationToken cancellationToken)
    {
        if (kind != Kinds.Pod && kind != Kinds.PersistentVolumeClaim) return;
        var ranges = cache.All(Kinds.LimitRange).Where(range => range.Namespace() == made.Namespace()).ToList();
        if (kind == Kinds.Pod && made["spec"] is JsonObject spec)
        {
            Taints.Default(spec);
            errors.AddRange(await AccountAsync(made, spec, cancellationToken));
            if (ranges.Count > 0 || counted) PodAmounts.DefaultRequests(made);
            if (ranges.Count > 0) LimitRanges.Default(made, ranges);
        }
        if (ranges.Count > 0) errors.AddRange(LimitRanges.Check(kind, made, ranges));
    }

    /// <summary>The account of a pod that names none is <c>default</c>; one that is named must be there.</summary>
    private async Task<IEnumerable<string>> AccountAsync(JsonObject pod, JsonObject spec, CancellationToken cancellationToken)
    {
        var account = spec.Text("serviceAccountName") is { Length: > 0 } named ? named : spec.Text("serviceAccount") is { Length: > 0 } older ? older : "default";
        (spec["serviceAccountName"], spec["serviceAccount"]) = (account, account);
        var name = new ObjectName(pod.Namespace(), account);
        if (account == "default" || cache.Get(Kinds.ServiceAccount, name) is not null || await inner.GetAsync(Kinds.ServiceAccount, name, cancellationToken) is not null) return [];
        return [$"error looking up service account {name}: serviceaccount \"{account}\" not found"];
    }

    private bool IsCounted(ResourceKind kind, string home) => cache.All(Kinds.ResourceQuota) is { Count: > 0 } quotas && quotas.Any(quota => quota.Namespace() == home && Quotas.Concerns(quota, kind));

    /// <summary>The quotas that the object falls under, at this moment; every refusal together with the errors that are known already.</summary>
    private async Task<IReadOnlyList<JsonObject>> CheckQuotasAsync(ResourceKind kind, JsonObject made, JsonObject? before, List<string> errors, CancellationToken cancellationToken)
    {
        var concerned = new List<JsonObject>();
        foreach (var quota in (await inner.ListAsync(Kinds.ResourceQuota, made.Namespace(), cancellationToken)).Items.Where(quota => Quotas.Concerns(quota, kind)))
        {
            if (before is not null && Quotas.Difference(quota, kind, made, before).Count == 0) continue;
            bool counted = FeedActor.Watched.Contains(kind) || cache.Further.Any(further => further.ToString() == kind.ToString());
            if (!counted || !JsonNode.DeepEquals(quota["status"]?["hard"], quota["spec"]?["hard"])) quota["status"] = Quotas.Status(quota, await SumAsync(quota, cancellationToken));
            if (Quotas.Refusal(quota, kind, made, before, Quantities.Of(quota["status"]?["used"])) is { } refusal) errors.Add(refusal);
            concerned.Add(quota);
        }
        return errors.Count == 0 ? concerned : throw ObjectForbiddenException.Of(kind, made, errors);
    }

    /// <summary>A quota that nobody has counted yet.</summary>
    private async Task<Dictionary<string, decimal>> SumAsync(JsonObject quota, CancellationToken cancellationToken)
    {
        var all = new List<(ResourceKind, JsonObject)>();
        foreach (var kind in known.Stored.Where(kind => kind.Namespaced && Quotas.Concerns(quota, kind))) all.AddRange((await inner.ListAsync(kind, quota.Namespace(), cancellationToken)).Items.Select(item => (kind, item)));
        return Quotas.Sum(quota, all);
    }

    private async Task ChargeAsync(JsonObject quota, ResourceKind kind, JsonObject written, JsonObject? before)
    {
        var used = Quantities.Of(quota["status"]?["used"]);
        Quantities.Add(used, Quotas.Difference(quota, kind, written, before));
        while (true)
        {
            quota["status"] = Quotas.Status(quota, used);
            try
            {
                await inner.UpdateStatusAsync(Kinds.ResourceQuota, quota, CancellationToken.None);
                return;
            }
            catch (ObjectConflictException)
            {
                // Its controller counted between, with or without this one: counted anew from what is there.
                if (await inner.GetAsync(Kinds.ResourceQuota, ObjectStamp.NameOf(quota), CancellationToken.None) is not { } now || now.Uid() != quota.Uid()) return;
                (quota, used) = (now, await SumAsync(now, CancellationToken.None));
            }
            catch (ObjectNotFoundException)
            {
                return; // the quota is gone
            }
        }
    }

    public Task<JsonObject?> GetAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken) => inner.GetAsync(kind, name, cancellationToken);

    public Task<ObjectList> ListAsync(ResourceKind kind, string? @namespace, CancellationToken cancellationToken) => inner.ListAsync(kind, @namespace, cancellationToken);

    public Task<ObjectPage> PageAsync(ResourceKind kind, string? @namespace, PageQuery page, CancellationToken cancellationToken) => inner.PageAsync(kind, @namespace, page, cancellationToken);

    public Task<JsonObject> UpdateStatusAsync(ResourceKind kind, JsonObject document, CancellationToken cancellationToken) => inner.UpdateStatusAsync(kind, document, cancellationToken);

    public Task<bool> ChangeAsync(ResourceKind kind, ObjectName name, Func<JsonObject, bool> change, CancellationToken cancellationToken) => inner.ChangeAsync(kind, name, change, cancellationToken);

    public Task<JsonObject> DeleteAsync(ResourceKind kind, ObjectName name, DeleteOptions options, CancellationToken cancellationToken) =>
        kind == Kinds.Namespace ? _namespaces.DeleteAsync(name, options, cancellationToken) : inner.DeleteAsync(kind, name, options, cancellationToken);

    public Task<EncodedPage> EncodedPageAsync(ResourceKind kind, string? @namespace, PageQuery page, CancellationToken cancellationToken) => inner.EncodedPageAsync(kind, @namespace, page, cancellationToken);

    public Task<EncodedObject?> EncodedAsync(ResourceKind kind, ObjectName name, CancellationToken cancellationToken) => inner.EncodedAsync(kind, name, cancellationToken);

    public IAsyncEnumerable<ObjectBatch> WatchAsync(ResourceKind kind, Revision after, CancellationToken cancellationToken) => inner.WatchAsync(kind, after, cancellationToken);
}
