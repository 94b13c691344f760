using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Eyrie.Node.Contract.V1;
using Google.Protobuf;

namespace Eyrie.Node;

/// <summary>Reads a container's log file (CRI format) for one request: the end of it, from a time on, or as it grows.</summary>
public static class LogReader
{
    public static async Task ReadAsync(string path, LogRequest request, Action<NodeMessage> send, CancellationToken cancellationToken)
    {
        long left = request.LimitBytes > 0 ? request.LimitBytes : long.MaxValue;
        var lines = new StringBuilder();
        void Flush()
        {
            if (lines.Length == 0) return;
            var bytes = Encoding.UTF8.GetBytes(lines.ToString());
            lines.Clear();
            if (bytes.Length > left) bytes = bytes[..(int)left];
            left -= bytes.Length;
            send(new NodeMessage { LogChunk = new LogChunk { RequestId = request.RequestId, Data = ByteString.CopyFrom(bytes) } });
        }
        void Add(string line)
        {
            var fields = line.Split(' ', 4);
            if (fields.Length < 4) return;
            if (request.SinceUnixMilliseconds > 0 && DateTimeOffset.TryParse(fields[0], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && at.ToUnixTimeMilliseconds() < request.SinceUnixMilliseconds) return;
            if (request.Timestamps) lines.Append(fields[0]).Append(' ');
            lines.Append(fields[3]);
            if (fields[2] == "F") lines.Append('\n');
            if (lines.Length > 1 << 15) Flush();
        }
        var changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!, Path.GetFileName(path)) { NotifyFilter = NotifyFilters.Size | NotifyFilters.LastWrite };
        watcher.Changed += (_, _) => changed.Writer.TryWrite(true);
        watcher.Deleted += (_, _) => changed.Writer.TryComplete();
        watcher.EnableRaisingEvents = request.Follow;
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        foreach (var line in await FirstAsync(reader, request.TailLines, cancellationToken)) Add(line);
        Flush();
        var partial = "";
        while (request.Follow && left > 0 && await changed.Reader.WaitToReadAsync(cancellationToken))
        {
            changed.Reader.TryRead(out _);
            partial += await reader.ReadToEndAsync(cancellationToken);
            for (int end; (end = partial.IndexOf('\n', StringComparison.Ordinal)) >= 0; partial = partial[(end + 1)..]) Add(partial[..end]);
            Flush();
        }
    }

    /// <summary>What stands in the file now; the last so many lines of it.</summary>
    private static async Task<IEnumerable<string>> FirstAsync(StreamReader reader, long tail, CancellationToken cancellationToken)
    {
        var kept = new Queue<string>();
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            kept.Enqueue(line);
            if (tail >= 0 && kept.Count > tail) kept.Dequeue();
        }
        return kept;
    }
}
