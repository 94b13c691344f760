using System.Net;
using System.Net.Sockets;

namespace Eyrie.Node.Forwarding;

/// <summary>A connection to an endpoint of a Service.</summary>
internal sealed record EndpointConnection(Socket Socket, IPEndPoint Endpoint);

/// <summary>
/// A client's connection and the one to an endpoint that its bytes go to and come from. When the endpoint's ends, <see cref="HttpExchange"/> says what that is to the client: a request that may be asked again is, at every other
/// endpoint once at most; and what the client sends within <see cref="Crossing"/> after an end between requests, which it had not heard of yet, goes to an endpoint that is there. In all else the client has the end that the endpoint made.
/// </summary>
/// <param name="connect">Connects to an endpoint other than those given; null: there is none.</param>
internal sealed class ForwardedConnection(Socket client, Func<IReadOnlySet<IPEndPoint>, Task<EndpointConnection?>> connect) : IDisposable
{
    /// <summary>How long an end between requests is kept from the client.</summary>
    private static readonly TimeSpan Crossing = TimeSpan.FromSeconds(1);

    private const int BufferBytes = 1 << 15;
    private readonly HttpExchange _exchange = new(); // locked: both directions tell it
    private readonly SemaphoreSlim _turn = new(1, 1); // whose turn it is to send to the endpoint, or to replace it
    private readonly HashSet<IPEndPoint> _asked = []; // that had the request that is on its way, and ended
    private EndpointConnection? _server; // null: it ended between requests
    private TaskCompletionSource _resumed = new();
    private volatile bool _told; // the client has the endpoint's end

    public async Task RunAsync()
    {
        if (await EnterAsync()) await Task.WhenAll(AskAsync(), AnswerAsync());
    }

    private async Task<bool> EnterAsync()
    {
        _server = await connect(_asked);
        return _server is not null;
    }

    /// <summary>From the client to the endpoint.</summary>
    private async Task AskAsync()
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (true)
            {
                int read = await client.ReceiveAsync(buffer);
                await _turn.WaitAsync();
                try
                {
                    if (read == 0) EndOfClient();
                    if (read == 0 || !await PassOnAsync(buffer.AsMemory(0, read))) return;
                }
                finally
                {
                    _turn.Release();
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            Close();
        }
    }

    private async Task<bool> PassOnAsync(Memory<byte> bytes)
    {
        lock (_exchange) _exchange.FromClient(bytes.Span);
        if (_server is null)
        {
            if (_told || !await EnterAsync())
            {
                Close();
                return false;
            }
            _resumed.SetResult();
        }
        try
        {
            await SendAsync(_server!.Socket, bytes);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException && !_told)
        {
            // What it answered before can still be read, and how it ended is seen where it is read.
        }
        return true;
    }

    private void EndOfClient()
    {
        lock (_exchange) _exchange.StepAside();
        if (_server is null) _resumed.TrySetResult();
        else _server.Socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>From the endpoint to the client.</summary>
    private async Task AnswerAsync()
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (true)
            {
                int read = await ReceiveAsync(_server!.Socket, buffer);
                if (read > 0)
                {
                    _asked.Clear();
                    lock (_exchange) _exchange.FromServer(buffer.AsSpan(0, read));
                    await SendAsync(client, buffer.AsMemory(0, read));
                }
                else if (!await GoesOnAsync(broken: read < 0))
                {
                    return;
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            Close();
        }
    }

    /// <returns>Negative: the connection broke.</returns>
    private static async Task<int> ReceiveAsync(Socket from, Memory<byte> buffer)
    {
        try
        {
            return await from.ReceiveAsync(buffer);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return -1;
        }
    }

    /// <summary>The endpoint's connection has ended. False: so has the client's.</summary>
    private async Task<bool> GoesOnAsync(bool broken)
    {
        if (AtServerEnd == ServerEnd.Told)
        {
            TellEnd(broken);
            return false;
        }
        _server!.Socket.Dispose(); // which ends a send to it that is under way
        if (!await InTurnAsync(ReplaceAsync)) return false;
        if (_server is not null) return true;
        await Task.WhenAny(_resumed.Task, Task.Delay(Crossing));
        return await InTurnAsync(() =>
        {
            if (_server is null) TellEnd(broken: false);
            return Task.FromResult(_server is not null);
        });
    }

    /// <summary>What the client sent while the end was being looked at counts as well.</summary>
    private async Task<bool> ReplaceAsync()
    {
        var (end, before) = (AtServerEnd, _server!);
        _server = null;
        if (end == ServerEnd.Awaited)
        {
            _resumed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return true;
        }
        _asked.Add(before.Endpoint);
        if (end == ServerEnd.Told || !await EnterAsync())
        {
            Close();
            return false;
        }
        ReadOnlyMemory<byte> request;
        lock (_exchange)
        {
            if (_exchange.AtServerEnd == ServerEnd.Told) return false; // the client broke off meanwhile
            request = _exchange.Request;
        }
        try
        {
            await SendAsync(_server!.Socket, request);
        }
        catch (SocketException)
        {
            // It ended as well: seen where it is read.
        }
        return true;
    }

    private ServerEnd AtServerEnd
    {
        get
        {
            lock (_exchange) return _exchange.AtServerEnd;
        }
    }

    private void TellEnd(bool broken)
    {
        _told = true;
        if (broken) Close();
        else client.Shutdown(SocketShutdown.Send);
    }

    private async Task<bool> InTurnAsync(Func<Task<bool>> act)
    {
        await _turn.WaitAsync();
        try
        {
            return await act();
        }
        finally
        {
            _turn.Release();
        }
    }

    private static async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        for (int sent = 0; sent < bytes.Length;) sent += await to.SendAsync(bytes[sent..]);
    }

    /// <summary>One side is gone; so is the connection.</summary>
    private void Close()
    {
        lock (_exchange) _exchange.StepAside();
        client.Dispose();
        _server?.Socket.Dispose();
    }

    public void Dispose()
    {
        client.Dispose();
        _server?.Socket.Dispose();
        _turn.Dispose();
    }
}
