using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Threading.Channels;

namespace Eyrie.ControlPlane.Api.Streaming.Spdy;

/// <summary>
/// The server's side of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00) as kubectl speaks it: the client opens streams, both send data on them. There is no flow
/// control on the wire, as there is none in the clients; a stream whose data nobody takes holds up the connection.
/// </summary>
public sealed class SpdyConnection(Stream transport) : IAsyncDisposable
{
    private const int HeaderSize = 8, Version = 3, LargestControl = 64 << 10, Piece = 32 << 10, MaxStreams = 2000;
    private const int SynStream = 1, SynReply = 2, RstStream = 3, Ping = 6, GoAway = 7;
    private const byte Fin = 1;
    private const int RefusedStream = 3;

    private readonly HeaderBlocks _headers = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly ConcurrentDictionary<uint, SpdyStream> _streams = new();
    private readonly Channel<SpdyStream> _accepted = Channel.CreateUnbounded<SpdyStream>();
    private uint _last;

    /// <summary>Streams as the client opens them; ends with the connection.</summary>
    public IAsyncEnumerable<SpdyStream> AcceptAsync(CancellationToken cancellationToken) => _accepted.Reader.ReadAllAsync(cancellationToken);

    /// <summary>Reads frames until the client has gone or breaks the protocol. To be running while streams are used.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            var header = new byte[HeaderSize];
            while (await transport.ReadAtLeastAsync(header, HeaderSize, false, cancellationToken) == HeaderSize)
            {
                int length = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4)) & 0xFFFFFF;
                byte flags = header[4];
                uint word = BinaryPrimitives.ReadUInt32BigEndian(header);
                if (word >> 31 == 0) await TakeDataAsync(word, flags, length, cancellationToken);
                else if (length > LargestControl) throw new InvalidDataException($"a control frame of {length} bytes");
                else
                {
                    var body = new byte[length];
                    await transport.ReadExactlyAsync(body, cancellationToken);
                    await TakeControlAsync((int)(word & 0xFFFF), flags, body, cancellationToken);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or OperationCanceledException)
        {
            // The client has gone, or speaks something else: for its streams both are the end.
        }
        finally
        {
            _accepted.Writer.TryComplete();
            foreach (var stream in _streams.Values) stream.End();
        }
    }

    private async Task TakeDataAsync(uint id, byte flags, int length, CancellationToken cancellationToken)
    {
        _streams.TryGetValue(id, out var stream);
        while (length > 0)
        {
            var piece = new byte[Math.Min(length, Piece)];
            await transport.ReadExactlyAsync(piece, cancellationToken);
            length -= piece.Length;
            if (stream is not null) await stream.TakeAsync(piece, cancellationToken);
        }
        if ((flags & Fin) != 0) stream?.End();
    }

    private async Task TakeControlAsync(int type, byte flags, byte[] body, CancellationToken cancellationToken)
    {
        switch (type)
        {
            case SynStream when body.Length >= 10: await OpenAsync(body, flags, cancellationToken); break;
            case RstStream when body.Length >= 4: if (_streams.TryRemove(Word(body), out var reset)) reset.End(); break;
            case Ping when body.Length >= 4 && (Word(body) & 1) == 1: await SendAsync(Control(Ping, 0, body), cancellationToken); break;
            case SynStream or RstStream or Ping when body.Length < 4: throw new InvalidDataException("a control frame is too short");
        }
    }

    private async Task OpenAsync(byte[] body, byte flags, CancellationToken cancellationToken)
    {
        uint id = Word(body) & 0x7FFFFFFF;
        var headers = _headers.Read(body.AsMemory(10));
        if (id <= _last || (id & 1) == 0) throw new InvalidDataException($"stream {id} is not a new one of the client's");
        _last = id;
        if (_streams.Count >= MaxStreams)
        {
            await SendAsync(Control(RstStream, 0, [.. Bytes(id), .. Bytes(RefusedStream)]), cancellationToken);
            return;
        }
        var stream = new SpdyStream(this, id, headers);
        _streams[id] = stream;
        if ((flags & Fin) != 0) stream.End();
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await transport.WriteAsync(Control(SynReply, 0, [.. Bytes(id), .. _headers.Write(new Dictionary<string, string>())]), cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
        await _accepted.Writer.WriteAsync(stream, cancellationToken);
    }

    /// <summary>Data on a stream, as one frame or several.</summary>
    internal async Task SendAsync(uint id, ReadOnlyMemory<byte> data, bool end, CancellationToken cancellationToken)
    {
        do
        {
            var piece = data[..Math.Min(data.Length, Piece)];
            data = data[piece.Length..];
            var frame = new byte[HeaderSize + piece.Length];
            BinaryPrimitives.WriteUInt32BigEndian(frame, id);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), piece.Length);
            frame[4] = end && data.IsEmpty ? Fin : (byte)0;
            piece.CopyTo(frame.AsMemory(HeaderSize));
            await SendAsync(frame, cancellationToken);
        }
        while (!data.IsEmpty);
    }

    internal void Forget(uint id) => _streams.TryRemove(id, out _);

    private async Task SendAsync(byte[] frame, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await transport.WriteAsync(frame, cancellationToken);
            await transport.FlushAsync(cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    private static byte[] Control(int type, byte flags, byte[] body)
    {
        var frame = new byte[HeaderSize + body.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, 0x80000000u | (Version << 16) | (uint)type);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), body.Length);
        frame[4] = flags;
        body.CopyTo(frame, HeaderSize);
        return frame;
    }

    private static uint Word(ReadOnlySpan<byte> body) => BinaryPrimitives.ReadUInt32BigEndian(body);

    private static byte[] Bytes(uint word)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, word);
        return bytes;
    }

    /// <summary>Says goodbye and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await SendAsync(Control(GoAway, 0, [.. Bytes(_last), .. Bytes(0)]), CancellationToken.None);
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            // Gone before us.
        }
        await transport.DisposeAsync();
        _headers.Dispose();
    }
}

/// <summary>One stream of a connection.</summary>
public sealed class SpdyStream
{
    private const int Waiting = 32; // pieces

    private readonly SpdyConnection _connection;
    private readonly Channel<ReadOnlyMemory<byte>> _incoming = Channel.CreateBounded<ReadOnlyMemory<byte>>(Waiting);
    private int _sentEnd, _tookEnd;

    internal SpdyStream(SpdyConnection connection, uint id, IReadOnlyDictionary<string, string> headers) => (_connection, Id, Headers) = (connection, id, headers);

    public uint Id { get; }
    public IReadOnlyDictionary<string, string> Headers { get; }

    /// <summary>What the client sends on it, to its end.</summary>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAllAsync(CancellationToken cancellationToken) => _incoming.Reader.ReadAllAsync(cancellationToken);

    public Task WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => _sentEnd == 0 && data.Length > 0 ? _connection.SendAsync(Id, data, false, cancellationToken) : Task.CompletedTask;

    /// <summary>Nothing more comes from here.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _sentEnd, 1) == 0) await _connection.SendAsync(Id, ReadOnlyMemory<byte>.Empty, true, cancellationToken);
        if (_tookEnd == 1) _connection.Forget(Id);
    }

    internal async ValueTask TakeAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        try
        {
            await _incoming.Writer.WriteAsync(data, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            // Data after the end: nobody reads it any more.
        }
    }

    /// <summary>The client sends nothing more on it, or nobody here reads it any more.</summary>
    internal void End()
    {
        _tookEnd = 1;
        _incoming.Writer.TryComplete();
        if (_sentEnd == 1) _connection.Forget(Id);
    }
}
