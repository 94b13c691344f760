using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Eyrie.Node.Dns;

/// <summary>
/// Answers the node's own pods on one address of the node's range, over UDP and TCP. Who asks is told by the address of the socket, which the network server gave it; anybody else is refused.
/// </summary>
/// <param name="address">Where.</param>
/// <param name="answer">What a pod of this address hears; null: there is no such pod.</param>
public sealed class DnsServer(IPAddress address, Func<IPAddress, DnsQuestion, ValueTask<DnsAnswer?>> answer) : IAsyncDisposable
{
    public const int Port = 53;
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(10);
    private readonly CancellationTokenSource _stop = new();
    private readonly Socket _datagrams = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp), _streams = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private Task _serving = Task.CompletedTask;

    /// <exception cref="SocketException">The address is taken, or port 53 is not this process's to have.</exception>
    public void Start()
    {
        _datagrams.Bind(new IPEndPoint(address, Port));
        _streams.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _streams.Bind(new IPEndPoint(address, Port));
        _streams.Listen(64);
        _serving = Task.WhenAll(DatagramsAsync(), StreamsAsync());
    }

    private async Task DatagramsAsync()
    {
        var buffer = new byte[4096];
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var received = await _datagrams.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
                _ = ReplyAsync(buffer.AsSpan(0, received.ReceivedBytes).ToArray(), (IPEndPoint)received.RemoteEndPoint);
            }
            catch (SocketException)
            {
                continue; // an earlier reply reached nobody
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task ReplyAsync(byte[] query, IPEndPoint from)
    {
        try
        {
            if (await AnswerAsync(query, from.Address, false) is { } reply) await _datagrams.SendToAsync(reply, from, _stop.Token);
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // the asker is gone, or this server is
        }
    }

    private async Task StreamsAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                _ = StreamAsync(await _streams.AcceptAsync(_stop.Token));
            }
            catch (Exception exception) when (exception is SocketException or OperationCanceledException)
            {
                if (_stop.IsCancellationRequested) return;
            }
        }
    }

    /// <summary>RFC 1035, 4.2.2: two bytes of length before each message.</summary>
    private async Task StreamAsync(Socket client)
    {
        using (client)
        await using (var stream = new NetworkStream(client))
        {
            try
            {
                var from = ((IPEndPoint)client.RemoteEndPoint!).Address;
                var length = new byte[2];
                while (true)
                {
                    using var idle = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                    idle.CancelAfter(Idle);
                    if (await stream.ReadAtLeastAsync(length, 2, false, idle.Token) < 2) return;
                    var query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                    await stream.ReadExactlyAsync(query, idle.Token);
                    if (await AnswerAsync(query, from, true) is not { } reply) return;
                    BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)reply.Length);
                    await stream.WriteAsync((byte[])[.. length, .. reply], idle.Token);
                }
            }
            catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
            {
                // the asker is gone or asks nothing more
            }
        }
    }

    private async Task<byte[]?> AnswerAsync(byte[] query, IPAddress from, bool stream)
    {
        if (DnsMessage.Read(query, out var problem) is not { } question) return null;
        if (problem != ResponseCode.NoError) return DnsMessage.Write(question, DnsAnswer.Of(problem), stream);
        return DnsMessage.Write(question, await answer(from, question) ?? DnsAnswer.Of(ResponseCode.Refused), stream);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _datagrams.Dispose();
        _streams.Dispose();
        _stop.Dispose();
    }
}
