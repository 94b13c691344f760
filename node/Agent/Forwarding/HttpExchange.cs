using System.Globalization;

namespace Eyrie.Node.Forwarding;

/// <summary>What the end of the server's connection is to the client.</summary>
public enum ServerEnd
{
    /// <summary>The end of its own.</summary>
    Told,

    /// <summary>Nothing, if another server answers: its one request may be asked again, and nothing of an answer has come.</summary>
    AskedAgain,

    /// <summary>Nothing, if it sends a request now: the server has none of it that is not answered.</summary>
    Awaited,
}

/// <summary>
/// Follows a client's connection to a server and knows at every moment what the end of the server's connection is to the client. A request is asked again only if it is whole, alone on its way, safe and without a body
/// (GET, HEAD, OPTIONS: RFC 9110, 9.2.2), neither upgrades nor expects, and has not had one byte of an answer. It knows HTTP/1.0 and 1.1 and frames their messages as RFC 9112 (6) says; whatever else passes, pipelined
/// requests, bodies, an answer that the end of its connection ends, a head of more than <see cref="LongestHead"/> bytes, makes it step aside for the rest of the connection. Pure; not for several threads.
/// </summary>
public sealed class HttpExchange
{
    /// <summary>The longest head, line of a chunk or trailer that is followed, in bytes; also the most that is kept of a connection.</summary>
    public const int LongestHead = 1 << 14;

    private enum Stage
    {
        /// <summary>No request is on its way; what there is of the next is kept.</summary>
        Asking,

        /// <summary>One request is on its way, whole and kept, without a byte of its answer.</summary>
        Asked,

        AnswerHead,
        Body,
        ChunkSize,
        Chunk,
        Trailer,
        Aside,
    }

    private Stage _stage = Stage.Asking;
    private byte[] _kept = []; // of the request, or of what is read of its answer
    private int _length;
    private long _left; // bytes of the body, or of the chunk with its end
    private bool _version11, _headOnly, _persists; // of the request

    /// <summary>What the end of the server's connection would be now.</summary>
    public ServerEnd AtServerEnd => _stage switch
    {
        Stage.Asked => ServerEnd.AskedAgain,
        Stage.Asking when _length == 0 => ServerEnd.Awaited,
        _ => ServerEnd.Told,
    };

    /// <summary>The request that is to be asked again; of <see cref="ServerEnd.AskedAgain"/> only.</summary>
    public ReadOnlyMemory<byte> Request => _stage == Stage.Asked ? _kept.AsMemory(0, _length) : throw new InvalidOperationException("no request may be asked again");

    /// <summary>Nothing is asked again from now on: also when the client sends no more.</summary>
    public void StepAside()
    {
        _stage = Stage.Aside;
        _kept = [];
        _length = 0;
    }

    /// <summary>Bytes that the client sent, before they are sent on.</summary>
    public void FromClient(ReadOnlySpan<byte> bytes)
    {
        if (_stage == Stage.Aside || bytes.IsEmpty) return;
        if (_stage != Stage.Asking || _length + bytes.Length > LongestHead)
        {
            StepAside();
            return;
        }
        int before = _length;
        Keep(bytes);
        int end = HeadEnd(before);
        if (!MayBeSafe() || (end >= 0 && (end != _length || !IsRepeatable()))) StepAside();
        else if (end >= 0) _stage = Stage.Asked;
    }

    /// <summary>Bytes that the server sent, before they are sent on.</summary>
    public void FromServer(ReadOnlySpan<byte> bytes)
    {
        while (_stage != Stage.Aside && !bytes.IsEmpty) bytes = bytes[Take(bytes)..];
    }

