using System;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>A start description as bytes (<see cref="StartTag"/>), checked once and then read field by field without copying.</summary>
public readonly unsafe struct StartDescription(byte* data, int length)
{
    private readonly byte* _data = data;
    private readonly int _length = length;

    /// <summary>Whether every field lies within the bytes.</summary>
    public bool Valid()
    {
        int at = 0;
        while (at < _length)
        {
            if (_length - at < 6) return false;
            uint size = *(uint*)(_data + at + 2);
            if (size > (uint)(_length - at - 6)) return false;
            at += 6 + (int)size;
        }
        return true;
    }

    /// <summary>The field after offset <paramref name="at"/> with this tag; moves the offset behind it. False: none is left.</summary>
    public bool Next(int tag, ref int at, out byte* value, out int size)
    {
        while (at < _length)
        {
            int found = *(ushort*)(_data + at);
            size = (int)*(uint*)(_data + at + 2);
            value = _data + at + 6;
            at += 6 + size;
            if (found == tag) return true;
        }
        value = null;
        size = 0;
        return false;
    }

    /// <summary>The bytes as they are; how many.</summary>
    public int CopyTo(Span<byte> into)
    {
        new ReadOnlySpan<byte>(_data, _length).CopyTo(into);
        return _length;
    }

    public ReadOnlySpan<byte> Bytes(int tag)
    {
        int at = 0;
        return Next(tag, ref at, out byte* value, out int size) ? new ReadOnlySpan<byte>(value, size) : default;
    }

    public int Count(int tag)
    {
        int at = 0, count = 0;
        while (Next(tag, ref at, out _, out _)) count++;
        return count;
    }

    /// <summary>An integer of 1, 4 or 8 bytes.</summary>
    public long Number(int tag, long absent)
    {
        int at = 0;
        if (!Next(tag, ref at, out byte* value, out int size)) return absent;
        return size switch { 1 => *value, 4 => *(uint*)value, 8 => *(long*)value, _ => absent };
    }
}
