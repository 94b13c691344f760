using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Eyrie.Microkernel.Abi;
using Microsoft.Win32.SafeHandles;

namespace Eyrie.Microkernel.Client;

/// <summary>The container protocol over MettEagle's local socket: many requests at once over one connection, answers by request id.</summary>
public sealed class ContainerService : IContainerService
{
    private readonly Socket _socket;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<Frame>> _waiting = new();
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<int>> _executions = new();
    private readonly Channel<ContainerEvent> _events = Channel.CreateUnbounded<ContainerEvent>();
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _reader;
    private uint _lastRequest;

    /// <summary>Completes when the connection is over: closed here, cut off there, or the service is gone. What was asked and not answered has then failed.</summary>
    public Task Closed => _reader;

    /// <summary>The kernel's process id: that of whoever made the listening socket (SO_PEERCRED, unix(7)).</summary>
    public int KernelProcessId
    {
        get
        {
            const int SocketLevel = 1, PeerCredentials = 17;
            Span<byte> credentials = stackalloc byte[12]; // struct ucred: pid, uid, gid
            _socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
            return BinaryPrimitives.ReadInt32LittleEndian(credentials);
        }
    }

    private ContainerService(Socket socket)
    {
        _socket = socket;
        _reader = Task.Run(ReadAsync);
    }

    /// <summary>Connects and subscribes to events.</summary>
    /// <param name="path">The socket that the kernel was started with.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public static async Task<ContainerService> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        var service = new ContainerService(socket);
        try
        {
            await service.CallAsync(ContainerProtocol.Subscribe, new FrameWriter(), cancellationToken);
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
        return service;
    }

    public Task CreateAsync(ContainerSpec spec, CancellationToken cancellationToken)
    {
        var frame = new FrameWriter()
            .Add(ContainerProtocol.Id, spec.Id).Add(ContainerProtocol.LogPath, spec.LogPath)
            .Add(ContainerProtocol.PodAddress, spec.PodAddress).Add(ContainerProtocol.PodLoopback, spec.PodLoopback)
            .Add(StartTag.Scratch, spec.Writable ?? "").Add(StartTag.WorkingDirectory, spec.WorkingDirectory).Add(StartTag.Hostname, spec.Hostname).Add(ContainerProtocol.Subject, spec.Subject)
            .Add(StartTag.UserId, spec.UserId).Add(StartTag.GroupId, spec.GroupId);
        if (spec.Terminal) AddTerminal(frame, spec.WindowSize);
        if (spec.OpenInput) frame.Add(ContainerProtocol.OpenInput, [1]);
        if (spec.Prepared) frame.Add(ContainerProtocol.Prepared, [1]);
        foreach (var layer in spec.Layers) frame.Add(StartTag.Layer, layer);
        foreach (var group in spec.Groups) frame.Add(StartTag.Group, group);
        foreach (var argument in spec.Arguments) frame.Add(StartTag.Argument, argument);
        foreach (var variable in spec.Environment) frame.Add(StartTag.Environment, variable);
        foreach (var entry in spec.Capabilities) frame.Add(ContainerProtocol.Capability, entry);
        foreach (var mount in spec.Mounts) frame.Add(StartTag.Mount, Mount(mount));
        return CallAsync(ContainerProtocol.Create, frame, cancellationToken);
    }

    private static void AddTerminal(FrameWriter frame, WindowSize? size)
    {
        frame.Add(StartTag.Terminal, [1]);
        if (size is { } window) frame.Add(StartTag.WindowSize, (uint)window.Rows << 16 | window.Columns);
    }