    private ReadOnlySpan<byte> Kept => _kept.AsSpan(0, _length);

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_kept.Length < _length + bytes.Length) Array.Resize(ref _kept, Math.Min(LongestHead, Math.Max(256, 2 * (_length + bytes.Length))));
        bytes.CopyTo(_kept.AsSpan(_length));
        _length += bytes.Length;
    }

    /// <summary>Where the head in what is kept ends, the bytes before a place having been looked at already; negative: it does not yet.</summary>
    private int HeadEnd(int lookedAt)
    {
        int from = Math.Max(0, lookedAt - 3), at = Kept[from..].IndexOf("\r\n\r\n"u8);
        return at < 0 ? -1 : from + at + 4;
    }

    private bool MayBeSafe() => Begins("GET "u8) || Begins("HEAD "u8) || Begins("OPTIONS "u8);

    private bool Begins(ReadOnlySpan<byte> method) => _length < method.Length ? method.StartsWith(Kept) : Kept.StartsWith(method);

    private bool IsRepeatable()
    {
        if (HttpHead.Read(Kept) is not { Chunked: false, Length: null or 0, Conditional: false } head) return false;
        ReadOnlySpan<byte> line = head.First;
        int method = line.IndexOf((byte)' '), version = line.LastIndexOf((byte)' ');
        if (version <= method + 1 || line[(method + 1)..version].Contains((byte)' ')) return false;
        _version11 = line[version..].SequenceEqual(" HTTP/1.1"u8);
        _headOnly = line.StartsWith("HEAD "u8);
        _persists = head.Persists(_version11);
        return _version11 || line[version..].SequenceEqual(" HTTP/1.0"u8);
    }

    /// <summary>How many of the bytes belong to one thing; the next stage is set when that is whole.</summary>
    private int Take(ReadOnlySpan<byte> bytes)
    {
        switch (_stage)
        {
            case Stage.Asked:
                _stage = Stage.AnswerHead;
                _length = 0;
                return 0;
            case Stage.AnswerHead:
                return TakeUntil("\r\n\r\n"u8, bytes, Head);
            case Stage.ChunkSize:
                return TakeUntil("\r\n"u8, bytes, Size);
            case Stage.Trailer:
                return TakeUntil("\r\n"u8, bytes, Trail);
            case Stage.Body or Stage.Chunk:
                int taken = (int)Math.Min(_left, bytes.Length);
                _left -= taken;
                if (_stage == Stage.Chunk && !EndsChunk(bytes[..taken])) StepAside();
                else if (_left == 0 && _stage == Stage.Body) Answered();
                else if (_left == 0) _stage = Stage.ChunkSize;
                return taken;
            default:
                StepAside(); // it speaks without being asked
                return 0;
        }
    }

    private int TakeUntil(ReadOnlySpan<byte> end, ReadOnlySpan<byte> bytes, Func<bool> understood)
    {
        int before = _length;
        Keep(bytes[..Math.Min(bytes.Length, LongestHead - before)]);
        int from = Math.Max(0, before - end.Length + 1), at = Kept[from..].IndexOf(end);
        if (at < 0)
        {
            if (_length == LongestHead) StepAside();
            return bytes.Length;
        }
        _length = from + at + end.Length;
        int taken = _length - before;
        if (!understood()) StepAside();
        else _length = 0;
        return taken;
    }

    private bool Head()
    {
        if (HttpHead.Read(Kept) is not { } head) return false;
        ReadOnlySpan<byte> line = head.First;
        bool version11 = line.StartsWith("HTTP/1.1 "u8);
        if ((!version11 && !line.StartsWith("HTTP/1.0 "u8)) || line.Length < 12 || (line.Length > 12 && line[12] != ' ') || line[9..12].ContainsAnyExceptInRange((byte)'0', (byte)'9')) return false;
        int status = int.Parse(line[9..12], CultureInfo.InvariantCulture);
        if (status is < 100 or 101 || (head.Chunked && !version11)) return false;
        if (status < 200) return true; // the answer itself is to come
        _persists &= head.Persists(version11 && _version11);
        if (_headOnly || status is 204 or 304 || (head.Length == 0 && !head.Chunked))
        {
            Answered();
            return true;
        }
        _left = head.Length ?? 0;
        _stage = head.Chunked ? Stage.ChunkSize : Stage.Body;
        return head.Chunked || head.Length is not null; // else it ends with its connection
    }

    private bool Size()
    {
        var digits = Kept[..^2];
        int extension = digits.IndexOfAny((byte)';', (byte)' ', (byte)'\t');
        if (extension >= 0) digits = digits[..extension];
        if (digits.Length is 0 or > 15 || !long.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long size)) return false;
        _left = size + 2;
        _stage = size == 0 ? Stage.Trailer : Stage.Chunk;
        return true;
    }

    /// <summary>Whether what was taken of a chunk last, <see cref="_left"/> bytes before its end, is CRLF where that belongs.</summary>
    private bool EndsChunk(ReadOnlySpan<byte> taken)
    {
        if (_left == 0 && taken[^1] != '\n') return false;
        long carriageReturn = taken.Length + _left - 2;
        return carriageReturn < 0 || carriageReturn >= taken.Length || taken[(int)carriageReturn] == '\r';
    }

    private bool Trail()
    {
        if (_length == 2) Answered();
        return true;
    }

    private void Answered()
    {
        if (_persists) _stage = Stage.Asking;
        else StepAside();
    }
}
