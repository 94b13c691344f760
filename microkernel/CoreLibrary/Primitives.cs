// The types the C# compiler and ILC look up by name, in the layout they expect. Version-bound: see IlcVersion in Directory.Packages.props.
namespace System
{
    public unsafe class Object
    {
#pragma warning disable CS0169, CS0649 // ILC writes and reads this field
        internal nint m_pEEType;
#pragma warning restore CS0169, CS0649
        public virtual bool Equals(object? other) => ReferenceEquals(this, other);
        public virtual int GetHashCode() => 0;
        public static bool ReferenceEquals(object? a, object? b) => a == b;
    }

    public struct Void;
    public struct Boolean;
    public struct Char { public const char MaxValue = '\uFFFF'; }
    public struct SByte { public const sbyte MinValue = -128, MaxValue = 127; }
    public struct Byte { public const byte MaxValue = 255; }
    public struct Int16 { public const short MinValue = -32768, MaxValue = 32767; }
    public struct UInt16 { public const ushort MaxValue = 65535; }
    public struct Int32 { public const int MinValue = -2147483648, MaxValue = 2147483647; }
    public struct UInt32 { public const uint MaxValue = 4294967295; }
    public struct Int64 { public const long MinValue = -9223372036854775808, MaxValue = 9223372036854775807; }
    public struct UInt64 { public const ulong MaxValue = 18446744073709551615; }
    public struct IntPtr;
    public struct UIntPtr;
    public struct Single;
    public struct Double;

    public abstract class ValueType;
    public abstract class Enum : ValueType;

    public struct Nullable<T> where T : struct
    {
        private readonly bool _hasValue;
        private T _value;
        public Nullable(T value) { _value = value; _hasValue = true; }
        public readonly bool HasValue => _hasValue;
        public readonly T Value => _value;
        public readonly T GetValueOrDefault() => _value;
    }

    public struct RuntimeTypeHandle;
    public struct RuntimeMethodHandle;
    public struct RuntimeFieldHandle;
    public class Type;
    internal class RuntimeType : Type;

    public abstract class Delegate;
    public abstract class MulticastDelegate : Delegate;

    public abstract class Array
    {
#pragma warning disable CS0649
        internal int _numComponents;
#pragma warning restore CS0649
        public int Length => _numComponents;
    }

    public class Array<T> : Array;

    public sealed class String
    {
#pragma warning disable CS0649, CS0169
        private readonly int _stringLength;
        private readonly char _firstChar;
#pragma warning restore CS0649, CS0169
        public int Length => _stringLength;
    }

    public struct ValueTuple<T1, T2>(T1 item1, T2 item2)
    {
        public T1 Item1 = item1;
        public T2 Item2 = item2;
    }

    public interface IDisposable { void Dispose(); }
    public abstract class Attribute;
    public enum AttributeTargets { Assembly = 1, Module = 2, Class = 4, Struct = 8, Enum = 16, Constructor = 32, Method = 64, Property = 128, Field = 256, Event = 512, Interface = 1024, Parameter = 2048, Delegate = 4096, ReturnValue = 8192, GenericParameter = 16384, All = 32767 }

    public sealed class AttributeUsageAttribute(AttributeTargets validOn) : Attribute
    {
        public AttributeTargets ValidOn { get; } = validOn;
        public bool AllowMultiple { get; set; }
        public bool Inherited { get; set; }
    }

    public sealed class FlagsAttribute : Attribute;
    public sealed class ParamArrayAttribute : Attribute;

    public readonly struct Index(int value, bool fromEnd = false)
    {
        private readonly int _value = fromEnd ? ~value : value;
        public static implicit operator Index(int value) => new(value);
        public int GetOffset(int length) => _value < 0 ? length + _value + 1 : _value;
        public static Index Start => new(0);
        public static Index End => new(0, true);
    }

    public readonly struct Range(Index start, Index end)
    {
        public Index Start { get; } = start;
        public Index End { get; } = end;
        public static Range StartAt(Index start) => new(start, Index.End);
        public static Range EndAt(Index end) => new(Index.Start, end);
        public static Range All => new(Index.Start, Index.End);
    }
}

namespace System.Collections
{
    public interface IEnumerable;
}

namespace System.Reflection
{
    public sealed class DefaultMemberAttribute(string name) : Attribute
    {
        public string MemberName { get; } = name;
    }
}
