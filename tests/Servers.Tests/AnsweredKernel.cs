using System.Net;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A kernel whose containers may be granted one Service, and the endpoint of that, which says "answer" to whoever connects and counts them.</summary>
public sealed class AnsweredKernel : IAsyncDisposable
{
    public const string Grant = "connect tcp service default/hello 80", Address = "127.79.0.10";

    /// <summary>A script that connects all the time, and writes a line when it was not answered.</summary>
    public const string Calls = "while true; do [ \"$(nc 127.79.0.10 80 </dev/null)\" = answer ] || echo lost; done";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private int _answered;

    public RunningKernel Kernel { get; }

    private AnsweredKernel(RunningKernel kernel) => Kernel = kernel;

    public static async Task<AnsweredKernel> StartAsync()
    {
        var answered = new AnsweredKernel(await RunningKernel.StartAsync());
        answered._listener.Start();
        _ = Task.Run(answered.AnswerAsync);
        await answered.SetServicesAsync();
        return answered;
    }

    /// <summary>Tells the kernel of the Service; also once more, after it has forgotten.</summary>
    public Task SetServicesAsync() => Kernel.Service.SetServicesAsync([new ServiceEntry("default", "hello", Address, 80, "http", [new ServiceEndpoint("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port)])], CancellationToken.None);

    /// <summary>Waits until so many more have been answered.</summary>
    public Task AnswersAsync(int count, string what)
    {
        int before = Volatile.Read(ref _answered);
        return Kernel.UntilAsync(() => Volatile.Read(ref _answered) >= before + count, what);
    }

    private async Task AnswerAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync();
                await AnswerAsync(client);
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException or InvalidOperationException) { } // the listener was stopped
    }

    private async Task AnswerAsync(TcpClient client)
    {
        try
        {
            await client.GetStream().WriteAsync("answer\n"u8.ToArray());
            Interlocked.Increment(ref _answered);
        }
        catch (IOException) { } // a connection that was made for a call nobody answered: the call is made anew
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await Kernel.DisposeAsync();
    }
}
