using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>The node's microkernel: started, connected to, ended. When it ends by itself every container is gone with it, and it is started anew.</summary>
public sealed class KernelProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(15), FirstWait = TimeSpan.FromMilliseconds(100), LongestWait = TimeSpan.FromSeconds(10), LongEnough = TimeSpan.FromMinutes(1);

    private readonly NodeOptions _options;
    private readonly string _name, _socket;
    private volatile Process _process = null!;
    private volatile ContainerService _service = null!;
    private volatile bool _stopping;

    public ContainerService Service => _service;
    public int ProcessId => _process.Id;

    private KernelProcess(NodeOptions options)
    {
        _options = options;
        _name = "eyrie-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(options.StateDirectory)))[..12];
        // A local socket's path has at most 107 bytes, so it does not stand in the state directory.
        _socket = $"/run/{_name}.sock";
    }

    public static async Task<KernelProcess> StartAsync(NodeOptions options, CancellationToken cancellationToken)
    {
        var kernel = new KernelProcess(options);
        await kernel.StartAsync(cancellationToken);
        return kernel;
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Path.Combine(_options.Microkernel, "eyrie-kernel")) { RedirectStandardOutput = true };
        foreach (var argument in new[] { "--root", _options.StateDirectory, "--socket", _socket, "--servers", _options.Microkernel, "--cgroup", _name, "--owner", Environment.ProcessId.ToString(CultureInfo.InvariantCulture) }) start.ArgumentList.Add(argument);
        _process = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(StartDeadline);
        if (await _process.StandardOutput.ReadLineAsync(deadline.Token) != "ready") throw new InvalidOperationException("the microkernel did not start; its message is above");
        _service = await ContainerService.ConnectAsync(_socket, deadline.Token);
    }

    /// <summary>Starts the kernel anew whenever it ends, and tells; until cancelled.</summary>
    public async Task SuperviseAsync(Func<Task> startedAnew, CancellationToken cancellationToken)
    {
        var wait = FirstWait;
        while (true)
        {
            var since = DateTimeOffset.UtcNow;
            await _process.WaitForExitAsync(cancellationToken);
            if (_stopping) return;
            Console.Error.WriteLine($"eyrie-node: the microkernel ended with code {_process.ExitCode}, and every container with it; it is started anew");
            if (DateTimeOffset.UtcNow - since > LongEnough) wait = FirstWait;
            await Task.Delay(wait, cancellationToken);
            wait = wait * 2 > LongestWait ? LongestWait : wait * 2;
            var (process, service) = (_process, _service);
            try
            {
                await StartAsync(cancellationToken);
            }
            catch (Exception exception) when (exception is InvalidOperationException or IOException or System.Net.Sockets.SocketException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                Console.Error.WriteLine($"eyrie-node: {exception.Message}");
                if (!_process.HasExited) _process.Kill();
                continue; // its end is seen at once, and it is tried again later
            }
            process.Dispose();
            await service.DisposeAsync();
            await startedAnew();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        await _service.DisposeAsync();
        if (!_process.HasExited)
        {
            using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
        File.Delete(_socket);
    }
}
