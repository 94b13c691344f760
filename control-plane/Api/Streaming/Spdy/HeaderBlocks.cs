using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Eyrie.ControlPlane.Api.Streaming.Spdy;

/// <summary>
/// Header blocks of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00, section 2.6.10): names and values, compressed with one zlib context a direction for the whole
/// connection, which begins with a dictionary that both sides know.
/// </summary>
public sealed class HeaderBlocks : IDisposable
{
    private const int LargestBlock = 64 << 10, ZlibHeader = 2, DictionaryId = 4, LengthBytes = 4;

    private readonly Source _compressed = new();
    private readonly DeflateStream _inflated;
    private readonly MemoryStream _written = new();
    private readonly ZLibStream _deflating;
    private bool _begun;

    public HeaderBlocks()
    {
        _inflated = new DeflateStream(_compressed, CompressionMode.Decompress, true);
        _deflating = new ZLibStream(_written, CompressionLevel.Fastest, true);
        // The host's library takes no dictionary. A stored block with the dictionary in front leaves the decoder in the same state.
        var dictionary = HeaderDictionary.Bytes();
        var stored = new byte[5 + dictionary.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(stored.AsSpan(1), (ushort)dictionary.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(stored.AsSpan(3), (ushort)~dictionary.Length);
        dictionary.CopyTo(stored, 5);
        _compressed.Add(stored);
        _inflated.ReadExactly(new byte[dictionary.Length]);
    }

    /// <exception cref="InvalidDataException">The block is not what the protocol says, or larger than 64 KiB.</exception>
    public IReadOnlyDictionary<string, string> Read(ReadOnlyMemory<byte> block)
    {
        if (!_begun)
        {
            // The zlib header; with the flag for a dictionary, its checksum follows.
            if (block.Length < ZlibHeader) throw new InvalidDataException("the header block is too short");
            bool named = (block.Span[1] & 0x20) != 0;
            block = block[Math.Min(block.Length, named ? ZlibHeader + DictionaryId : ZlibHeader)..];
            _begun = true;
        }
        _compressed.Add(block.ToArray());
        var plain = new byte[LargestBlock];
        int length = 0, read;
        while ((read = _inflated.Read(plain, length, plain.Length - length)) > 0)
            if ((length += read) == plain.Length) throw new InvalidDataException($"a header block is larger than {LargestBlock} bytes");
        return Parse(plain.AsSpan(0, length));
    }

    private static Dictionary<string, string> Parse(ReadOnlySpan<byte> plain)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        uint count = Number(ref plain);
        for (uint pair = 0; pair < count; pair++)
        {
            var name = Text(ref plain);
            headers[name] = Text(ref plain);
        }
        return headers;
    }

    private static uint Number(ref ReadOnlySpan<byte> plain)
    {
        if (plain.Length < LengthBytes) throw new InvalidDataException("a header block ends in the middle");
        uint value = BinaryPrimitives.ReadUInt32BigEndian(plain);
        plain = plain[LengthBytes..];
        return value;
    }

    private static string Text(ref ReadOnlySpan<byte> plain)
    {
        uint length = Number(ref plain);
        if (length > plain.Length) throw new InvalidDataException("a header block ends in the middle");
        var text = Encoding.UTF8.GetString(plain[..(int)length]);
        plain = plain[(int)length..];
        return text;
    }

    public byte[] Write(IReadOnlyDictionary<string, string> headers)
    {
        using var plain = new MemoryStream();
        Span<byte> number = stackalloc byte[LengthBytes];
        BinaryPrimitives.WriteInt32BigEndian(number, headers.Count);
        plain.Write(number);
        foreach (var text in headers.SelectMany(pair => new[] { pair.Key, pair.Value }))
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            BinaryPrimitives.WriteInt32BigEndian(number, bytes.Length);
            plain.Write(number);
            plain.Write(bytes);
        }
        _deflating.Write(plain.GetBuffer(), 0, (int)plain.Length);
        _deflating.Flush();
        var block = _written.ToArray();
        _written.SetLength(0);
        return block;
    }

    public void Dispose()
    {
        _inflated.Dispose();
        _deflating.Dispose();
        _written.Dispose();
        _compressed.Dispose();
    }

    /// <summary>Bytes as they come in; when there are none, none, and more later.</summary>
    private sealed class Source : Stream
    {
        private ReadOnlyMemory<byte> _left;

        public void Add(byte[] more) => _left = _left.IsEmpty ? more : (byte[])[.. _left.Span, .. more];

        public override int Read(byte[] buffer, int offset, int count)
        {
            int taken = Math.Min(count, _left.Length);
            _left.Span[..taken].CopyTo(buffer.AsSpan(offset));
            _left = _left[taken..];
            return taken;
        }

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

/// <summary>The dictionary that header blocks of SPDY/3.1 are compressed with (draft-mbelshe-httpbis-spdy-00, section 2.6.10.1): words with their lengths, then plain text. 1,423 bytes, Adler-32 0xe3c6a7c2.</summary>
public static class HeaderDictionary
{
    private const string Words =
        "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|age|allow|authorization|cache-control|connection|content-base|content-encoding|content-language|"
        + "content-length|content-location|content-md5|content-range|content-type|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|location|"
        + "max-forwards|pragma|proxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|transfer-encoding|upgrade|user-agent|vary|via|warning|www-authenticate|method|get|status|200 OK|"
        + "version|HTTP/1.1|url|public|set-cookie|keep-alive|origin";

    private const string Text =
        "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
        + "404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,"
        + "image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

    public static byte[] Bytes() => [.. Words.Split('|').SelectMany(word => (byte[])[0, 0, 0, (byte)word.Length, .. Encoding.ASCII.GetBytes(word)]), .. Encoding.ASCII.GetBytes(Text)];
}
