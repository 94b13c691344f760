using Eyrie.ControlPlane.Controllers;
using Eyrie.Node.Contract.V1;
using Google.Protobuf;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>One connection to a port of a pod, over a port-forward of its own. Closing it ends its reads; the port-forward is the opener's to end.</summary>
public sealed class NodeConnection : Stream
{
    private const uint Channel = 1;
    private const int Piece = 64 << 10;

    private readonly INodeStream _node;
    private readonly CancellationTokenSource _closed = new();
    private readonly IAsyncEnumerator<StreamFrame> _frames;
    private ReadOnlyMemory<byte> _left;
    private bool _over;

    private NodeConnection(INodeStream node) => (_node, _frames) = (node, node.ReadAllAsync(_closed.Token).GetAsyncEnumerator(CancellationToken.None));

    /// <exception cref="NodeUnreachableException">The node has gone.</exception>
    public static async Task<NodeConnection> OpenAsync(INodeStream node, int port, CancellationToken cancellationToken)
    {
        await node.WriteAsync(new StreamFrame { Channel = Channel, Port = port }, cancellationToken);
        return new NodeConnection(node);
    }

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;

    /// <exception cref="IOException">The connection failed at the node, e.g. nobody listens on the port.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_left.IsEmpty && !_over)
        {
            if (!await NextAsync()) throw new IOException("the node ended the stream");
            var frame = _frames.Current;
            if (frame.Result is { Error.Length: > 0 } result) throw new IOException(result.Error);
            if (frame.Channel != Channel) continue;
            if (frame.Error.Length > 0) throw new IOException(frame.Error);
            (_left, _over) = (frame.Data.Memory, frame.End);
        }
        int taken = Math.Min(buffer.Length, _left.Length);
        _left[..taken].CopyTo(buffer);
        _left = _left[taken..];
        return taken;
    }

    private async Task<bool> NextAsync()
    {
        try
        {
            return await _frames.MoveNextAsync();
        }
        catch (NodeUnreachableException exception)
        {
            throw new IOException(exception.Message, exception);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            for (; !buffer.IsEmpty; buffer = buffer[Math.Min(Piece, buffer.Length)..])
                await _node.WriteAsync(new StreamFrame { Channel = Channel, Data = ByteString.CopyFrom(buffer.Span[..Math.Min(Piece, buffer.Length)]) }, cancellationToken);
        }
        catch (NodeUnreachableException exception)
        {
            throw new IOException(exception.Message, exception);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _closed.Cancel();
        base.Dispose(disposing);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public override void Flush() { }
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("it is read asynchronously only");
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("it is written asynchronously only");
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
}
