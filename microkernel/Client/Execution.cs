using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Eyrie.Microkernel.Client;

/// <summary>The descriptors of one execution, on both sides: the program's go to the service and are closed here, the others become streams.</summary>
internal sealed class ExecutionEnds : IDisposable
{
    public List<SafeFileHandle> Program { get; } = [];
    public Stream? Input { get; private set; }
    public Stream Output { get; private set; } = Stream.Null;
    public Stream? Error { get; private set; }
    public SafeFileHandle? Master { get; private set; }

    public static ExecutionEnds Make(bool input, bool terminal)
    {
        var ends = new ExecutionEnds();
        if (terminal) return ends; // the world that the program starts in has it; it comes with the answer
        if (input)
        {
            var (read, write) = NativeDescriptors.Pipe();
            ends.Program.Add(read);
            ends.Input = new FileStream(write, FileAccess.Write, 0);
        }
        else ends.Program.Add(File.OpenHandle("/dev/null"));
        ends.Output = ends.Reading();
        ends.Error = ends.Reading();
        return ends;
    }

    /// <summary>For an attachment: stdout and stderr.</summary>
    public static ExecutionEnds MakeWatching()
    {
        var ends = new ExecutionEnds();
        ends.Output = ends.Watching();
        ends.Error = ends.Watching();
        return ends;
    }

    /// <summary>The showing side of the program's terminal has come.</summary>
    public void Show(SafeFileHandle terminal, bool input)
    {
        Master = terminal;
        var both = new TerminalStream(terminal);
        (Input, Output) = (input ? both : null, both);
    }

    /// <summary>Of a container: what its stdin or terminal is written to, if it has one; a terminal has no stderr.</summary>
    public void Attached(SafeFileHandle? input, bool terminal)
    {
        if (terminal)
        {
            Master = input;
            Error?.Dispose();
            Error = null;
        }
        if (input is not null) Input = new FileStream(input, FileAccess.Write, 0);
    }

    private NetworkStream Watching()
    {
        var (own, service) = NativeDescriptors.Sockets();
        Program.Add(service);
        var socket = new Socket(new SafeSocketHandle(own.DangerousGetHandle(), true));
        own.SetHandleAsInvalid();
        return new NetworkStream(socket, ownsSocket: true);
    }

    private FileStream Reading()
    {
        var (read, write) = NativeDescriptors.Pipe();
        Program.Add(write);
        return new FileStream(read, FileAccess.Read, 0);
    }

    public void Resize(int columns, int rows)
    {
        if (Master is { IsClosed: false } master) NativeDescriptors.Resize(master, columns, rows);
    }

    /// <summary>Closes the program's side: from now on its end is seen on the streams.</summary>
    public void CloseProgram()
    {
        foreach (var handle in Program) handle.Dispose();
    }

    public void Dispose()
    {
        CloseProgram();
        Input?.Dispose();
        Output.Dispose();
        Error?.Dispose();
        Master?.Dispose();
    }
}

/// <summary>The showing side of a terminal. When the program's side is closed the host says EIO, which here is the end.</summary>
internal sealed class TerminalStream(SafeFileHandle master) : Stream
{
    private readonly FileStream _file = new(master, FileAccess.ReadWrite, 0);

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return _file.Read(buffer);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await _file.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    public override void Write(byte[] buffer, int offset, int count) => _file.Write(buffer, offset, count);
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _file.WriteAsync(buffer, cancellationToken);
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _file.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>A container's own program, as one who is attached sees it.</summary>
internal sealed class ContainerAttachment(ExecutionEnds ends) : IAttachment
{
    public Stream? Input => ends.Input;
    public Stream Output => ends.Output;
    public Stream? Error => ends.Error;

    public void Resize(int columns, int rows) => ends.Resize(columns, rows);

    public ValueTask DisposeAsync()
    {
        ends.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>One execution, as its starter sees it.</summary>
internal sealed class Execution(ExecutionEnds ends, Task<int> exit, Func<int, CancellationToken, Task> signal) : IExecution
{
    private const int Kill = 9;

    public Stream? Input => ends.Input;
    public Stream Output => ends.Output;
    public Stream? Error => ends.Error;
    public Task<int> Exit => exit;

    public void Resize(int columns, int rows) => ends.Resize(columns, rows);

    public Task SignalAsync(int number, CancellationToken cancellationToken) => signal(number, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (!exit.IsCompleted)
        {
            try
            {
                await signal(Kill, CancellationToken.None);
            }
            catch (Exception exception) when (exception is ContainerServiceException or IOException)
            {
                // It has ended meanwhile, or the service has and it with it.
            }
        }
        ends.Dispose();
    }
}