    private static byte[] Mount(MountSpec mount)
    {
        var names = Encoding.UTF8.GetBytes(mount.Source + "\0" + mount.Target);
        var bytes = new byte[9 + names.Length];
        bytes[0] = mount.ReadOnly ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(1), mount.SizeBytes);
        names.CopyTo(bytes, 9);
        return bytes;
    }

    public Task StartAsync(string containerId, CancellationToken cancellationToken, IReadOnlyList<string>? arguments = null, IReadOnlyList<string>? environment = null)
    {
        var frame = For(containerId);
        foreach (var argument in arguments ?? []) frame.Add(StartTag.Argument, argument);
        foreach (var variable in environment ?? []) frame.Add(StartTag.Environment, variable);
        return CallAsync(ContainerProtocol.Start, frame, cancellationToken);
    }

    public Task SignalAsync(string containerId, int signal, CancellationToken cancellationToken) =>
        CallAsync(ContainerProtocol.Signal, For(containerId).Add(ContainerProtocol.SignalNumber, (uint)signal), cancellationToken);

    public Task PauseAsync(string containerId, CancellationToken cancellationToken) => CallAsync(ContainerProtocol.Pause, For(containerId), cancellationToken);

    public Task ResumeAsync(string containerId, CancellationToken cancellationToken) => CallAsync(ContainerProtocol.Resume, For(containerId), cancellationToken);

    public Task DeleteAsync(string containerId, CancellationToken cancellationToken) => CallAsync(ContainerProtocol.Delete, For(containerId), cancellationToken);

    public async Task<IReadOnlyList<ContainerStatus>> ListAsync(CancellationToken cancellationToken)
    {
        var frame = await CallAsync(ContainerProtocol.List, new FrameWriter(), cancellationToken);
        return [.. frame.Fields().Where(field => field.Tag == ContainerProtocol.Container).Select(field => Status(field.Value))];
    }

    public async Task<IReadOnlyList<string>> ReadCapabilitiesAsync(string containerId, CancellationToken cancellationToken)
    {
        var frame = await CallAsync(ContainerProtocol.ReadCapabilities, For(containerId), cancellationToken);
        return [.. frame.Fields().Where(field => field.Tag == ContainerProtocol.Capability).Select(field => Encoding.UTF8.GetString(field.Value.Span)).Order(StringComparer.Ordinal)];
    }

    public Task ChangeCapabilitiesAsync(string containerId, IReadOnlyList<string> add, IReadOnlyList<string> revoke, CancellationToken cancellationToken)
    {
        var frame = For(containerId);
        foreach (var entry in add) frame.Add(ContainerProtocol.Capability, entry);
        foreach (var entry in revoke) frame.Add(ContainerProtocol.Revoked, entry);
        return CallAsync(ContainerProtocol.ChangeCapabilities, frame, cancellationToken);
    }

    public async Task<IExecution> ExecAsync(string containerId, ExecSpec spec, CancellationToken cancellationToken)
    {
        var frame = For(containerId).Add(StartTag.WorkingDirectory, spec.WorkingDirectory);
        foreach (var argument in spec.Arguments) frame.Add(StartTag.Argument, argument);
        foreach (var variable in spec.Environment) frame.Add(StartTag.Environment, variable);
        if (spec.UserId is { } user) frame.Add(StartTag.UserId, user).Add(StartTag.GroupId, spec.GroupId ?? user);
        if (spec.Terminal) AddTerminal(frame, spec.WindowSize);
        var ends = ExecutionEnds.Make(spec.Stdin, spec.Terminal);
        try
        {
            var answer = await CallAsync(ContainerProtocol.Execute, frame, cancellationToken, ends.Program);
            ends.CloseProgram();
            if (spec.Terminal) ends.Show(answer.Descriptor ?? throw new IOException("the container service gave no terminal"), spec.Stdin);
            uint number = answer.Number(ContainerProtocol.Execution);
            return new Execution(ends, Ended(number).Task, (signal, cancellation) =>
                CallAsync(ContainerProtocol.ExecutionSignal, new FrameWriter().Add(ContainerProtocol.Execution, number).Add(ContainerProtocol.SignalNumber, (uint)signal), cancellation));
        }
        catch
        {
            ends.Dispose();
            throw;
        }
    }

    public async Task<IAttachment> AttachAsync(string containerId, CancellationToken cancellationToken)
    {
        var ends = ExecutionEnds.MakeWatching();
        try
        {
            var answer = await CallAsync(ContainerProtocol.Attach, For(containerId), cancellationToken, ends.Program);
            ends.CloseProgram();
            ends.Attached(answer.Descriptor, answer.Fields().Any(field => field.Tag == StartTag.Terminal));
            return new ContainerAttachment(ends);
        }
        catch
        {
            ends.Dispose();
            throw;
        }
    }

    public Task CloseInputAsync(string containerId, CancellationToken cancellationToken) => CallAsync(ContainerProtocol.CloseInput, For(containerId), cancellationToken);

    public Task ReopenLogAsync(string containerId, CancellationToken cancellationToken) => CallAsync(ContainerProtocol.ReopenLog, For(containerId), cancellationToken);

    /// <summary>Completed by the event of its end, which may be here before the answer to the start has been looked at.</summary>
    private TaskCompletionSource<int> Ended(uint execution)
    {
        var ended = _executions.GetOrAdd(execution, _ => new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (_closed.IsCancellationRequested) ended.TrySetException(new IOException("the connection to the container service was lost"));
        ended.Task.ContinueWith(_ => _executions.TryRemove(execution, out var _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return ended;
    }

    private static string Line(ServiceEntry service) => $"{service.Namespace}/{service.Name} {service.Port}{(service.Udp ? "/udp" : "")} {service.ClusterAddress} " + (service.Affinity > TimeSpan.Zero ? string.Create(CultureInfo.InvariantCulture, $"@{(long)service.Affinity.TotalSeconds} ") : "") + string.Join(' ', service.Endpoints.Select(endpoint => $"{endpoint.Address}:{endpoint.Port}"));

    public async Task SetServicesAsync(IReadOnlyList<ServiceEntry> services, CancellationToken cancellationToken, IReadOnlyList<string>? closed = null, IReadOnlyList<string>? hosts = null)
    {
        const int PartBytes = 30_000, ClosedEach = 200;
        var parts = new List<List<string>> { new() };
        int size = 0;
        foreach (var line in services.Select(Line).Concat(hosts ?? []))
        {
            if (size + line.Length > PartBytes) { parts.Add([]); size = 0; }
            parts[^1].Add(line.TrimEnd());
            size += line.Length + 8;
        }
        for (int i = 0; i < parts.Count; i++)
        {
            var frame = new FrameWriter().Add(ContainerProtocol.More, [i == 0 ? (byte)1 : (byte)0, i == parts.Count - 1 ? (byte)1 : (byte)0]);
            foreach (var line in parts[i]) frame.Add(ContainerProtocol.Service, line);
            if (i == 0)
                foreach (var addresses in (closed ?? []).Chunk(ClosedEach)) frame.Add(ContainerProtocol.Closed, "closed " + string.Join(' ', addresses));
            await CallAsync(ContainerProtocol.SetServices, frame, cancellationToken);
        }
    }

    public async Task<ContainerStatistics> StatisticsAsync(string containerId, CancellationToken cancellationToken)
    {
        var frame = await CallAsync(ContainerProtocol.Statistics, For(containerId), cancellationToken);
        var numbers = frame.Fields().First(field => field.Tag == ContainerProtocol.Numbers).Value;
        long Number(int index) => BinaryPrimitives.ReadInt64LittleEndian(numbers.Span[(8 * index)..]);
        return new ContainerStatistics(TimeSpan.FromMicroseconds(Number(0)), Number(1), (int)Number(2)) { IdleFileBytes = Number(3), DiskReadBytes = Number(4), DiskWrittenBytes = Number(5), Peers = [.. frame.Fields().Where(field => field.Tag == ContainerProtocol.Peer).Select(field => Peer(Encoding.UTF8.GetString(field.Value.Span)))] };
    }

    private static PeerCounts Peer(string line)
    {
        var fields = line.Split(' ', 3);
        return new PeerCounts(fields[2], long.Parse(fields[0], CultureInfo.InvariantCulture), long.Parse(fields[1], CultureInfo.InvariantCulture));
    }

    /// <summary>What the kernel has given out and has left.</summary>
    public async Task<KernelStatistics> KernelStatisticsAsync(CancellationToken cancellationToken)
    {
        var frame = await CallAsync(ContainerProtocol.KernelStatistics, new FrameWriter(), cancellationToken);
        var numbers = frame.Fields().First(field => field.Tag == ContainerProtocol.Numbers).Value;
        long Number(int index) => BinaryPrimitives.ReadInt64LittleEndian(numbers.Span[(8 * index)..]);
        return new KernelStatistics(Number(0), Number(1), (int)Number(2), (int)Number(3)) { EnforcedLimits = numbers.Length > 32 ? (LimitKinds)Number(4) : LimitKinds.All };
    }

    public async IAsyncEnumerable<ContainerEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var occurred in _events.Reader.ReadAllAsync(cancellationToken)) yield return occurred;
    }

    private static FrameWriter For(string containerId) => new FrameWriter().Add(ContainerProtocol.Id, containerId);

    private async Task<Frame> CallAsync(int type, FrameWriter fields, CancellationToken cancellationToken, IReadOnlyList<SafeFileHandle>? descriptors = null)
    {
        if (fields.Length > ContainerProtocol.MaxFrame - ContainerProtocol.Header)
            throw new ContainerServiceException(ContainerError.InvalidRequest, $"the request has {fields.Length} bytes; at most {ContainerProtocol.MaxFrame - ContainerProtocol.Header} fit one frame");
        uint request = Interlocked.Increment(ref _lastRequest);
        var answer = new TaskCompletionSource<Frame>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[request] = answer;
        try
        {
            await _sending.WaitAsync(cancellationToken);
            try
            {
                if (_closed.IsCancellationRequested) throw new IOException("the connection to the container service is closed");
                ReadOnlyMemory<byte> frame = fields.Frame(request, type);
                if (descriptors is { Count: > 0 }) frame = frame[await SendAsync(frame, descriptors, cancellationToken)..];
                while (frame.Length > 0) frame = frame[await _socket.SendAsync(frame, SocketFlags.None, CancellationToken.None)..];
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                throw new IOException("the connection to the container service was lost", exception);
            }
            finally
            {
                _sending.Release();
            }
            var response = await answer.Task.WaitAsync(cancellationToken);
            var error = (ContainerError)response.Number(ContainerProtocol.Error);
            if (error != 0) throw new ContainerServiceException(error, $"the container service refused: {error} {response.Text(ContainerProtocol.Message)}".TrimEnd());
            return response;
        }
        finally
        {
            _waiting.TryRemove(request, out _);
        }
    }

    private async Task<int> SendAsync(ReadOnlyMemory<byte> frame, IReadOnlyList<SafeFileHandle> descriptors, CancellationToken cancellationToken)
    {
        var numbers = descriptors.Select(descriptor => (int)descriptor.DangerousGetHandle()).ToArray(); // the caller holds them until the answer
        int sent;
        while ((sent = NativeDescriptors.Send(_socket, frame.Span, numbers)) == 0) await Task.Delay(1, cancellationToken); // the service is behind with reading
        return sent;
    }

    private async Task ReadAsync()
    {
        Exception reason = new IOException("the container service closed the connection");
        try
        {
            var bytes = new byte[2 * (ContainerProtocol.MaxFrame + ContainerProtocol.Header)];
            int length = 0;
            while (true)
            {
                await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, _closed.Token); // until something is there
                int read = NativeDescriptors.Receive(_socket, bytes.AsSpan(length), out var descriptor);
                if (read == 0) break;
                if (read < 0) continue;
                length += read;
                int at = 0;
                while (length - at >= ContainerProtocol.Header)
                {
                    int end = at + 4 + BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));
                    if (end - at > bytes.Length) Array.Resize(ref bytes, end - at);
                    if (end > length) break;
                    // The host ends a read after the bytes that a descriptor came with, so it belongs to the last frame.
                    Deliver(new Frame(BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 4)), BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at + 10)), bytes[(at + ContainerProtocol.Header)..end], end == length ? descriptor : null));
                    at = end;
                }
                bytes.AsSpan(at, length - at).CopyTo(bytes);
                length -= at;
            }
        }
        catch (Exception exception)
        {
            reason = new IOException("the connection to the container service was lost", exception);
        }
        await _closed.CancelAsync();
        _events.Writer.TryComplete(reason);
        foreach (var waiting in _waiting.Values) waiting.TrySetException(reason);
        foreach (var execution in _executions.Values) execution.TrySetException(reason);
    }

    private void Deliver(Frame frame)
    {
        switch (frame.Type)
        {
            case ContainerProtocol.ExitEvent:
                var status = Status(frame.Fields().First(field => field.Tag == ContainerProtocol.Container).Value);
                _events.Writer.TryWrite(new ContainerExited(status.Id, status.ExitCode, status.OutOfMemory));
                break;
            case ContainerProtocol.DeniedEvent:
                _events.Writer.TryWrite(new CapabilityDenied(frame.Text(ContainerProtocol.Id), frame.Text(ContainerProtocol.Operation), frame.Text(ContainerProtocol.Target),
                    frame.Text(ContainerProtocol.Entry), (int)frame.Number(ContainerProtocol.Count)) { Verdict = Verdict(frame.Text(ContainerProtocol.Verdict)), Program = frame.Text(ContainerProtocol.Program) });
                break;
            case ContainerProtocol.ExecutionEvent:
                uint number = frame.Number(ContainerProtocol.Execution);
                var ended = _executions.GetOrAdd(number, _ => new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously));
                ended.TrySetResult((int)BinaryPrimitives.ReadInt64LittleEndian(frame.Fields().First(field => field.Tag == ContainerProtocol.Numbers).Value.Span));
                break;
            default:
                if (_waiting.TryGetValue(frame.Request, out var answer)) answer.TrySetResult(frame);
                break;
        }
    }

    private static ContainerStatus Status(ReadOnlyMemory<byte> body)
    {
        string id = "";
        var numbers = new long[6];
        foreach (var (tag, value) in Frame.Read(body))
        {
            if (tag == ContainerProtocol.Id) id = Encoding.UTF8.GetString(value.Span);
            if (tag == ContainerProtocol.Numbers)
                for (int i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadInt64LittleEndian(value.Span[(8 * i)..]);
        }
        var state = (TaskState)numbers[0] switch { TaskState.Created or TaskState.Starting => ContainerState.Created, TaskState.Running => ContainerState.Running, _ => ContainerState.Exited };
        return new ContainerStatus(id, state, (int)numbers[1], numbers[2] != 0, Time(numbers[4]), Time(numbers[5]), (int)numbers[3]);
    }

    private static UseVerdict Verdict(string word) => word switch { "audited" => UseVerdict.Audited, "unserved" => UseVerdict.Unserved, "granted" => UseVerdict.Granted, _ => UseVerdict.Denied };

    private static DateTimeOffset? Time(long milliseconds) => milliseconds == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        _socket.Dispose();
        await _reader; // the semaphore stays: whoever still waits for its turn is to be told that the connection is closed
        _closed.Dispose();
    }
}
