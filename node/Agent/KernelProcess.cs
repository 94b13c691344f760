using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>The node's microkernel: started, connected to, ended. When it ends by itself every container is gone with it, and the agent starts anew.</summary>
public sealed class KernelProcess : IAsyncDisposable
{
    private readonly Process _process;

    public ContainerService Service { get; }
    public int ProcessId => _process.Id;
    /// <summary>Completes when the kernel has ended.</summary>
    public Task Ended { get; }

    private readonly string _socket;

    private KernelProcess(Process process, ContainerService service, string socket)
    {
        (_process, Service, _socket) = (process, service, socket);
        Ended = process.WaitForExitAsync();
    }

    public static async Task<KernelProcess> StartAsync(NodeOptions options, CancellationToken cancellationToken)
    {
        var name = "eyrie-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(options.StateDirectory)))[..12];
        // A local socket's path has at most 107 bytes, so it does not stand in the state directory.
        var socket = $"/run/{name}.sock";
        var start = new ProcessStartInfo(Path.Combine(options.Microkernel, "eyrie-kernel")) { RedirectStandardOutput = true };
        foreach (var argument in new[] { "--root", options.StateDirectory, "--socket", socket, "--servers", options.Microkernel, "--cgroup", name }) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(15));
        if (await process.StandardOutput.ReadLineAsync(deadline.Token) != "ready") throw new InvalidOperationException("the microkernel did not start; its message is above");
        return new KernelProcess(process, await ContainerService.ConnectAsync(socket, deadline.Token), socket);
    }

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        if (!_process.HasExited)
        {
            using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
        File.Delete(_socket);
    }
}
