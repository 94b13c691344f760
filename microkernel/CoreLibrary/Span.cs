using System.Runtime.CompilerServices;

namespace System
{
    /// <summary>A bounds-checked view of memory. Out of bounds ends the program (see <see cref="Fault"/>).</summary>
    public readonly ref struct Span<T>
    {
        private readonly ref T _reference;
        private readonly int _length;

        public unsafe Span(void* pointer, int length)
        {
            if (length < 0) Fault.OutOfRange();
            _reference = ref Unsafe.As<byte, T>(ref *(byte*)pointer);
            _length = length;
        }

        public Span(ref T reference) { _reference = ref reference; _length = 1; }
        internal Span(ref T reference, int length) { _reference = ref reference; _length = length; }

        public int Length => _length;
        public bool IsEmpty => _length == 0;

        public ref T this[int index]
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get
            {
                if ((uint)index >= (uint)_length) Fault.OutOfRange();
                return ref Unsafe.Add(ref _reference, index);
            }
        }

        public Span<T> Slice(int start)
        {
            if ((uint)start > (uint)_length) Fault.OutOfRange();
            return new Span<T>(ref Unsafe.Add(ref _reference, start), _length - start);
        }

        public Span<T> Slice(int start, int length)
        {
            if ((uint)start > (uint)_length || (uint)length > (uint)(_length - start)) Fault.OutOfRange();
            return new Span<T>(ref Unsafe.Add(ref _reference, start), length);
        }

        public void Clear() { for (int i = 0; i < _length; i++) this[i] = default!; }
        public void Fill(T value) { for (int i = 0; i < _length; i++) this[i] = value; }

        public void CopyTo(Span<T> destination) => ((ReadOnlySpan<T>)this).CopyTo(destination);
        public ref T GetPinnableReference() => ref _reference;

        public static implicit operator ReadOnlySpan<T>(Span<T> span) => new(ref span._reference, span._length);
        public static Span<T> Empty => default;
    }

    /// <summary>A bounds-checked read-only view of memory.</summary>
    public readonly ref struct ReadOnlySpan<T>
    {
        private readonly ref T _reference;
        private readonly int _length;

        public unsafe ReadOnlySpan(void* pointer, int length)
        {
            if (length < 0) Fault.OutOfRange();
            _reference = ref Unsafe.As<byte, T>(ref *(byte*)pointer);
            _length = length;
        }

        public ReadOnlySpan(T[]? array)
        {
            if (array is null) { this = default; return; }
            _reference = ref Unsafe.As<byte, T>(ref Unsafe.As<RawArray>(array).Data);
            _length = array.Length;
        }

        public ReadOnlySpan(T[] array, int start, int length)
        {
            if ((uint)start > (uint)array.Length || (uint)length > (uint)(array.Length - start)) Fault.OutOfRange();
            _reference = ref Unsafe.Add(ref Unsafe.As<byte, T>(ref Unsafe.As<RawArray>(array).Data), start);
            _length = length;
        }

        public ReadOnlySpan(ref readonly T reference) { _reference = ref Unsafe.AsRef(in reference); _length = 1; }
        internal ReadOnlySpan(ref T reference, int length) { _reference = ref reference; _length = length; }

        public int Length => _length;
        public bool IsEmpty => _length == 0;

        public ref readonly T this[int index]
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get
            {
                if ((uint)index >= (uint)_length) Fault.OutOfRange();
                return ref Unsafe.Add(ref _reference, index);
            }
        }

        public ReadOnlySpan<T> Slice(int start)
        {
            if ((uint)start > (uint)_length) Fault.OutOfRange();
            return new ReadOnlySpan<T>(ref Unsafe.Add(ref _reference, start), _length - start);
        }

        public ReadOnlySpan<T> Slice(int start, int length)
        {
            if ((uint)start > (uint)_length || (uint)length > (uint)(_length - start)) Fault.OutOfRange();
            return new ReadOnlySpan<T>(ref Unsafe.Add(ref _reference, start), length);
        }

        public void CopyTo(Span<T> destination)
        {
            if (_length > destination.Length) Fault.OutOfRange();
            if (Unsafe.IsBefore(ref _reference, ref destination.GetPinnableReference()))
                for (int i = _length - 1; i >= 0; i--) destination[i] = this[i];
            else
                for (int i = 0; i < _length; i++) destination[i] = this[i];
        }

        public ref readonly T GetPinnableReference() => ref _reference;
        public static ReadOnlySpan<T> Empty => default;
        public static implicit operator ReadOnlySpan<T>(T[]? array) => new(array);
    }

    internal sealed class RawArray
    {
#pragma warning disable CS0649, CS0169
        private readonly uint _length;
        private readonly uint _padding;
        public byte Data;
#pragma warning restore CS0649, CS0169
    }

    /// <summary>Comparisons of memory by value, element by element; the same names as on an ordinary runtime.</summary>
    public static class MemoryExtensions
    {
        public static bool SequenceEqual(this ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
        {
            if (left.Length != right.Length) return false;
            for (int i = 0; i < left.Length; i++)
                if (left[i] != right[i]) return false;
            return true;
        }

        public static bool SequenceEqual(this Span<byte> left, ReadOnlySpan<byte> right) => SequenceEqual((ReadOnlySpan<byte>)left, right);

        public static bool StartsWith(this ReadOnlySpan<byte> text, ReadOnlySpan<byte> prefix) =>
            text.Length >= prefix.Length && SequenceEqual(text.Slice(0, prefix.Length), prefix);

        public static int IndexOf(this ReadOnlySpan<byte> text, byte value)
        {
            for (int i = 0; i < text.Length; i++)
                if (text[i] == value) return i;
            return -1;
        }
    }
}
