using System.Buffers;
using Eyrie.Node.Contract.V1;
using Microsoft.Win32.SafeHandles;

namespace Eyrie.Node.Logs;

/// <summary>
/// Reads the log of one run for one request, over all files of it: its end, from a time on, or as it grows and is put aside, until the run is over. What nobody takes is not read.
/// </summary>
/// <param name="current">Path of the file that is written now.</param>
/// <param name="request">What is wanted.</param>
/// <param name="running">Whether the run is still going on: more may come.</param>
/// <param name="send">Takes a piece; it is waited for.</param>
public sealed class LogReader(string current, LogRequest request, Func<bool> running, Func<ReadOnlyMemory<byte>, Task> send)
{
    private const int Block = 1 << 16, Piece = 1 << 15, Tries = 10;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100), Coarse = TimeSpan.FromSeconds(1); // a file's time lags behind that of its last line a little

    private readonly byte[]? _since = request.SinceUnixMilliseconds > 0 ? LogLine.TimeText(DateTimeOffset.FromUnixTimeMilliseconds(request.SinceUnixMilliseconds)) : null;
    private readonly ArrayBufferWriter<byte> _out = new(Piece + 1024);
    private readonly byte[] _block = new byte[Block];
    private long _left = request.LimitBytes > 0 ? request.LimitBytes : long.MaxValue;
    private long _offset; // of the file that is read
    private byte[] _begun = []; // of a line whose end is not there yet

    /// <exception cref="FileNotFoundException">There is no log.</exception>
    public async Task ReadAsync(CancellationToken cancellationToken)
    {
        var (files, aside) = Open();
        try
        {
            var (first, offset) = Begin(files);
            for (int file = first; file < files.Count && _left > 0; file++)
            {
                (_offset, _begun) = (file == first ? offset : 0, []);
                await PumpAsync(files[file], cancellationToken);
            }
            await FlushAsync();
            if (request.Follow) await FollowAsync(files[^1], aside, cancellationToken);
        }
        finally
        {
            foreach (var file in files) file.Dispose();
        }
    }

    /// <summary>All files, oldest first, as they are at one moment: while one is put aside, it is looked anew.</summary>
    private (List<SafeFileHandle> Files, int Aside) Open()
    {
        for (int attempt = 1; ; attempt++)
        {
            var files = new List<SafeFileHandle>();
            try
            {
                int aside = LogFiles.Aside(current).DefaultIfEmpty().Max();
                var paths = LogFiles.Of(current);
                foreach (var path in paths) files.Add(Open(path));
                // Without a current one the last that was put aside is the one to go on from.
                if (files.Count > 0 && LogFiles.Aside(current).DefaultIfEmpty().Max() == aside) return (files, paths[^1] == current ? aside : aside - 1);
                if (files.Count == 0 && attempt == Tries) throw new FileNotFoundException("there is no log");
            }
            catch (FileNotFoundException) when (attempt < Tries)
            {
                // Put aside or removed between the look and the opening.
            }
            foreach (var file in files) file.Dispose();
        }
    }

    private static SafeFileHandle Open(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>The first file to read, and from where.</summary>
    private (int File, long Offset) Begin(List<SafeFileHandle> files)
    {
        if (request.TailLines < 0) return (request.SinceUnixMilliseconds > 0 ? Since(files, DateTimeOffset.FromUnixTimeMilliseconds(request.SinceUnixMilliseconds)) : 0, 0);
        long wanted = request.TailLines;
        for (int file = files.Count - 1; ; file--)
        {
            var (offset, found) = LogTail.Find(files[file], wanted);
            wanted -= found;
            if (wanted <= 0 || file == 0) return (file, offset);
        }
    }

    /// <summary>The first file that was written to after a moment; the last one, if none was. What was put aside before is not read.</summary>
    private static int Since(List<SafeFileHandle> files, DateTimeOffset moment)
    {
        int first = files.FindIndex(file => File.GetLastWriteTimeUtc(file) >= moment.UtcDateTime - Coarse);
        return first < 0 ? files.Count - 1 : first;
    }

    private async Task FollowAsync(SafeFileHandle file, int aside, CancellationToken cancellationToken)
    {
        SafeFileHandle? own = null;
        try
        {
            while (_left > 0)
            {
                bool more = running();
                bool grew = await PumpAsync(own ?? file, cancellationToken);
                await FlushAsync();
                if (grew) continue;
                var later = LogFiles.Aside(current).Where(number => number > aside).Order().ToList();
                if (later.Count > 0 && (later.Count > 1 || File.Exists(current)))
                {
                    // Nothing is written to what was put aside, once there is a file in its place; what came last is read first.
                    if (await PumpAsync(own ?? file, cancellationToken)) continue;
                    own?.Dispose();
                    own = Open(later.Count > 1 ? LogFiles.Aside(current, later[1]) : current);
                    (aside, _offset, _begun) = (later[0], 0, []);
                }
                else if (!more) return;
                else await Task.Delay(Look, cancellationToken);
            }
        }
        finally
        {
            own?.Dispose();
        }
    }

    /// <summary>Reads to the end of a file. False: there was nothing.</summary>
    private async Task<bool> PumpAsync(SafeFileHandle file, CancellationToken cancellationToken)
    {
        bool some = false;
        for (int read; _left > 0 && (read = await RandomAccess.ReadAsync(file, _block, _offset, cancellationToken)) > 0; some = true)
        {
            _offset += read;
            Take(_block.AsSpan(0, read));
            if (_out.WrittenCount >= Piece) await FlushAsync();
        }
        return some;
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        for (int end; (end = bytes.IndexOf((byte)'\n')) >= 0; bytes = bytes[(end + 1)..])
        {
            if (_begun.Length == 0) Add(bytes[..end]);
            else
            {
                Add([.. _begun, .. bytes[..end]]);
                _begun = [];
            }
        }
        if (bytes.Length > 0) _begun = [.. _begun, .. bytes];
    }

    private void Add(ReadOnlySpan<byte> bytes)
    {
        if (!LogLine.TryParse(bytes, out var line) || (_since is not null && line.Time.SequenceCompareTo(_since) < 0)) return;
        if (request.Timestamps)
        {
            _out.Write(line.Time);
            _out.Write(" "u8);
        }
        _out.Write(line.Text);
        if (line.IsFull) _out.Write("\n"u8);
    }

    private async Task FlushAsync()
    {
        for (var rest = _out.WrittenMemory; rest.Length > 0 && _left > 0;)
        {
            var piece = rest[..(int)Math.Min(Math.Min(rest.Length, FrameWriter.LargestData), _left)];
            await send(piece);
            _left -= piece.Length;
            rest = rest[piece.Length..];
        }
        _out.Clear();
    }
}
