using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>get and list.</summary>
public sealed class Reads(IObjects objects, Catalog catalog)
{
    /// <summary>Objects read from the store at once, when a selector passes over some of them.</summary>
    private const int Chunk = 500;

    /// <summary>Bytes of a list that are written before the client must have taken some of them.</summary>
    private const int Burst = 256 << 10;

    public async Task GetAsync(Call call)
    {
        if (!IsStoredText(call)) { await call.AnswerAsync(Seen(call, await FoundAsync(call))); return; }
        var found = await objects.EncodedAsync(call.Kind, call.Name, call.Ends) ?? throw new ObjectNotFoundException(call.Kind, call.Name);
        call.Http.Response.ContentType = "application/json";
        found.WriteTo(call.Http.Response.BodyWriter);
        await call.Http.Response.BodyWriter.FlushAsync(call.Ends);
    }

    /// <summary>Whether the answer is what is stored, word for word.</summary>
    private static bool IsStoredText(Call call) => call.Shape is { Kind: ShapeKind.Full, Yaml: false } && call.Kind is { Custom: null, View: null } && call.View == KubectlView.None;

    private JsonObject Seen(Call call, JsonObject document) => call.View.Show(call.Kind, catalog.SchemaOf(call.Kind), document);

    public async Task<JsonObject> FoundAsync(Call call) => await objects.GetAsync(call.Kind, call.Name, call.Ends) ?? throw new ObjectNotFoundException(call.Kind, call.Name);

    public async Task ListAsync(Call call)
    {
        if (IsStoredText(call))
        {
            var (chosen, about) = await ChooseAsync(call);
            await SendAsync(call, chosen, about);
            return;
        }
        var (items, metadata) = await SelectAsync(call);
        await call.SendAsync(call.Shape.ShowList(call.Kind, items.Select(item => Seen(call, item)), metadata));
    }

    private static bool IsEverything(Call call) => call.Query["labelSelector"].ToString().Length == 0 && call.Query["fieldSelector"].ToString().Length == 0;

    private static async Task SendAsync(Call call, IReadOnlyList<EncodedObject> items, JsonObject metadata)
    {
        var head = call.Shape.ShowList(call.Kind, [], metadata);
        head.Remove("items");
        call.Http.Response.ContentType = "application/json";
        var target = call.Http.Response.BodyWriter;
        target.Write(JsonSerializer.SerializeToUtf8Bytes(head).AsSpan()[..^1]);
        target.Write(",\"items\":["u8);
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0) target.Write(","u8);
            items[i].WriteTo(target);
            if (target.UnflushedBytes > Burst) await target.FlushAsync(call.Ends);
        }
        target.Write("]}"u8);
        await target.FlushAsync(call.Ends);
    }

    /// <summary>What the selectors choose, a page of it if a limit is given, and the metadata of that list.</summary>
    public async Task<(IReadOnlyList<JsonObject> Items, JsonObject Metadata)> SelectAsync(Call call)
    {
        if (call.Kind is { Custom: null, View: null })
        {
            var (chosen, metadata) = await ChooseAsync(call);
            return ([.. chosen.Select(item => item.Read())], metadata);
        }
        return await ChooseAsync(call, async query =>
        {
            var page = await objects.PageAsync(call.Kind, call.Request.Namespace, query, call.Ends);
            return new Part<JsonObject>(page.Items, page.At, page.Last, page.Remaining);
        }, Selection(call), item => call.Kind.Key(ObjectStamp.NameOf(item)));
    }

    /// <summary>The same as text: objects that are not chosen are not read.</summary>
    private Task<(IReadOnlyList<EncodedObject> Items, JsonObject Metadata)> ChooseAsync(Call call)
    {
        var chooses = Selectors.Choice(call.Query["labelSelector"], call.Query["fieldSelector"], call.Kind);
        var fields = Selectors.FieldsOf(call.Kind);
        bool everything = IsEverything(call);
        return ChooseAsync(call, async query =>
        {
            var page = await objects.EncodedPageAsync(call.Kind, call.Request.Namespace, query, call.Ends);
            return new Part<EncodedObject>(page.Items, page.At, page.Last, page.Remaining);
        }, item => everything || chooses(SelectedFields.Of(item, fields)), item => item.Entry.Key);
    }

    private readonly record struct Part<T>(IReadOnlyList<T> Items, Revision At, string? Last, long Remaining);

    private static async Task<(IReadOnlyList<T> Items, JsonObject Metadata)> ChooseAsync<T>(Call call, Func<PageQuery, Task<Part<T>>> read, Func<T, bool> matches, Func<T, string> keyOf)
    {
        var query = ListQuery.Of(call);
        var (after, at) = (query.After, query.At);
        var items = new List<T>();
        bool everything = IsEverything(call);
        long? remaining;
        do
        {
            var wanted = new PageQuery(after, query.Limit == 0 ? 0 : everything ? query.Limit : Chunk, at);
            var part = await HeldAsync(after, () => read(wanted));
            if (query.NotOlderThan.CompareTo(part.At) > 0) throw TooNew(query.NotOlderThan, part.At);
            (at, after) = (part.At, part.Last);
            remaining = everything && after is not null ? part.Remaining : null; // of what selectors would choose nobody knows
            foreach (var item in part.Items.Where(matches))
            {
                if (query.Limit > 0 && items.Count == query.Limit) { after = keyOf(items[^1]); goto full; }
                items.Add(item);
            }
        } while (after is not null && items.Count < query.Limit);
    full:
        var metadata = new JsonObject { ["resourceVersion"] = at.ToString() };
        if (after is not null) metadata["continue"] = new ContinueToken(at, after).ToString();
        if (remaining is { } count) metadata["remainingItemCount"] = count;
        return (items, metadata);
    }

    /// <summary>A page of a list that began at a revision which may have been forgotten meanwhile.</summary>
    private static async Task<T> HeldAsync<T>(string? after, Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (RevisionCompactedException) when (after is not null)
        {
            var rest = new ContinueToken(Revision.Zero, after).ToString();
            throw new StatusException(410, "Expired", "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.") { ListMetadata = new JsonObject { ["continue"] = rest } };
        }
    }

    public static StatusException TooNew(Revision asked, Revision current) =>
        new(504, "Timeout", string.Create(CultureInfo.InvariantCulture, $"Too large resource version: {asked}, current: {current}")) { Details = new JsonObject { ["causes"] = new JsonArray(new JsonObject { ["reason"] = "ResourceVersionTooLarge", ["message"] = "Too large resource version" }), ["retryAfterSeconds"] = 1 } };

    /// <summary>Whether an object is one of those that the request is about.</summary>
    public static Func<JsonObject, bool> Selection(Call call)
    {
        var matches = Selectors.Parse(call.Query["labelSelector"], call.Query["fieldSelector"], call.Kind);
        var (space, name) = (call.Request.Namespace, call.Request.Name);
        return document => (space is null || document.Metadata().Text("namespace") == space) && (name is null || document.Metadata().Text("name") == name) && matches(document);
    }
}
