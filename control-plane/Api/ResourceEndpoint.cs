using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api;

/// <summary>One request to a resource: path and method to a verb, the verb's answer to JSON or a table.</summary>
public sealed class ResourceEndpoint(IObjects objects, Writer writer, INodeGateway nodes)
{
    private const int MaxBody = 3 << 20;

    public async Task HandleAsync(HttpContext context)
    {
        try
        {
            var request = ApiRequest.Parse(context.Request.Path) ?? throw new StatusException(404, "NotFound", "the server could not find the requested resource");
            await VerbAsync(context, request);
        }
        catch (Exception exception) when (Refusal(exception) is not null && !context.Response.HasStarted)
        {
            var refusal = Refusal(exception)!;
            context.Response.StatusCode = refusal.Code;
            await WriteAsync(context, refusal.ToStatus());
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has gone; there is nobody to answer.
        }
    }

    private static StatusException? Refusal(Exception exception) => exception switch
    {
        StatusException status => status,
        ObjectNotFoundException missing => new StatusException(404, "NotFound", missing.Message) { Details = new JsonObject { ["name"] = missing.Name.Name, ["kind"] = missing.Kind.Plural } },
        ObjectExistsException exists => new StatusException(409, "AlreadyExists", exists.Message),
        ObjectConflictException conflict => new StatusException(409, "Conflict", conflict.Message),
        RevisionCompactedException compacted => new StatusException(410, "Expired", compacted.Message),
        StoreUnavailableException unavailable => new StatusException(503, "ServiceUnavailable", unavailable.Message),
        NodeUnreachableException unreachable => new StatusException(503, "ServiceUnavailable", unreachable.Message),
        InvalidOperationException or FormatException => StatusException.BadRequest("a field has the wrong type: " + exception.Message),
        _ => null,
    };

    private Task VerbAsync(HttpContext context, ApiRequest request) => (context.Request.Method, request) switch
    {
        ("GET", { Subresource: "log" }) when request.Kind == Kinds.Pod => LogAsync(context, request),
        ("GET", { Subresource: "scale" }) => ScaleAsync(context, request),
        ("PUT" or "PATCH", { Subresource: "scale" }) => SetScaleAsync(context, request),
        ("POST", { Subresource: "binding" }) when request.Kind == Kinds.Pod => BindAsync(context, request),
        (var method, _) when !Allowed(method, request) => throw NotAllowed(method),
        ("GET", { Name: null }) => context.Request.Query["watch"].ToString() is "true" or "1" ? WatchAsync(context, request) : ListAsync(context, request),
        ("GET", { Subresource: null or "status" }) => GetAsync(context, request),
        ("POST", { Name: null }) => CreateAsync(context, request),
        ("PUT", { Subresource: null or "status", Name: not null }) => UpdateAsync(context, request),
        ("PATCH", { Subresource: null or "status", Name: not null }) => PatchAsync(context, request),
        ("DELETE", { Name: null }) => DeleteCollectionAsync(context, request),
        ("DELETE", { Subresource: null }) => DeleteAsync(context, request),
        var (method, _) => throw NotAllowed(method),
    };

    private static StatusException NotAllowed(string method) => new(405, "MethodNotAllowed", $"the server does not allow {method} on the requested resource");

    /// <summary>Whether the kind or its subresource has the verb at all.</summary>
    private static bool Allowed(string method, ApiRequest request)
    {
        var verbs = request.Subresource is { } part ? request.Kind.AllSubresources.First(subresource => subresource.Name == part).Verbs : request.Kind.Verbs;
        return verbs.Contains((method, request.Name) switch
        {
            ("GET", null) => "list", ("GET", _) => "get", ("POST", _) => "create", ("PUT", _) => "update", ("PATCH", _) => "patch", ("DELETE", null) => "deletecollection", ("DELETE", _) => "delete", _ => "",
        });
    }

    private async Task GetAsync(HttpContext context, ApiRequest request)
    {
        var found = await objects.GetAsync(request.Kind, request.ObjectName, context.RequestAborted) ?? throw new ObjectNotFoundException(request.Kind, request.ObjectName);
        if (WantsTable(context)) await WriteAsync(context, Tables.Of(request.Kind, [found], found.Metadata().Text("resourceVersion")!, true));
        else await WriteAsync(context, found);
    }

