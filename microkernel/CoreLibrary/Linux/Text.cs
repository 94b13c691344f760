using System;

namespace Eyrie.Freestanding;

/// <summary>Builds a line of bytes in a buffer the caller owns; what does not fit is cut and <see cref="Overflowed"/> says so.</summary>
public ref struct TextWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;
    private int _length;

    public bool Overflowed { get; private set; }
    public readonly int Length => _length;
    public readonly ReadOnlySpan<byte> Written => _buffer.Slice(0, _length);

    public void Add(byte value)
    {
        if (_length == _buffer.Length) { Overflowed = true; return; }
        _buffer[_length++] = value;
    }

    public void Add(ReadOnlySpan<byte> text)
    {
        for (int i = 0; i < text.Length; i++) Add(text[i]);
    }

    /// <summary>A number in decimal, at least <paramref name="digits"/> digits.</summary>
    public void Add(long value, int digits = 1)
    {
        if (value < 0) { Add((byte)'-'); value = -value; }
        int count = 1;
        long scale = 1;
        while (value / scale >= 10 || count < digits) { scale *= 10; count++; }
        for (; scale > 0; scale /= 10) Add((byte)('0' + value / scale % 10));
    }

    /// <summary>An IPv4 address in dotted form; <paramref name="address"/> in host order.</summary>
    public void AddAddress(uint address)
    {
        Add(address >> 24); Add((byte)'.'); Add(address >> 16 & 255); Add((byte)'.'); Add(address >> 8 & 255); Add((byte)'.'); Add(address & 255);
    }
}

/// <summary>Reads fields separated by one space from a line.</summary>
public ref struct FieldReader(ReadOnlySpan<byte> text)
{
    private ReadOnlySpan<byte> _rest = text;

    /// <summary>What has not been read yet.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    public ReadOnlySpan<byte> Next()
    {
        int end = _rest.IndexOf((byte)' ');
        var field = end < 0 ? _rest : _rest.Slice(0, end);
        _rest = end < 0 ? default : _rest.Slice(end + 1);
        return field;
    }

    /// <summary>A decimal number of the whole field, or -1.</summary>
    public static long Number(ReadOnlySpan<byte> field)
    {
        if (field.Length is 0 or > 18) return -1;
        long value = 0;
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] < '0' || field[i] > '9') return -1;
            value = value * 10 + (field[i] - '0');
        }
        return value;
    }

    /// <summary>A dotted IPv4 address in host order, or -1.</summary>
    public static long Address(ReadOnlySpan<byte> field)
    {
        long address = 0;
        for (int part = 0; part < 4; part++)
        {
            int dot = part < 3 ? field.IndexOf((byte)'.') : field.Length;
            if (dot < 0) return -1;
            long number = Number(field.Slice(0, dot));
            if (number is < 0 or > 255) return -1;
            address = address << 8 | number;
            field = part < 3 ? field.Slice(dot + 1) : default;
        }
        return address;
    }
}
