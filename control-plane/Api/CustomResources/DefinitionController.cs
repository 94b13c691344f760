using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>
/// Serves what CustomResourceDefinitions say: keeps the catalog, writes their status, and removes the objects of a definition that is being deleted before it goes itself. What
/// was defined before the server started is served from its first request on.
/// </summary>
public sealed partial class DefinitionController(IObjects objects, Catalog catalog, KnownKinds kinds, TimeProvider clock, ILogger<DefinitionController> log) : BackgroundService
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly Dictionary<ObjectName, JsonObject> _definitions = [];
    private readonly Dictionary<string, Task> _cleaning = [];
    private Revision _at;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        var list = await objects.ListAsync(Kinds.CustomResourceDefinition, null, cancellationToken);
        _definitions.Clear();
        foreach (var item in list.Items) _definitions[ObjectStamp.NameOf(item)] = item;
        _at = list.At;
        Serve([.. _definitions.Values]);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await DecideAsync(stoppingToken);
                await foreach (var batch in objects.WatchAsync(Kinds.CustomResourceDefinition, _at, stoppingToken))
                {
                    _at = batch.At;
                    if (batch.Changes.Count == 0) continue;
                    foreach (var change in batch.Changes)
                    {
                        if (change.Type == ChangeType.Deleted) _definitions.Remove(change.Name);
                        else _definitions[change.Name] = change.Document;
                    }
                    await DecideAsync(stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is RevisionCompactedException or StoreUnavailableException)
            {
                Behind(exception.Message);
                await Task.Delay(Retry, clock, stoppingToken);
                await LoadAsync(stoppingToken);
            }
        }
    }

    /// <summary>Serves first and says so second: whoever reads that a definition is established finds it served.</summary>
    private async Task DecideAsync(CancellationToken cancellationToken)
    {
        var decided = DefinitionStatus.Decide(_definitions.Values, Kinds.Served, ObjectStamp.Time(clock.GetUtcNow()));
        Serve(decided);
        foreach (var definition in decided)
        {
            if (JsonNode.DeepEquals(definition, _definitions[ObjectStamp.NameOf(definition)])) continue;
            try
            {
                await objects.UpdateStatusAsync(Kinds.CustomResourceDefinition, definition, cancellationToken);
            }
            catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
            {
                // Changed meanwhile: the watch brings it, and it is decided anew.
            }
        }
        foreach (var definition in decided.Where(definition => definition.Metadata()["deletionTimestamp"] is not null)) Clean(definition, cancellationToken);
    }

    private void Serve(IReadOnlyList<JsonObject> definitions)
    {
        catalog.SetCustom([.. definitions.SelectMany(Definition.Kinds)]);
        kinds.SetCustom(definitions.Select(Definition.Stored).OfType<(ResourceKind Kind, Schemas.Schema)>().Select(stored => stored.Kind));
    }

    /// <summary>One removal a definition at a time.</summary>
    private void Clean(JsonObject definition, CancellationToken cancellationToken)
    {
        var uid = definition.Metadata().Text("uid")!;
        if (_cleaning.TryGetValue(uid, out var running) && !running.IsCompleted) return;
        _cleaning[uid] = CleanAsync((JsonObject)definition.DeepClone(), cancellationToken);
    }

    private async Task CleanAsync(JsonObject definition, CancellationToken cancellationToken)
    {
        try
        {
            if (Definition.Stored(definition) is var (kind, _)) await EmptyAsync(kind, cancellationToken);
            var finalizers = definition.Metadata()["finalizers"] as JsonArray ?? [];
            definition.Metadata()["finalizers"] = new JsonArray([.. finalizers.Where(name => name?.ToString() != Definition.Finalizer).Select(name => name?.DeepClone())]);
            definition.Metadata().Remove("resourceVersion");
            await objects.UpdateAsync(Kinds.CustomResourceDefinition, definition, cancellationToken);
        }
        catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
        {
            // Gone already, or made anew under the same name.
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The next start goes on.
        }
        catch (Exception exception) when (exception is RevisionCompactedException or StoreUnavailableException)
        {
            Behind(exception.Message);
            await Task.Delay(Retry, clock, cancellationToken);
            await CleanAsync(definition, cancellationToken);
        }
    }

    /// <summary>Deletes every object of a kind and waits until the last one, which may have finalizers, has gone.</summary>
    private async Task EmptyAsync(ResourceKind kind, CancellationToken cancellationToken)
    {
        while (true)
        {
            var list = await objects.ListAsync(kind, null, cancellationToken);
            if (list.Items.Count == 0) return;
            foreach (var item in list.Items.Where(item => item.Metadata()["deletionTimestamp"] is null))
            {
                try
                {
                    await objects.DeleteAsync(kind, ObjectStamp.NameOf(item), new DeleteOptions(Uid: item.Metadata().Text("uid")), cancellationToken);
                }
                catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
                {
                    // Gone already, or made anew: the next round sees.
                }
            }
            await foreach (var batch in objects.WatchAsync(kind, list.At, cancellationToken))
                if (batch.Changes.Count > 0) break;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "custom resource definitions are read anew: {Cause}")]
    private partial void Behind(string cause);
}
