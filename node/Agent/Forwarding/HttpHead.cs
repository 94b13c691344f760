using System.Buffers;
using System.Text;

namespace Eyrie.Node.Forwarding;

/// <summary>
/// What of the head of a request or an answer of HTTP/1 says where its message ends (RFC 9112, 6) and whether the connection goes on after it (9.3). Read strictly: lines end with CRLF, names are tokens, a
/// length stands once. What others might read otherwise is not understood here.
/// </summary>
internal sealed record HttpHead
{
    private static readonly SearchValues<byte> Token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);
    private static readonly SearchValues<byte> NeverInALine = SearchValues.Create("\r\n\0"u8);

    /// <summary>Content-Length, in bytes; null: there is none.</summary>
    public long? Length { get; private set; }

    /// <summary>Transfer-Encoding: chunked and no other.</summary>
    public bool Chunked { get; private set; }

    /// <summary>Connection: close.</summary>
    public bool Close { get; private set; }

    /// <summary>Connection: keep-alive.</summary>
    public bool KeepAlive { get; private set; }

    /// <summary>Upgrade or Expect: what follows depends on more than framing.</summary>
    public bool Conditional { get; private set; }

    /// <summary>The first line, without its end.</summary>
    public required byte[] First { get; init; }

    /// <param name="head">The whole head, with the empty line that ends it.</param>
    /// <returns>Null: not understood.</returns>
    public static HttpHead? Read(ReadOnlySpan<byte> head)
    {
        HttpHead? read = null;
        while (true)
        {
            int end = head.IndexOf("\r\n"u8);
            if (end < 0) return null;
            var line = head[..end];
            head = head[(end + 2)..];
            if (line.ContainsAny(NeverInALine)) return null;
            if (read is null) read = new HttpHead { First = line.ToArray() };
            else if (line.IsEmpty) return head.IsEmpty && !(read.Chunked && read.Length is not null) ? read : null;
            else if (!read.Take(line)) return null;
        }
    }

    private bool Take(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        if (colon <= 0 || line[..colon].ContainsAnyExcept(Token)) return false;
        var name = line[..colon];
        var value = line[(colon + 1)..].Trim(" \t"u8);
        if (Ascii.EqualsIgnoreCase(name, "content-length"u8))
        {
            if (Length is not null || value.Length is 0 or > 18 || value.ContainsAnyExceptInRange((byte)'0', (byte)'9')) return false;
            Length = long.Parse(value, provider: null);
        }
        else if (Ascii.EqualsIgnoreCase(name, "transfer-encoding"u8))
        {
            if (Chunked || !Ascii.EqualsIgnoreCase(value, "chunked"u8)) return false;
            Chunked = true;
        }
        else if (Ascii.EqualsIgnoreCase(name, "connection"u8))
        {
            foreach (var option in value.Split((byte)','))
            {
                var word = value[option].Trim(" \t"u8);
                Close |= Ascii.EqualsIgnoreCase(word, "close"u8);
                KeepAlive |= Ascii.EqualsIgnoreCase(word, "keep-alive"u8);
            }
        }
        else if (Ascii.EqualsIgnoreCase(name, "upgrade"u8) || Ascii.EqualsIgnoreCase(name, "expect"u8))
        {
            Conditional = true;
        }
        return true;
    }

    /// <summary>Whether the connection goes on after a message of this version.</summary>
    public bool Persists(bool version11) => !Close && (version11 || KeepAlive);
}
