using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Eyrie.ControlPlane.Api.Streaming.Spdy;
using Eyrie.Node.Contract.V1;
using Google.Protobuf;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>remotecommand v4 over SPDY: the client opens one stream for each of stdin, stdout, stderr, error and resize, named by the header <c>streamType</c>.</summary>
public sealed class SpdyCommand : IRemoteCommand
{
    public const string Protocol = "v4.channel.k8s.io";

    private static readonly TimeSpan Opening = TimeSpan.FromSeconds(30);
    private readonly SpdyConnection _connection;
    private readonly Task _running;
    private readonly Dictionary<string, SpdyStream> _streams = [];

    private SpdyCommand(SpdyConnection connection, Task running) => (_connection, _running) = (connection, running);

    /// <summary>Waits for every stream that the options call for. null: the client has gone, or did not open them in time.</summary>
    public static async Task<SpdyCommand?> AcceptAsync(Stream transport, CommandOptions options, CancellationToken cancellationToken)
    {
        var connection = new SpdyConnection(transport);
        var made = new SpdyCommand(connection, connection.RunAsync(cancellationToken));
        var missing = new List<string> { "error" };
        if (options.Stdin) missing.Add("stdin");
        if (options.Stdout) missing.Add("stdout");
        if (options.Stderr && !options.Tty) missing.Add("stderr");
        if (options.Tty) missing.Add("resize");
        using var opening = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        opening.CancelAfter(Opening);
        try
        {
            await foreach (var stream in connection.AcceptAsync(opening.Token))
            {
                var type = stream.Headers.GetValueOrDefault("streamtype", "");
                made._streams[type] = stream;
                missing.Remove(type);
                if (missing.Count == 0) return made;
            }
        }
        catch (OperationCanceledException)
        {
            // Too late, or the server stops: told by the null.
        }
        await made.DisposeAsync();
        return null;
    }

    public async IAsyncEnumerable<StreamFrame> ReadAllAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var frames = Channel.CreateBounded<StreamFrame>(1);
        var reading = Task.WhenAll(InputAsync(frames.Writer, cancellationToken), SizesAsync(frames.Writer, cancellationToken));
        // The connection's end is the client's; the end of one stream is not.
        _ = _running.ContinueWith(_ => frames.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        await foreach (var frame in frames.Reader.ReadAllAsync(cancellationToken)) yield return frame;
        await reading;
    }

    private async Task InputAsync(ChannelWriter<StreamFrame> frames, CancellationToken cancellationToken)
    {
        if (!_streams.TryGetValue("stdin", out var stdin)) return;
        await foreach (var data in stdin.ReadAllAsync(cancellationToken)) await TryAsync(frames, new StreamFrame { Data = ByteString.CopyFrom(data.Span) }, cancellationToken);
        if (!_running.IsCompleted) await TryAsync(frames, new StreamFrame { End = true }, cancellationToken);
    }

    private async Task SizesAsync(ChannelWriter<StreamFrame> frames, CancellationToken cancellationToken)
    {
        if (!_streams.TryGetValue("resize", out var resize)) return;
        var sizes = new TerminalSizes();
        await foreach (var data in resize.ReadAllAsync(cancellationToken))
            foreach (var size in sizes.Add(data)) await TryAsync(frames, new StreamFrame { Size = size }, cancellationToken);
    }

    private static async Task TryAsync(ChannelWriter<StreamFrame> frames, StreamFrame frame, CancellationToken cancellationToken)
    {
        while (await frames.WaitToWriteAsync(cancellationToken))
            if (frames.TryWrite(frame)) return;
    }

    public uint ErrorChannel => _streams.ContainsKey("stderr") ? 2u : 1u;

    public Task WriteAsync(uint channel, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        _streams.TryGetValue(channel == 2 ? "stderr" : "stdout", out var stream) ? stream.WriteAsync(data, cancellationToken) : Task.CompletedTask;

    public async Task EndAsync(JsonObject status, CancellationToken cancellationToken)
    {
        await _streams["error"].WriteAsync(Encoding.UTF8.GetBytes(status.ToJsonString()), cancellationToken);
        foreach (var stream in _streams.Values) await stream.EndAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _running;
    }
}
