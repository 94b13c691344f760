using System.Diagnostics;
using System.Net.Sockets;
using Eyrie.Tests;

namespace Eyrie.Store.Tests;

/// <summary>A real etcd (Debian's etcd-server) on loopback with a directory of its own; can be killed and started again.</summary>
public sealed class EtcdServer : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-etcd-").FullName;
    private readonly int _peerPort = FreePorts.Next();
    private readonly string _scheme = "http";
    private readonly IReadOnlyList<string> _security = [];
    private Process _process;

    public int Port { get; } = FreePorts.Next();

    public EtcdServer() => _process = Start();

    /// <param name="certificate">Its certificate.</param>
    /// <param name="key">Of that certificate.</param>
    /// <param name="clients">Who signs the certificates that it wants of clients; null: it wants none.</param>
    public EtcdServer(string certificate, string key, string? clients)
    {
        _scheme = "https";
        _security = ["--cert-file", certificate, "--key-file", key, .. clients is null ? Array.Empty<string>() : ["--client-cert-auth", "--trusted-ca-file", clients]];
        _process = Start();
    }

    /// <summary>Address of a store of its own in it: a new prefix each time.</summary>
    public string NewAddress() => $"etcd://127.0.0.1:{Port}/{Guid.NewGuid():N}";

    private Process Start()
    {
        var start = new ProcessStartInfo("etcd") { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[] { "--data-dir", _directory, "--listen-client-urls", $"{_scheme}://127.0.0.1:{Port}", "--advertise-client-urls", $"{_scheme}://127.0.0.1:{Port}",
            "--listen-peer-urls", $"http://127.0.0.1:{_peerPort}", "--initial-advertise-peer-urls", $"http://127.0.0.1:{_peerPort}", "--initial-cluster", $"default=http://127.0.0.1:{_peerPort}" }.Concat(_security)) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        return process;
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public void Restart()
    {
        _process.Dispose();
        _process = Start();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await KillAsync();
        _process.Dispose();
        Directory.Delete(_directory, true);
    }
}
