using System;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>Reads fields (tag, length, bytes) of a frame; <see cref="Broken"/> when a length leads out of it.</summary>
public ref struct FieldScanner(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;
    public bool Broken { get; private set; }

    public unsafe bool Next(out int tag, out ReadOnlySpan<byte> value)
    {
        tag = 0;
        value = default;
        if (_rest.Length == 0) return false;
        if (_rest.Length < 6) { Broken = true; return false; }
        tag = _rest[0] | _rest[1] << 8;
        uint length = (uint)(_rest[2] | _rest[3] << 8 | _rest[4] << 16 | _rest[5] << 24);
        if (length > (uint)(_rest.Length - 6)) { Broken = true; return false; }
        value = _rest.Slice(6, (int)length);
        _rest = _rest.Slice(6 + (int)length);
        return true;
    }

    /// <summary>The first field with a tag, or empty.</summary>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> body, int wanted)
    {
        var scanner = new FieldScanner(body);
        while (scanner.Next(out int tag, out var value))
            if (tag == wanted) return value;
        return default;
    }

    public static uint Number(ReadOnlySpan<byte> field, uint absent = 0) =>
        field.Length == 4 ? (uint)(field[0] | field[1] << 8 | field[2] << 16 | field[3] << 24) : absent;
}

/// <summary>Writes fields into memory the caller owns.</summary>
public unsafe struct FieldWriter(byte* memory, int capacity)
{
    private readonly byte* _memory = memory;
    public int Length;
    public bool Overflowed;

    public void Add(int tag, ReadOnlySpan<byte> value)
    {
        if (value.Length + 6 > capacity - Length) { Overflowed = true; return; }
        *(ushort*)(_memory + Length) = (ushort)tag;
        *(uint*)(_memory + Length + 2) = (uint)value.Length;
        value.CopyTo(new Span<byte>(_memory + Length + 6, capacity - Length - 6));
        Length += 6 + value.Length;
    }

    public void AddNumber(int tag, uint value) => Add(tag, new ReadOnlySpan<byte>(&value, 4));
    public void AddLong(int tag, long value) => Add(tag, new ReadOnlySpan<byte>(&value, 8));
}
