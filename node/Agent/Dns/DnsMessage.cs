using System.Buffers.Binary;
using System.Text;

namespace Eyrie.Node.Dns;

public enum RecordType
{
    A = 1,
    Cname = 5,
    Soa = 6,
    Ptr = 12,
    Txt = 16,
    Aaaa = 28,
    Srv = 33,
    Opt = 41,
    Any = 255,
}

/// <summary>RFC 1035, 4.1.1.</summary>
public enum ResponseCode
{
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// <summary>One question. <paramref name="Name"/> without its last dot, in the letters that were sent; <paramref name="Limit"/>: bytes of an answer that the asker takes in one datagram.</summary>
public sealed record DnsQuestion(ushort Id, string Name, RecordType Type, bool RecursionDesired, bool Extended, int Limit);

/// <param name="Name">Whose record it is.</param>
/// <param name="Data">As it stands in the message; of names not compressed.</param>
/// <param name="Seconds">How long it may be kept.</param>
public sealed record DnsRecord(string Name, RecordType Type, byte[] Data, int Seconds);

/// <summary>What an asker hears. Additional records help with what the answers name.</summary>
public sealed record DnsAnswer(ResponseCode Code, IReadOnlyList<DnsRecord> Records, IReadOnlyList<DnsRecord> Additional)
{
    public static readonly DnsAnswer Nothing = new(ResponseCode.NoError, [], []), NoSuchName = Of(ResponseCode.NameError);

    public static DnsAnswer Of(ResponseCode code) => new(code, [], []);
}

/// <summary>Messages of RFC 1035 with one question, and EDNS (RFC 6891) as far as the size of answers goes. Pure.</summary>
public static class DnsMessage
{
    private const int Header = 12, Smallest = 512, Largest = 1232;

    /// <summary>null: not a query that can be answered, only dropped. A query of a kind that is not known has an empty name and a code.</summary>
    public static DnsQuestion? Read(ReadOnlySpan<byte> bytes, out ResponseCode problem)
    {
        problem = ResponseCode.NoError;
        if (bytes.Length < Header || (bytes[2] & 0x80) != 0) return null;
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        bool recursion = (bytes[2] & 1) != 0;
        var unknown = new DnsQuestion(id, "", RecordType.A, recursion, false, Smallest);
        if ((bytes[2] >> 3 & 15) != 0) { problem = ResponseCode.NotImplemented; return unknown; }
        problem = ResponseCode.FormatError;
        if (BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]) != 1) return unknown;
        int at = Header;
        if (Name(bytes, ref at) is not { } name || bytes.Length < at + 4) return unknown;
        var type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
        int kind = BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 2)..]);
        if (kind != 1) { problem = ResponseCode.NotImplemented; return unknown; }
        at += 4;
        problem = ResponseCode.NoError;
        int others = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]) + BinaryPrimitives.ReadUInt16BigEndian(bytes[8..]) + BinaryPrimitives.ReadUInt16BigEndian(bytes[10..]);
        for (int i = 0; i < others; i++)
        {
            if (Name(bytes, ref at) is null || bytes.Length < at + 10) break;
            if ((RecordType)BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]) == RecordType.Opt)
                return new DnsQuestion(id, name, type, recursion, true, Math.Clamp((int)BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 2)..]), Smallest, Largest));
            at += 10 + BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 8)..]);
        }
        return new DnsQuestion(id, name, type, recursion, false, Smallest);
    }

    /// <summary>Labels until the root; null when they lead out of the message. A pointer ends the name's own bytes.</summary>
    public static string? Name(ReadOnlySpan<byte> bytes, ref int at)
    {
        const int MostJumps = 16, Longest = 255;
        var name = new StringBuilder();
        int end = -1;
        for (int jumps = 0; at < bytes.Length;)
        {
            int length = bytes[at];
            if (length == 0)
            {
                at = end < 0 ? at + 1 : end;
                return name.ToString();
            }
            if ((length & 0xC0) == 0xC0)
            {
                if (at + 1 >= bytes.Length || ++jumps > MostJumps) return null;
                if (end < 0) end = at + 2;
                at = (length & 0x3F) << 8 | bytes[at + 1];
                continue;
            }
            if ((length & 0xC0) != 0 || at + 1 + length > bytes.Length || name.Length + length > Longest) return null;
            if (name.Length > 0) name.Append('.');
            foreach (byte letter in bytes.Slice(at + 1, length)) name.Append((char)letter);
            at += 1 + length;
        }
        return null;
    }

    /// <summary>The whole answer; of a datagram that would be too long only the header with the mark that says so.</summary>
    /// <param name="stream">Over TCP everything goes.</param>
    public static byte[] Write(DnsQuestion question, DnsAnswer answer, bool stream)
    {
        var whole = Bytes(question, answer, false);
        return stream || whole.Length <= question.Limit ? whole : Bytes(question, DnsAnswer.Of(answer.Code), true);
    }

    private static byte[] Bytes(DnsQuestion question, DnsAnswer answer, bool truncated)
    {
        const int Response = 0x8000, Authoritative = 0x0400, Truncated = 0x0200, RecursionAvailable = 0x0080;
        using var stream = new MemoryStream();
        void Number(int value)
        {
            stream.WriteByte((byte)(value >> 8));
            stream.WriteByte((byte)value);
        }
        void Record(DnsRecord record)
        {
            stream.Write(Encode(record.Name));
            Number((int)record.Type);
            Number(1);
            Number(record.Seconds >> 16);
            Number(record.Seconds & 0xFFFF);
            Number(record.Data.Length);
            stream.Write(record.Data);
        }
        Number(question.Id);
        Number(Response | Authoritative | RecursionAvailable | (truncated ? Truncated : 0) | (question.RecursionDesired ? 0x0100 : 0) | (int)answer.Code);
        Number(question.Name.Length > 0 || question.Type != RecordType.A ? 1 : 0);
        Number(answer.Records.Count);
        Number(0);
        Number(answer.Additional.Count + (question.Extended ? 1 : 0));
        if (question.Name.Length > 0 || question.Type != RecordType.A)
        {
            stream.Write(Encode(question.Name));
            Number((int)question.Type);
            Number(1);
        }
        foreach (var record in answer.Records.Concat(answer.Additional)) Record(record);
        if (question.Extended) stream.Write([0, 0, (byte)RecordType.Opt, Largest >> 8, Largest & 0xFF, 0, 0, 0, 0, 0, 0]);
        return stream.ToArray();
    }

    /// <summary>A name as labels. Labels longer than 63 letters are no names.</summary>
    public static byte[] Encode(string name)
    {
        if (name.Length == 0) return [0];
        using var stream = new MemoryStream();
        foreach (var label in name.Split('.'))
        {
            if (label.Length is 0 or > 63) throw new ArgumentException($"\"{name}\" is not a name of DNS");
            stream.WriteByte((byte)label.Length);
            foreach (char letter in label) stream.WriteByte((byte)letter);
        }
        stream.WriteByte(0);
        return stream.ToArray();
    }
}
