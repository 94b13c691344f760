using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Eyrie.Store.Tests;

/// <summary>A TCP relay on loopback that can cut its connections, refuse new ones, or keep them open and pass nothing on.</summary>
public sealed class Relay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _target;
    private readonly ConcurrentDictionary<TcpClient, byte> _open = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private volatile TaskCompletionSource? _held;
    private volatile bool _refusing;

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public Relay(int target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Ends every connection and takes no new one until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        _refusing = true;
        foreach (var client in _open.Keys) client.Close();
    }

    /// <summary>Connections stay open; what was open before passes nothing on for good, new ones work.</summary>
    public void Silence() => _held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Mend() => _refusing = false;

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var near = await _listener.AcceptTcpClientAsync(_stop.Token);
                if (_refusing) { near.Close(); continue; }
                var far = new TcpClient();
                await far.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
                var silence = _held;
                (_open[near], _open[far]) = (0, 0);
                _ = PumpAsync(near, far, silence);
                _ = PumpAsync(far, near, silence);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    /// <summary>Passes bytes on while the relay has not been silenced since the connection was made.</summary>
    private async Task PumpAsync(TcpClient from, TcpClient to, TaskCompletionSource? silenceAtStart)
    {
        var buffer = new byte[1 << 14];
        try
        {
            for (int read; (read = await from.GetStream().ReadAsync(buffer, _stop.Token)) > 0;)
                if (_held == silenceAtStart) await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or OperationCanceledException or InvalidOperationException)
        {
            // One end is gone; so is the other, below.
        }
        from.Close();
        to.Close();
        _open.TryRemove(from, out _);
        _open.TryRemove(to, out _);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Stop();
        foreach (var client in _open.Keys) client.Close();
        _stop.Dispose();
    }
}
