using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>
/// The node's microkernel. It has a session of its own and outlives its agent, as a container runtime does: an agent that starts finds the one that runs here and its containers.
/// The process that is started is the kernel's keeper: a kernel that is killed under it has a successor, and its containers go on. When the keeper ends every container is gone with it, and it is started anew.
/// </summary>
public sealed class KernelProcess : IAsyncDisposable
{
    private const string Program = "eyrie-kernel";
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(15), AnswerDeadline = TimeSpan.FromSeconds(5), FirstWait = TimeSpan.FromMilliseconds(100), LongestWait = TimeSpan.FromSeconds(10), LongEnough = TimeSpan.FromMinutes(1), Look = TimeSpan.FromMilliseconds(10);

    private readonly NodeOptions _options;
    private readonly string _name, _socket;
    private volatile HostProcess _process = null!;
    private volatile ContainerService _service = null!;
    private volatile bool _stopping;

    public ContainerService Service => _service;
    public int ProcessId => _process.Id;

    private KernelProcess(NodeOptions options)
    {
        _options = options;
        (_name, _socket) = (NameOf(options.StateDirectory), SocketOf(options.StateDirectory));
    }

    /// <summary>Connects to the kernel that runs here, or starts one.</summary>
    public static async Task<KernelProcess> OpenAsync(NodeOptions options, CancellationToken cancellationToken)
    {
        var kernel = new KernelProcess(options);
        if (!await kernel.FindAsync(cancellationToken)) await kernel.StartAsync(cancellationToken);
        return kernel;
    }

    /// <summary>Connects to the kernel that runs. One that does not answer, or speaks another version, is ended. False: none runs.</summary>
    private async Task<bool> FindAsync(CancellationToken cancellationToken)
    {
        long begun = Stopwatch.GetTimestamp();
        while (HostProcess.Running(Program, "--root", _options.StateDirectory).FirstOrDefault() is { } process)
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(AnswerDeadline);
            try
            {
                _service = await ContainerService.ConnectAsync(_socket, deadline.Token);
                _process = HostProcess.Find(_service.KernelProcessId) ?? throw new IOException("the microkernel has just ended");
                EndOthers();
                return true;
            }
            catch (Exception exception) when (exception is SocketException or IOException or ContainerServiceException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                // It has just begun, or is about to end; or it never answers.
                if (exception is ContainerServiceException || Stopwatch.GetElapsedTime(begun) > AnswerDeadline)
                {
                    Console.Error.WriteLine($"eyrie-node: the microkernel that runs (process {process.Id}) does not answer and is ended: {exception.Message}");
                    process.Signal(HostProcess.Kill);
                    await process.EndedAsync(AnswerDeadline, cancellationToken);
                }
                else await Task.Delay(Look, cancellationToken);
            }
        }
        return false;
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await LeftGroups.RemoveAsync(_name, cancellationToken);
        // setsid becomes the kernel (exec): the process id is the kernel's own, and no signal to the agent's session reaches it.
        var start = new ProcessStartInfo("setsid") { RedirectStandardOutput = true };
        foreach (var argument in (string[])[Path.Combine(_options.Microkernel, Program), "--root", _options.StateDirectory, "--socket", _socket, "--servers", _options.Microkernel, "--cgroup", _name, .. _options.HostPaths.SelectMany(path => new[] { "--host", path })]) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(StartDeadline);
        try
        {
            // The pipe is closed behind this word: nothing else is written there.
            if (await process.StandardOutput.ReadLineAsync(deadline.Token) != "ready" || HostProcess.Find(process.Id) is not { } started) throw new InvalidOperationException("the microkernel did not start; its message is above");
            _process = started;
            _service = await ContainerService.ConnectAsync(_socket, deadline.Token);
            EndOthers();
        }
        catch
        {
            if (!process.HasExited) process.Kill();
            throw;
        }
    }

    /// <summary>A kernel that nobody can reach: the agent that was starting it ended at that moment.</summary>
    private void EndOthers()
    {
        foreach (var other in HostProcess.Running(Program, "--root", _options.StateDirectory).Where(other => other != _process)) other.Signal(HostProcess.Kill);
    }

    /// <summary>Connects again whenever the connection is lost, to the same kernel or, when it has ended, to one that is started anew; and tells which (true: anew). Until cancelled.</summary>
    public async Task SuperviseAsync(Func<bool, Task> connected, CancellationToken cancellationToken)
    {
        var wait = FirstWait;
        while (true)
        {
            long since = Stopwatch.GetTimestamp();
            var lost = _service;
            await lost.Closed.WaitAsync(cancellationToken);
            if (_stopping) return;
            bool anew = false;
            while (!await FindAsync(cancellationToken))
            {
                Console.Error.WriteLine("eyrie-node: the microkernel ended, and every container with it; it is started anew");
                if (Stopwatch.GetElapsedTime(since) > LongEnough) wait = FirstWait;
                await Task.Delay(wait, cancellationToken);
                wait = wait * 2 > LongestWait ? LongestWait : wait * 2;
                try
                {
                    await StartAsync(cancellationToken);
                    anew = true;
                    break;
                }
                catch (Exception exception) when (exception is InvalidOperationException or IOException or SocketException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
                {
                    Console.Error.WriteLine($"eyrie-node: {exception.Message}");
                }
            }
            await lost.DisposeAsync();
            try
            {
                await connected(anew);
            }
            catch (Exception exception) when (exception is IOException or SocketException)
            {
                Console.Error.WriteLine($"eyrie-node: the connection to the microkernel was lost once more: {exception.Message}"); // and is looked for once more
            }
        }
    }

    /// <summary>Lets go of the kernel; it and its containers go on.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopping) return;
        _stopping = true;
        await _service.DisposeAsync();
    }

    /// <summary>Ends the kernel and everything that it runs.</summary>
    public async Task EndAsync()
    {
        await DisposeAsync();
        await EndAsync(_options.StateDirectory);
    }

    /// <summary>Ends the kernel of a node, which is found by its state directory, with everything that it runs, and what one that was killed left behind.</summary>
    public static async Task EndAsync(string stateDirectory)
    {
        foreach (var kernel in HostProcess.Running(Program, "--root", stateDirectory))
        {
            kernel.Signal(HostProcess.Terminate);
            if (await kernel.EndedAsync(StartDeadline, CancellationToken.None)) continue;
            kernel.Signal(HostProcess.Kill);
            await kernel.EndedAsync(StartDeadline, CancellationToken.None);
        }
        await LeftGroups.RemoveAsync(NameOf(stateDirectory), CancellationToken.None);
        File.Delete(SocketOf(stateDirectory));
    }

    /// <summary>Of the node's control group and of its socket.</summary>
    private static string NameOf(string stateDirectory) => "eyrie-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(stateDirectory)))[..12];

    /// <summary>A local socket's path has at most 107 bytes, so it does not stand in the state directory.</summary>
    private static string SocketOf(string stateDirectory) => $"/run/{NameOf(stateDirectory)}.sock";
}
