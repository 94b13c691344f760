using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>get and list.</summary>
public sealed class Reads(IObjects objects)
{
    /// <summary>Objects read from the store at once, when a selector passes over some of them.</summary>
    private const int Chunk = 500;

    public async Task GetAsync(Call call) => await call.AnswerAsync(await FoundAsync(call));

    public async Task<JsonObject> FoundAsync(Call call) => await objects.GetAsync(call.Kind, call.Name, call.Ends) ?? throw new ObjectNotFoundException(call.Kind, call.Name);

    public async Task ListAsync(Call call)
    {
        var (items, metadata) = await SelectAsync(call);
        await call.SendAsync(call.Shape.ShowList(call.Kind, items, metadata));
    }

    /// <summary>What the selectors choose, a page of it if a limit is given, and the metadata of that list.</summary>
    public async Task<(List<JsonObject> Items, JsonObject Metadata)> SelectAsync(Call call)
    {
        var matches = Selection(call);
        var query = ListQuery.Of(call);
        var (after, at) = (query.After, query.At);
        var items = new List<JsonObject>();
        ObjectPage page;
        bool everything = call.Query["labelSelector"].Count == 0 && call.Query["fieldSelector"].Count == 0;
        do
        {
            int limit = query.Limit == 0 ? 0 : everything ? query.Limit - items.Count : Chunk;
            page = await PageAsync(call, new PageQuery(after, limit, at));
            if (query.NotOlderThan.CompareTo(page.At) > 0) throw TooNew(query.NotOlderThan, page.At);
            at = page.At;
            after = page.Last;
            foreach (var item in page.Items.Where(matches))
            {
                if (query.Limit > 0 && items.Count == query.Limit) { after = call.Kind.Key(ObjectStamp.NameOf(items[^1])); goto full; }
                items.Add(item);
            }
        } while (after is not null && items.Count < query.Limit);
    full:
        var metadata = new JsonObject { ["resourceVersion"] = at.ToString() };
        if (after is not null) metadata["continue"] = new ContinueToken(at, after).ToString();
        return (items, metadata);
    }

    private async Task<ObjectPage> PageAsync(Call call, PageQuery query)
    {
        try
        {
            return await objects.PageAsync(call.Kind, call.Request.Namespace, query, call.Ends);
        }
        catch (RevisionCompactedException) when (query.After is not null)
        {
            var rest = new ContinueToken(Revision.Zero, query.After).ToString();
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
