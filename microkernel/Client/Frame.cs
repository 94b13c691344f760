using System.Buffers.Binary;
using System.Text;
using Eyrie.Microkernel.Abi;
using Microsoft.Win32.SafeHandles;

namespace Eyrie.Microkernel.Client;

/// <summary>Builds the fields of one frame.</summary>
internal sealed class FrameWriter
{
    private readonly MemoryStream _bytes = new();

    public int Length => (int)_bytes.Length;

    public FrameWriter Add(int tag, ReadOnlySpan<byte> value)
    {
        Span<byte> head = stackalloc byte[6];
        BinaryPrimitives.WriteUInt16LittleEndian(head, (ushort)tag);
        BinaryPrimitives.WriteInt32LittleEndian(head[2..], value.Length);
        _bytes.Write(head);
        _bytes.Write(value);
        return this;
    }

    public FrameWriter Add(int tag, string value) => Add(tag, Encoding.UTF8.GetBytes(value));

    public FrameWriter Add(int tag, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Add(tag, bytes);
    }

    public byte[] Frame(uint request, int type)
    {
        var frame = new byte[ContainerProtocol.Header + _bytes.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length - 4);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), request);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(8), ContainerProtocol.Version);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(10), (ushort)type);
        _bytes.ToArray().CopyTo(frame, ContainerProtocol.Header);
        return frame;
    }
}

/// <summary>A frame that arrived, and the descriptor that came with it.</summary>
internal sealed record Frame(uint Request, int Type, ReadOnlyMemory<byte> Body, SafeFileHandle? Descriptor = null)
{
    public IEnumerable<(int Tag, ReadOnlyMemory<byte> Value)> Fields() => Read(Body);

    public static IEnumerable<(int Tag, ReadOnlyMemory<byte> Value)> Read(ReadOnlyMemory<byte> body)
    {
        while (body.Length >= 6)
        {
            int tag = BinaryPrimitives.ReadUInt16LittleEndian(body.Span), length = BinaryPrimitives.ReadInt32LittleEndian(body.Span[2..]);
            if (length < 0 || length > body.Length - 6) throw new InvalidDataException("container protocol: a field leads out of its frame");
            yield return (tag, body.Slice(6, length));
            body = body[(6 + length)..];
        }
    }

    public string Text(int tag) => Encoding.UTF8.GetString(Fields().FirstOrDefault(field => field.Tag == tag).Value.Span);

    public uint Number(int tag) => Fields().FirstOrDefault(field => field.Tag == tag).Value is { Length: 4 } value ? BinaryPrimitives.ReadUInt32LittleEndian(value.Span) : 0;
}
