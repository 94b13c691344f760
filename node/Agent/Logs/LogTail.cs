using Microsoft.Win32.SafeHandles;

namespace Eyrie.Node.Logs;

/// <summary>Where the last lines of a log begin, found from its end: what is before them is not read.</summary>
public static class LogTail
{
    private const int Block = 1 << 16, Head = 128; // time, stream and tag of a line fit the head

    /// <param name="file">One file of the log.</param>
    /// <param name="wanted">How many whole lines; a line in parts is one.</param>
    /// <returns>Where they begin, and how many were found in this file: fewer when it has no more.</returns>
    public static (long Offset, long Found) Find(SafeFileHandle file, long wanted)
    {
        long size = RandomAccess.GetLength(file), found = 0, next = size;
        // Another line begins there; true: it is the last one before those that are wanted.
        bool Passed(ReadOnlySpan<byte> head, long line)
        {
            if (LogLine.TryParse(head, out var parsed) && parsed.IsFull && found++ == wanted) return true;
            next = line;
            return false;
        }
        var buffer = new byte[Block + Head];
        for (long end = size; end > 0;)
        {
            long start = Math.Max(0, end - Block);
            int read = Read(file, buffer.AsSpan(0, (int)Math.Min(end - start + Head, size - start)), start);
            for (int length = (int)(end - start), at; (at = buffer.AsSpan(0, length).LastIndexOf((byte)'\n')) >= 0; length = at)
                if (start + at + 1 < size && Passed(buffer.AsSpan(at + 1, Math.Min(Head, read - at - 1)), start + at + 1)) return (next, wanted);
            if (start == 0 && Passed(buffer.AsSpan(0, Math.Min(Head, read)), 0)) return (next, wanted);
            end = start;
        }
        return (0, found);
    }

    private static int Read(SafeFileHandle file, Span<byte> into, long offset)
    {
        int read = 0;
        for (int got; read < into.Length && (got = RandomAccess.Read(file, into[read..], offset + read)) > 0; read += got) { }
        return read;
    }
}
