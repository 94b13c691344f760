using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.Node;

/// <summary>What a client sends to a program: its input and the sizes of its terminal, until the client has gone.</summary>
public static class StreamInput
{
    private const byte EndOfTransmission = 4;

    /// <summary>How long the first size of a terminal is waited for, so that a program finds it when it begins.</summary>
    private static readonly TimeSpan FirstSize = TimeSpan.FromMilliseconds(250);

    /// <summary>The size that a client with a terminal sends first. What else comes first stays where it is.</summary>
    /// <returns>The size, if it came in time; and the reading that was begun, for <see cref="FeedAsync"/>; null: none was.</returns>
    public static async Task<(WindowSize? Size, Task<bool>? Reading)> FirstSizeAsync(IAsyncStreamReader<StreamFrame> incoming, CancellationToken cancellationToken)
    {
        var reading = incoming.MoveNext(cancellationToken);
        if (await Task.WhenAny(reading, Task.Delay(FirstSize, cancellationToken)) != reading || !reading.IsCompletedSuccessfully || !reading.Result || incoming.Current.Size is not { } size) return (null, reading);
        return (new WindowSize((ushort)Math.Min(size.Columns, ushort.MaxValue), (ushort)Math.Min(size.Rows, ushort.MaxValue)), incoming.Current.Data.IsEmpty && !incoming.Current.End ? null : reading);
    }

    /// <param name="incoming">Frames of the client.</param>
    /// <param name="program">Who gets them.</param>
    /// <param name="wanted">Whether the client said that it sends input; otherwise what comes is dropped.</param>
    /// <param name="transmission">Whether the end of the input is the letter for it, as on a terminal.</param>
    /// <param name="ended">The client's input has ended, and it has not gone.</param>
    /// <param name="reading">A reading that was begun.</param>
    /// <param name="cancellationToken">The stream is over.</param>
    public static async Task FeedAsync(IAsyncStreamReader<StreamFrame> incoming, IShown program, bool wanted, bool transmission, Func<Task> ended, Task<bool>? reading, CancellationToken cancellationToken)
    {
        try
        {
            bool open = wanted && program.Input is not null;
            while (await (reading ?? incoming.MoveNext(cancellationToken)))
            {
                reading = null;
                var frame = incoming.Current;
                if (frame.Size is { } size) program.Resize((int)size.Columns, (int)size.Rows);
                if (!open) continue;
                open = await WriteAsync(program.Input!, frame, transmission, cancellationToken);
                if (frame.End) await ended();
            }
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException or IOException)
        {
            // Gone without a goodbye.
        }
    }

    /// <returns>Whether more can be written: the program may have closed its input before it was all sent.</returns>
    private static async Task<bool> WriteAsync(Stream input, StreamFrame frame, bool transmission, CancellationToken cancellationToken)
    {
        try
        {
            if (!frame.Data.IsEmpty) await input.WriteAsync(frame.Data.Memory, cancellationToken);
            if (!frame.End) return true;
            if (transmission) await input.WriteAsync(new[] { EndOfTransmission }, cancellationToken);
            return transmission;
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            return false;
        }
    }
}