    private async Task ListAsync(HttpContext context, ApiRequest request)
    {
        var (items, at) = await SelectAsync(context, request);
        var revision = at.ToString();
        if (WantsTable(context)) { await WriteAsync(context, Tables.Of(request.Kind, items, revision, true)); return; }
        await WriteAsync(context, new JsonObject
        {
            ["kind"] = request.Kind.Kind + "List", ["apiVersion"] = request.Kind.ApiVersion, ["metadata"] = new JsonObject { ["resourceVersion"] = revision }, ["items"] = new JsonArray([.. items]),
        });
    }

    private async Task<(List<JsonObject> Items, Revision At)> SelectAsync(HttpContext context, ApiRequest request)
    {
        var matches = Selector(context, request);
        var list = await objects.ListAsync(request.Kind, request.Namespace, context.RequestAborted);
        return (list.Items.Where(matches).ToList(), list.At);
    }

    private static Func<JsonObject, bool> Selector(HttpContext context, ApiRequest request)
    {
        var matches = Selectors.Parse(context.Request.Query["labelSelector"], context.Request.Query["fieldSelector"]);
        return document => (request.Namespace is null || document.Metadata().Text("namespace") == request.Namespace) && matches(document);
    }

    /// <summary>Without a resourceVersion (or with 0): what is there first, then changes. An object that leaves the selection is a deletion to this watcher.</summary>
    private async Task WatchAsync(HttpContext context, ApiRequest request)
    {
        var matches = Selector(context, request);
        bool table = WantsTable(context), first = true;
        var query = context.Request.Query;
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        ends.CancelAfter(TimeSpan.FromSeconds(long.TryParse(query["timeoutSeconds"], CultureInfo.InvariantCulture, out long seconds) && seconds > 0 ? seconds : 3600));
        Revision after;
        context.Response.ContentType = "application/json";
        async Task SendAsync(string type, JsonObject document)
        {
            JsonObject shown = table && type != "BOOKMARK" ? Tables.Of(request.Kind, [document], document.Metadata().Text("resourceVersion") ?? "", first) : document;
            first = false;
            await context.Response.WriteAsync(new JsonObject { ["type"] = type, ["object"] = shown }.ToJsonString() + "\n", ends.Token);
        }
        bool initial = query["sendInitialEvents"] == "true";
        if (long.TryParse(query["resourceVersion"], CultureInfo.InvariantCulture, out long version) && version > 0 && !initial) after = new Revision(version);
        else
        {
            var list = await objects.ListAsync(request.Kind, request.Namespace, context.RequestAborted);
            after = list.At;
            foreach (var item in list.Items.Where(matches)) await SendAsync("ADDED", item);
            if (initial) await SendAsync("BOOKMARK", Bookmark(request.Kind, after, true));
        }
        await context.Response.Body.FlushAsync(ends.Token);
        try
        {
            await foreach (var batch in objects.WatchAsync(request.Kind, after, ends.Token))
            {
                foreach (var change in batch.Changes)
                {
                    bool now = change.Type != ChangeType.Deleted && matches(change.Document), before = change.Previous is not null && matches(change.Previous);
                    if (now) await SendAsync(before ? "MODIFIED" : "ADDED", change.Document);
                    else if (before) await SendAsync("DELETED", change.Document);
                }
                await context.Response.Body.FlushAsync(ends.Token);
            }
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested)
        {
            if (!context.RequestAborted.IsCancellationRequested) await context.Response.CompleteAsync();
        }
        catch (RevisionCompactedException compacted)
        {
            await context.Response.WriteAsync(new JsonObject { ["type"] = "ERROR", ["object"] = new StatusException(410, "Expired", compacted.Message).ToStatus() }.ToJsonString() + "\n", context.RequestAborted);
        }
    }

    private static JsonObject Bookmark(ResourceKind kind, Revision at, bool initialEnd)
    {
        var metadata = new JsonObject { ["resourceVersion"] = at.ToString() };
        if (initialEnd) metadata["annotations"] = new JsonObject { ["k8s.io/initial-events-end"] = "true" };
        return new JsonObject { ["kind"] = kind.Kind, ["apiVersion"] = kind.ApiVersion, ["metadata"] = metadata };
    }

