using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>watch: changes as they happen, one JSON document a line. An object that leaves the selection is a deletion to this watcher.</summary>
public sealed class Watches(IObjects objects)
{
    private static readonly TimeSpan BookmarkInterval = TimeSpan.FromSeconds(30), Longest = TimeSpan.FromHours(1);

    private sealed class Sink(Call call, CancellationToken ends)
    {
        private bool _first = true;

        public Task ObjectAsync(string type, JsonObject document)
        {
            var shown = call.Shape.Show(call.Kind, document, _first);
            _first = false;
            return RawAsync(type, shown);
        }

        /// <summary>A change in the shape that this watcher asked for; the whole object as JSON is the same text for all of them.</summary>
        public Task ChangeAsync(string type, ObjectChange change)
        {
            if (call.Shape is not { Kind: ShapeKind.Full, Yaml: false }) return ObjectAsync(type, change.Document);
            var target = call.Http.Response.BodyWriter;
            target.Write(Encoding.ASCII.GetBytes($"{{\"type\":\"{type}\",\"object\":"));
            target.Write(change.Encoded);
            target.Write("}\n"u8);
            return Task.CompletedTask;
        }

        public Task RawAsync(string type, JsonObject shown) => call.Http.Response.WriteAsync(new JsonObject { ["type"] = type, ["object"] = shown.Parent is null ? shown : shown.DeepClone() }.ToJsonString() + "\n", ends);

        public Task BookmarkAsync(Revision at, bool initialEnd)
        {
            var metadata = new JsonObject { ["resourceVersion"] = at.ToString() };
            if (initialEnd) metadata["annotations"] = new JsonObject { ["k8s.io/initial-events-end"] = "true" };
            var mark = new JsonObject { ["kind"] = call.Kind.Kind, ["apiVersion"] = call.Kind.ApiVersion, ["metadata"] = metadata };
            // A table that is a bookmark has no columns and one row, whose object carries the revision.
            return RawAsync("BOOKMARK", call.Shape.Kind == ShapeKind.Full ? mark : call.Shape.Show(call.Kind, mark, false));
        }

        public Task FlushAsync() => call.Http.Response.Body.FlushAsync(ends);
    }

    public async Task WatchAsync(Call call)
    {
        var matches = Reads.Selection(call);
        var query = call.Query;
        bool initial = IsTrue(query["sendInitialEvents"]), bookmarks = IsTrue(query["allowWatchBookmarks"]);
        if (query["sendInitialEvents"].Count > 0 && query["resourceVersionMatch"] != "NotOlderThan")
            throw StatusException.Invalid("ListOptions.meta.k8s.io", "", [new FieldError("resourceVersionMatch", "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan", "FieldValueForbidden")]);
        var version = query["resourceVersion"].ToString();
        var after = ListQuery.ParseVersion(version);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(call.Http.RequestAborted);
        ends.CancelAfter(Timeout(query["timeoutSeconds"]));
        var sink = new Sink(call, ends.Token);
        ObjectPage? start = null;
        if (initial || after == Revision.Zero)
        {
            start = await objects.PageAsync(call.Kind, call.Request.Namespace, new PageQuery(null, 0, Revision.Zero), ends.Token);
            if (after.CompareTo(start.At) > 0) throw Reads.TooNew(after, start.At);
            after = start.At;
        }
        call.GoOn();
        call.Http.Response.ContentType = "application/json";
        try
        {
            if (start is not null && (initial || query["sendInitialEvents"].Count == 0))
                foreach (var item in start.Items.Where(matches)) await sink.ObjectAsync("ADDED", item);
            if (initial && bookmarks) await sink.BookmarkAsync(after, true);
            await sink.FlushAsync();
            try
            {
                await FollowAsync(call, sink, after, matches, bookmarks, ends.Token);
            }
            catch (RevisionCompactedException compacted)
            {
                await sink.RawAsync("ERROR", new StatusException(410, "Expired", $"too old resource version: {compacted.Message}").ToStatus());
            }
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested)
        {
            if (!call.Http.RequestAborted.IsCancellationRequested) await call.Http.Response.CompleteAsync();
        }
    }

    private async Task FollowAsync(Call call, Sink sink, Revision after, Func<JsonObject, bool> matches, bool bookmarks, CancellationToken ends)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ends);
        await using var batches = objects.WatchAsync(call.Kind, after, stop.Token).GetAsyncEnumerator(stop.Token);
        var (at, marked) = (after, after);
        using var timer = new PeriodicTimer(BookmarkInterval);
        var next = batches.MoveNextAsync().AsTask();
        var tick = timer.WaitForNextTickAsync(stop.Token).AsTask();
        try
        {
            while (true)
            {
                var first = bookmarks ? await Task.WhenAny(next, tick) : next;
                if (first == tick)
                {
                    await tick;
                    if (at != marked) await sink.BookmarkAsync(marked = at, false);
                    tick = timer.WaitForNextTickAsync(stop.Token).AsTask();
                }
                else
                {
                    if (!await next) return;
                    foreach (var change in batches.Current.Changes) await TellAsync(sink, change, matches);
                    at = batches.Current.At;
                    next = batches.MoveNextAsync().AsTask();
                }
                await sink.FlushAsync();
            }
        }
        finally
        {
            // Whoever is being waited for can not be disposed of: the end may have come by the other task, or while it was written.
            await stop.CancelAsync();
            Task both = Task.WhenAll(next, tick);
            await both.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task TellAsync(Sink sink, ObjectChange change, Func<JsonObject, bool> matches)
    {
        bool now = change.Type != ChangeType.Deleted && matches(change.Document), before = change.Previous is not null && matches(change.Previous);
        if (now) await sink.ChangeAsync(before ? "MODIFIED" : "ADDED", change);
        else if (before) await sink.ChangeAsync("DELETED", change);
    }

    private static bool IsTrue(string? value) => value is "true" or "1";

    /// <summary>As asked, but no longer than <see cref="Longest"/>; without a wish half to all of it, so that not all watches end at once.</summary>
    private static TimeSpan Timeout(string? seconds)
    {
        if (string.IsNullOrEmpty(seconds)) return Longest * (0.5 + (Random.Shared.NextDouble() / 2));
        if (!long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out long value)) throw StatusException.BadRequest($"timeoutSeconds must be a whole number of seconds, not \"{seconds}\"");
        return value == 0 || value > Longest.TotalSeconds ? Longest : TimeSpan.FromSeconds(value);
    }
}
