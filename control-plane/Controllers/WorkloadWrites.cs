using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What came of a decision's actions.</summary>
/// <param name="Written">The newest revision written, by kind.</param>
/// <param name="Failure">The gravest refusal or outage; null: none.</param>
public sealed record WriteOutcome(IReadOnlyDictionary<ResourceKind, Revision> Written, Exception? Failure);

/// <summary>Carries out what was decided for one object. A conflict means that the cache was behind; the change that caused it will arrive.</summary>
/// <param name="kind">The object's kind.</param>
/// <param name="name">Its name.</param>
/// <param name="context">Where it is read and written.</param>
public sealed class WorkloadWrites(ResourceKind kind, ObjectName name, WorkloadContext context)
{
    private readonly SimilarEvents _similar = new(context.Clock);

    public async Task<WriteOutcome> ActAsync(IReadOnlyList<WorkloadAction> actions)
    {
        var written = new Dictionary<ResourceKind, Revision>();
        Exception? failure = null;
        for (int i = 0, together = 1; i < actions.Count;)
        {
            // What is made or deleted is so together, twice as much at a time as before, so that what is refused is refused once.
            int count = actions[i] is CreateObject or DeleteObject ? actions.Skip(i).Take(together).TakeWhile(action => action.GetType() == actions[i].GetType()).Count() : 1;
            together = count == together ? together * 2 : 1;
            if (actions[i] is not CreateObject || failure is not ObjectForbiddenException)
                foreach (var (of, revision, wrong) in await Task.WhenAll(actions.Skip(i).Take(count).Select(TryAsync)))
                {
                    if (of is not null && revision.CompareTo(written.GetValueOrDefault(of)) > 0) written[of] = revision;
                    if (wrong is not null && (failure is null || wrong is ObjectForbiddenException)) failure = wrong;
                }
            i += count;
        }
        if (failure is ObjectForbiddenException { Terminating: true }) return new WriteOutcome(written, null); // the object itself is about to go
        if (failure is ObjectForbiddenException)
        {
            Report("Warning", "FailedCreate", "Error creating: " + failure.Message);
            if (ReplicaFailure.IsOf(kind)) await TellAsync(failure.Message, written);
        }
        return new WriteOutcome(written, failure);
    }

    /// <summary>The condition is about the object as it is in the store by now; one that was written meanwhile is decided about anew, and told then.</summary>
    private async Task TellAsync(string message, Dictionary<ResourceKind, Revision> written)
    {
        if (await context.Objects.GetAsync(kind, name, CancellationToken.None) is not { } set || ReplicaFailure.Told(set, message, context.Clock.GetUtcNow()) is not { } told) return;
        if (await TryAsync(new UpdateObjectStatus(kind, told)) is { Kind: not null, At: var at }) written[kind] = at;
    }

    private void Report(string type, string reason, string message)
    {
        if (context.Cache.Get(kind, name) is { } document) context.Events.Write(document, type, reason, message, 1);
    }

    /// <summary>Says that it was done.</summary>
    private void Done(WorkloadAction action, string made)
    {
        if (WorkloadEvents.Of(kind, name.Name, action, made) is not { } told || context.Cache.Get(kind, name) is not { } document) return;
        if (_similar.IsSingle(told.Reason)) context.Events.Write(document, told.Type, told.Reason, told.Message, 1);
        else context.Events.Write(document, told.Type, told.Reason, SimilarEvents.Combined + told.Message, 1, SimilarEvents.Combined);
    }

    private async Task<(ResourceKind? Kind, Revision At, Exception? Failure)> TryAsync(WorkloadAction action)
    {
        if (action is Report report)
        {
            Report(report.Type, report.Reason, report.Message);
            return (null, Revision.Zero, null);
        }
        try
        {
            if (action is CreateObject create)
            {
                var (made, at) = await context.Objects.MakeAsync(create.Kind, create.Document, CancellationToken.None);
                Done(action, made.Name);
                return (create.Kind, at, null);
            }
            var (of, document) = await ApplyAsync(action);
            Done(action, "");
            return (of, new Revision(long.TryParse(document.Metadata().Text("resourceVersion"), CultureInfo.InvariantCulture, out long revision) ? revision : 0), null);
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException or ObjectExistsException)
        {
            return (null, Revision.Zero, action is CreateObject ? exception : null); // what changed meanwhile arrives through the feed
        }
        catch (Exception exception) when (exception is ObjectForbiddenException or StoreUnavailableException)
        {
            return (null, Revision.Zero, exception);
        }
    }

    private async Task<(ResourceKind Kind, JsonObject Document)> ApplyAsync(WorkloadAction action) => action switch
    {
        UpdateObject update => (update.Kind, await context.Objects.UpdateAsync(update.Kind, update.Document, CancellationToken.None)),
        UpdateObjectStatus status => (status.Kind, await context.Objects.UpdateStatusAsync(status.Kind, status.Document, CancellationToken.None)),
        DeleteObject delete => (delete.Kind, await context.Objects.DeleteAsync(delete.Kind, delete.Name, new DeleteOptions(Uid: delete.Uid), CancellationToken.None)),
        _ => throw new InvalidOperationException($"no way to apply {action}"),
    };
}