    private async Task CreateAsync(HttpContext context, ApiRequest request)
    {
        var document = await BodyAsync(context);
        var made = await writer.CreateAsync(request, document, context.Request.Query, context.Response, context.RequestAborted);
        context.Response.StatusCode = 201;
        await WriteAsync(context, made);
    }

    private async Task UpdateAsync(HttpContext context, ApiRequest request)
    {
        var document = await BodyAsync(context);
        var stored = await objects.GetAsync(request.Kind, request.ObjectName, context.RequestAborted) ?? throw new ObjectNotFoundException(request.Kind, request.ObjectName);
        if (request.Subresource == "status")
        {
            document.Metadata()["namespace"] = request.ObjectName.Namespace;
            document.Metadata()["name"] = request.Name;
            await WriteAsync(context, await objects.UpdateStatusAsync(request.Kind, document, context.RequestAborted));
        }
        else await WriteAsync(context, await writer.UpdateAsync(request, document, stored, context.Request.Query, context.Response, context.RequestAborted));
    }

    /// <summary>Applies the patch to what is stored and writes it at that revision; when another writer came between, anew.</summary>
    private async Task PatchAsync(HttpContext context, ApiRequest request)
    {
        const int Tries = 5;
        var text = await TextAsync(context);
        for (int attempt = 1; ; attempt++)
        {
            var stored = await objects.GetAsync(request.Kind, request.ObjectName, context.RequestAborted) ?? throw new ObjectNotFoundException(request.Kind, request.ObjectName);
            var patched = Patched(context, (JsonObject)stored.DeepClone(), text, Schemas.ModelOf(request.Kind));
            bool asked = patched.Metadata().Text("resourceVersion") != stored.Metadata().Text("resourceVersion");
            try
            {
                await WriteAsync(context, request.Subresource == "status"
                    ? await objects.UpdateStatusAsync(request.Kind, patched, context.RequestAborted)
                    : await writer.UpdateAsync(request, patched, stored, context.Request.Query, context.Response, context.RequestAborted));
                return;
            }
            catch (ObjectConflictException) when (!asked && attempt < Tries)
            {
                context.Response.Headers.Remove("Warning");
            }
        }
    }

    /// <summary>A patch of the request's content type, applied.</summary>
    private static JsonObject Patched(HttpContext context, JsonObject target, string text, Type? model)
    {
        var type = context.Request.ContentType?.Split(';')[0].Trim();
        return (type, Parse(text)) switch
        {
            ("application/strategic-merge-patch+json", JsonObject merge) => Patches.Strategic(target, merge, model),
            ("application/merge-patch+json", JsonObject merge) => Patches.Merge(target, merge),
            ("application/json-patch+json", JsonArray operations) => Patches.JsonPatch(target, operations),
            ("application/strategic-merge-patch+json" or "application/merge-patch+json" or "application/json-patch+json", _) => throw StatusException.BadRequest("the patch has the wrong form for its content type"),
            _ => throw new StatusException(415, "UnsupportedMediaType", $"a patch of type {type} is not supported; supported are JSON patch, merge patch and strategic merge patch"),
        };
    }

    private async Task DeleteAsync(HttpContext context, ApiRequest request)
    {
        if (request.Kind == Kinds.Namespace && request.Name is "default" or "kube-system" or "kube-node-lease") throw new StatusException(403, "Forbidden", $"namespaces \"{request.Name}\" is forbidden: this namespace may not be deleted");
        await WriteAsync(context, await objects.DeleteAsync(request.Kind, request.ObjectName, await OptionsAsync(context), context.RequestAborted));
    }

    private async Task DeleteCollectionAsync(HttpContext context, ApiRequest request)
    {
        var options = await OptionsAsync(context);
        var (items, at) = await SelectAsync(context, request);
        foreach (var item in items)
        {
            try
            {
                await objects.DeleteAsync(request.Kind, ObjectStamp.NameOf(item), options, context.RequestAborted);
            }
            catch (ObjectNotFoundException)
            {
                // Somebody else deleted it meanwhile; that is what was asked for.
            }
        }
        await WriteAsync(context, new JsonObject { ["kind"] = request.Kind.Kind + "List", ["apiVersion"] = request.Kind.ApiVersion, ["metadata"] = new JsonObject { ["resourceVersion"] = at.ToString() }, ["items"] = new JsonArray([.. items]) });
    }

