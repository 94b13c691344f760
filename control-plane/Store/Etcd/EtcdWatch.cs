using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Etcdserverpb;
using Grpc.Core;

namespace Eyrie.ControlPlane.Store;

/// <summary>
/// One watch, as long as its caller wants it: over however many streams that takes. A stream that fails, or brings nothing for <see cref="Silence"/> although it is asked
/// for progress every <see cref="Beat"/>, is left, and the next one goes on after the last revision that was passed on. It begins with a login of its own: the one before may be over.
/// </summary>
internal sealed class EtcdWatch(Watch.WatchClient client, EtcdMapping mapping, EtcdLogin? login)
{
    public static readonly TimeSpan Beat = TimeSpan.FromSeconds(3), Silence = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(50), LongestBackOff = TimeSpan.FromSeconds(2);

    public async IAsyncEnumerable<WatchBatch> RunAsync(string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var wait = FirstBackOff;
        for (bool again = false; ; again = true)
        {
            var batches = Channel.CreateBounded<WatchBatch>(16);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var stream = StreamAsync(prefix, after, batches.Writer, again, stop.Token);
            try
            {
                await foreach (var batch in batches.Reader.ReadAllAsync(cancellationToken))
                {
                    (after, wait) = (batch.At, FirstBackOff);
                    yield return batch;
                }
            }
            finally
            {
                await stop.CancelAsync();
            }
            await stream; // throws what is not to be waited out
            cancellationToken.ThrowIfCancellationRequested();
            await Task.Delay(wait, cancellationToken);
            wait = wait * 2 > LongestBackOff ? LongestBackOff : wait * 2;
        }
    }

    /// <summary>One stream; returns when it is of no more use.</summary>
    private async Task StreamAsync(string prefix, Revision after, ChannelWriter<WatchBatch> batches, bool again, CancellationToken cancellationToken)
    {
        using var silent = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Exception? failure = null;
        try
        {
            silent.CancelAfter(Silence);
            if (again && login is not null) await login.RenewAsync(login.Token, silent.Token);
            using var call = client.Watch(cancellationToken: silent.Token);
            await call.RequestStream.WriteAsync(new WatchRequest
            {
                CreateRequest = new WatchCreateRequest { Key = mapping.Key(prefix), RangeEnd = mapping.AfterPrefix(prefix), StartRevision = mapping.Etcd(after) + 1, PrevKv = true, ProgressNotify = true, Fragment = true },
            }, silent.Token);
            var beating = BeatAsync(call.RequestStream, silent.Token);
            var changes = new List<StoreChange>();
            while (await call.ResponseStream.MoveNext(silent.Token))
            {
                silent.CancelAfter(Silence);
                if (Take(call.ResponseStream.Current, after, changes) is { } batch)
                {
                    after = batch.At;
                    await batches.WriteAsync(batch, silent.Token);
                }
            }
            await silent.CancelAsync();
            await beating;
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException or IOException or InvalidOperationException or StoreUnavailableException)
        {
            // Waited out: the next stream goes on from the last revision.
        }
        catch (RevisionCompactedException exception)
        {
            failure = exception;
        }
        finally
        {
            await silent.CancelAsync();
            batches.Complete(); // what is in it is still read
        }
        if (failure is not null) throw failure;
    }

    private static async Task BeatAsync(IClientStreamWriter<WatchRequest> stream, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(Beat, cancellationToken);
                await stream.WriteAsync(new WatchRequest { ProgressRequest = new WatchProgressRequest() }, cancellationToken);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or RpcException or InvalidOperationException or IOException)
        {
            // The stream is gone; its reader sees the same.
        }
    }

    /// <summary>
    /// The batch that a response completes, if it does. The answer to a progress request (watch id -1) proves that the stream lives and nothing else: etcd before 3.4.25
    /// may send it ahead of events that are older (etcd issue 15220).
    /// </summary>
    private WatchBatch? Take(WatchResponse response, Revision after, List<StoreChange> changes)
    {
        if (response.Canceled && response.CompactRevision > 0) throw new RevisionCompactedException(after, mapping.Revision(response.CompactRevision));
        if (response.Canceled) throw new IOException(response.CancelReason);
        if (response.Created || response.WatchId < 0) return null;
        foreach (var told in response.Events) changes.Add(mapping.Change(told) ?? throw new RevisionCompactedException(after, mapping.Revision(told.Kv.ModRevision)));
        if (response.Fragment) return null;
        var batch = new WatchBatch([.. changes], changes.Count > 0 ? changes[^1].At : new Revision(Math.Max(after.Value, mapping.Revision(response.Header.Revision).Value)));
        changes.Clear();
        return batch;
    }
}
