using Eyrie.Node.Contract.V1;
using Google.Protobuf;
using Grpc.Core;

namespace Eyrie.Node;

/// <summary>Output of a program on its way to whoever asked for it. Knows whether it waits for the program or for the asker.</summary>
public sealed class OutputCopy(FrameWriter frames, CancellationToken cancellationToken)
{
    private readonly List<Task> _copies = [];
    private long _pieces; // read so far
    private int _sending;

    /// <summary>Every stream that was begun has ended.</summary>
    public Task Ended => Task.WhenAll(_copies);

    /// <summary>Copies a stream to its end.</summary>
    public void Begin(Stream from, uint channel) => _copies.Add(CopyAsync(from, channel));

    private async Task CopyAsync(Stream from, uint channel)
    {
        var buffer = new byte[FrameWriter.LargestData];
        try
        {
            int read;
            while ((read = await from.ReadAsync(buffer, cancellationToken)) > 0)
            {
                Interlocked.Increment(ref _pieces);
                Interlocked.Increment(ref _sending);
                await frames.WriteAsync(new StreamFrame { Channel = channel, Data = ByteString.CopyFrom(buffer, 0, read) });
                Interlocked.Decrement(ref _sending);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException or RpcException or InvalidOperationException)
        {
            // A child of the program still held it open when its time was over; or the asker has gone.
        }
    }

    /// <summary>Waits for the end of all streams, until nothing was read and nothing was being sent for a while, or the asker has gone.</summary>
    public async Task DrainAsync(TimeSpan quiet, Task gone)
    {
        var all = Task.WhenAll(_copies);
        for (long before = -1; !all.IsCompleted && !gone.IsCompleted;)
        {
            if (Volatile.Read(ref _sending) == 0 && before == Interlocked.Read(ref _pieces)) return;
            before = Interlocked.Read(ref _pieces);
            await Task.WhenAny(all, gone, Task.Delay(quiet, cancellationToken));
        }
    }
}