    private static async Task<DeleteOptions> OptionsAsync(HttpContext context)
    {
        var text = await TextAsync(context);
        var body = text.Length == 0 ? [] : Parse(text) as JsonObject ?? throw StatusException.BadRequest("DeleteOptions must be an object");
        long? grace = body["gracePeriodSeconds"]?.GetValue<long>();
        if (long.TryParse(context.Request.Query["gracePeriodSeconds"], CultureInfo.InvariantCulture, out long queried)) grace = queried;
        if (grace < 0) throw StatusException.BadRequest("gracePeriodSeconds must not be negative");
        return new DeleteOptions(grace, body["preconditions"]?["uid"]?.ToString(), body["preconditions"]?["resourceVersion"]?.ToString(), body["propagationPolicy"]?.ToString());
    }

    private async Task BindAsync(HttpContext context, ApiRequest request)
    {
        var binding = await BodyAsync(context);
        var pod = await objects.GetAsync(Kinds.Pod, request.ObjectName, context.RequestAborted) ?? throw new ObjectNotFoundException(request.Kind, request.ObjectName);
        if (pod["spec"]?["nodeName"]?.ToString() is { Length: > 0 } node) throw new StatusException(409, "Conflict", $"pod {request.Name} is already assigned to node \"{node}\"");
        pod["spec"]!["nodeName"] = binding["target"]?["name"]?.ToString() ?? throw StatusException.BadRequest("target.name is required");
        await objects.UpdateAsync(Kinds.Pod, pod, context.RequestAborted);
        context.Response.StatusCode = 201;
        await WriteAsync(context, new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["code"] = 201 });
    }

    private async Task ScaleAsync(HttpContext context, ApiRequest request) => await WriteAsync(context, Scale(request.Kind.Scale!, await FoundAsync(context, request)));

    private async Task<JsonObject> FoundAsync(HttpContext context, ApiRequest request) =>
        await objects.GetAsync(request.Kind, request.ObjectName, context.RequestAborted) ?? throw new ObjectNotFoundException(request.Kind, request.ObjectName);

    /// <summary>PUT and PATCH of <c>scale</c>: the change is made to the Scale, and its replicas are written to the object.</summary>
    private async Task SetScaleAsync(HttpContext context, ApiRequest request)
    {
        var text = await TextAsync(context);
        var paths = request.Kind.Scale!;
        while (true)
        {
            var stored = await FoundAsync(context, request);
            var scale = Scale(paths, stored);
            var wanted = context.Request.Method == "PUT" ? Parse(text) as JsonObject : Patched(context, scale, text, null);
            if (Fields.At(wanted, "metadata.resourceVersion")?.ToString() is { Length: > 0 } version && version != stored.Metadata().Text("resourceVersion"))
                throw new ObjectConflictException(request.Kind, request.ObjectName, "the object has been modified; please apply your changes to the latest version and try again");
            var changed = (JsonObject)stored.DeepClone();
            Fields.Set(changed, paths.Replicas, Fields.At(wanted, "spec.replicas")?.GetValue<int>() ?? throw StatusException.BadRequest("spec.replicas is required"));
            try
            {
                await WriteAsync(context, Scale(paths, await writer.UpdateAsync(request with { Subresource = null }, changed, stored, context.Request.Query, context.Response, context.RequestAborted)));
                return;
            }
            catch (ObjectConflictException)
            {
                // Another writer came between; the scale is wanted on top of what it wrote.
            }
        }
    }

    private static JsonObject Scale(ScalePaths paths, JsonObject document) => new()
    {
        ["kind"] = "Scale", ["apiVersion"] = "autoscaling/v1",
        ["metadata"] = Kept(document.Metadata(), "name", "namespace", "uid", "resourceVersion", "creationTimestamp"),
        ["spec"] = new JsonObject { ["replicas"] = Fields.At(document, paths.Replicas)?.DeepClone() ?? 0 },
        ["status"] = new JsonObject { ["replicas"] = Fields.At(document, paths.StatusReplicas)?.DeepClone() ?? 0, ["selector"] = Selectors.Print(Fields.At(document, paths.Selector)) },
    };

    private static JsonObject Kept(JsonObject source, params IEnumerable<string> names) => new(names.Where(source.ContainsKey).Select(name => KeyValuePair.Create(name, source[name]?.DeepClone())));

    private async Task LogAsync(HttpContext context, ApiRequest request)
    {
        var pod = await objects.GetAsync(Kinds.Pod, request.ObjectName, context.RequestAborted) ?? throw new ObjectNotFoundException(request.Kind, request.ObjectName);
        var query = context.Request.Query;
        long? Number(string name) => long.TryParse(query[name], CultureInfo.InvariantCulture, out long value) ? value : null;
        var names = ContainerNames(pod, "containers").ToList();
        var everyName = names.Concat(ContainerNames(pod, "initContainers")).Concat(ContainerNames(pod, "ephemeralContainers"));
        var container = query["container"].ToString() is { Length: > 0 } named ? everyName.Contains(named) ? named : throw StatusException.BadRequest($"container {named} is not valid for pod {request.Name}") : names.Count == 1 ? names[0]
            : throw StatusException.BadRequest($"a container name must be specified for pod {request.Name}, choose one of: [{string.Join(' ', names)}]");
        if (pod["spec"]?["nodeName"]?.ToString() is not { Length: > 0 } node) throw StatusException.BadRequest($"pod {request.Name} does not have a host assigned");
        if (Waiting(pod, container) is { } reason) throw StatusException.BadRequest($"container \"{container}\" in pod \"{request.Name}\" is waiting to start: {reason}");
        var since = Number("sinceSeconds") is { } ago ? DateTimeOffset.UtcNow.AddSeconds(-ago) : DateTimeOffset.TryParse(query["sinceTime"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : (DateTimeOffset?)null;
        var options = new LogOptions(container, query["follow"] == "true", query["previous"] == "true", Number("tailLines"), query["timestamps"] == "true", since, Number("limitBytes"));
        context.Response.ContentType = "text/plain";
        await foreach (var chunk in nodes.LogsAsync(node, pod.Metadata().Text("uid")!, options, context.RequestAborted))
        {
            await context.Response.Body.WriteAsync(chunk, context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    private static IEnumerable<string> ContainerNames(JsonObject pod, string list) => (pod["spec"]?[list] as JsonArray ?? []).Select(container => container!["name"]!.ToString());

    /// <summary>Why a container has no log yet; null when it has run, or its state is not known.</summary>
    private static string? Waiting(JsonObject pod, string container)
    {
        var statuses = new[] { "containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses" }.SelectMany(list => (pod["status"]?[list] as JsonArray ?? []).OfType<JsonObject>());
        var status = statuses.FirstOrDefault(status => status.Text("name") == container);
        return status?["lastState"]?["terminated"] is null && status?["state"]?["waiting"] is JsonObject waiting ? waiting.Text("reason") ?? "ContainerCreating" : null;
    }

    private static bool WantsTable(HttpContext context) => context.Request.Headers.Accept.ToString().Contains("as=Table", StringComparison.Ordinal);

    private static async Task<JsonObject> BodyAsync(HttpContext context)
    {
        if (context.Request.ContentType?.StartsWith("application/vnd.kubernetes.protobuf", StringComparison.Ordinal) == true)
            throw new StatusException(415, "UnsupportedMediaType", "protobuf is not supported; send application/json");
        return Parse(await TextAsync(context)) as JsonObject ?? throw StatusException.BadRequest("the body must be an object");
    }

    private static JsonNode? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = 64, AllowDuplicateProperties = false });
        }
        catch (JsonException exception)
        {
            throw StatusException.BadRequest("the body is not valid JSON: " + exception.Message);
        }
    }

    private static async Task<string> TextAsync(HttpContext context)
    {
        if (context.Request.ContentLength > MaxBody) throw new StatusException(413, "RequestEntityTooLarge", $"the body has more than {MaxBody} bytes");
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        return await reader.ReadToEndAsync(context.RequestAborted);
    }

    private static Task WriteAsync(HttpContext context, JsonObject document)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(document.ToJsonString(), context.RequestAborted);
    }
}
