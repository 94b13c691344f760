using System.Text;

namespace Eyrie.Node.Logs;

/// <summary>One line of a log in CRI format: time, stream, tag (F: a whole line or its end; P: a part of it), text. Pure.</summary>
public readonly ref struct LogLine
{
    private LogLine(ReadOnlySpan<byte> time, bool isFull, ReadOnlySpan<byte> text)
    {
        Time = time;
        IsFull = isFull;
        Text = text;
    }

    /// <summary>RFC 3339 with nanoseconds, as it stands there.</summary>
    public ReadOnlySpan<byte> Time { get; }
    public bool IsFull { get; }
    public ReadOnlySpan<byte> Text { get; }

    /// <param name="line">Without its newline.</param>
    /// <param name="parsed">What it says.</param>
    /// <returns>False: it is no such line.</returns>
    public static bool TryParse(ReadOnlySpan<byte> line, out LogLine parsed)
    {
        parsed = default;
        int time = line.IndexOf((byte)' ');
        if (time < 0) return false;
        var rest = line[(time + 1)..];
        int stream = rest.IndexOf((byte)' ');
        if (stream < 0 || rest.Length < stream + 3 || rest[stream + 2] != ' ' || rest[stream + 1] is not ((byte)'F' or (byte)'P')) return false;
        parsed = new LogLine(line[..time], rest[stream + 1] == 'F', rest[(stream + 3)..]);
        return true;
    }

    /// <summary>A time as it stands in a line, so that times are compared as text.</summary>
    public static byte[] TimeText(DateTimeOffset time) => Encoding.ASCII.GetBytes(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'00Z'", System.Globalization.CultureInfo.InvariantCulture));
}
