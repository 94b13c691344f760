namespace System.Runtime.CompilerServices
{
    public enum MethodImplOptions { NoInlining = 8, NoOptimization = 64, AggressiveInlining = 256, InternalCall = 4096 }

    public sealed class MethodImplAttribute(MethodImplOptions options) : Attribute
    {
        public MethodImplOptions Value { get; } = options;
    }

    public static class RuntimeFeature
    {
        public const string DefaultImplementationsOfInterfaces = nameof(DefaultImplementationsOfInterfaces);
        public const string PortablePdb = nameof(PortablePdb);
        public const string UnmanagedSignatureCallingConvention = nameof(UnmanagedSignatureCallingConvention);
        public const string VirtualStaticsInInterfaces = nameof(VirtualStaticsInInterfaces);
        public const string ByRefFields = nameof(ByRefFields);
        public const string ByRefLikeGenerics = nameof(ByRefLikeGenerics);
        public const string NumericIntPtr = nameof(NumericIntPtr);
    }

    public static class RuntimeHelpers
    {
        public static int OffsetToStringData => 12;
        [Intrinsic] public static extern ReadOnlySpan<T> CreateSpan<T>(RuntimeFieldHandle field);
        [Intrinsic] public static extern void InitializeArray(Array array, RuntimeFieldHandle field);
    }

    public sealed class IsReadOnlyAttribute : Attribute;
    public sealed class IsByRefLikeAttribute : Attribute;
    public sealed class IsUnmanagedAttribute : Attribute;
    public sealed class ScopedRefAttribute : Attribute;
    public sealed class RefSafetyRulesAttribute(int version) : Attribute { public int Version { get; } = version; }
    public sealed class RequiresLocationAttribute : Attribute;
    public sealed class ExtensionAttribute : Attribute;
    public sealed class IntrinsicAttribute : Attribute;
    public sealed class IsVolatile;
    public sealed class UnsafeValueTypeAttribute : Attribute;
    public sealed class FixedBufferAttribute(Type elementType, int length) : Attribute
    {
        public Type ElementType { get; } = elementType;
        public int Length { get; } = length;
    }
    public sealed class InlineArrayAttribute(int length) : Attribute { public int Length { get; } = length; }
    public sealed class CompilerGeneratedAttribute : Attribute;
    public sealed class CompilerFeatureRequiredAttribute(string featureName) : Attribute
    {
        public string FeatureName { get; } = featureName;
        public bool IsOptional { get; init; }
    }
    public sealed class RequiredMemberAttribute : Attribute;
    public static class IsExternalInit;
    public sealed class NullableAttribute : Attribute
    {
        public NullableAttribute(byte flag) { }
        public NullableAttribute(byte[] flags) { }
    }
    public sealed class NullableContextAttribute(byte flag) : Attribute { public byte Flag { get; } = flag; }
    public sealed class NativeIntegerAttribute : Attribute;
    public sealed class SkipLocalsInitAttribute : Attribute;
    public sealed class RuntimeCompatibilityAttribute : Attribute { public bool WrapNonExceptionThrows { get; set; } }
    public sealed class CompilationRelaxationsAttribute(int value) : Attribute { public int Value { get; } = value; }
    public sealed class UnscopedRefAttribute : Attribute;

    internal sealed class EagerStaticClassConstructionAttribute : Attribute;

    public static unsafe class Unsafe
    {
        [Intrinsic] public static extern ref T AddByteOffset<T>(ref T source, nint offset);
        [Intrinsic] public static extern ref TTo As<TFrom, TTo>(ref TFrom source);
        [Intrinsic] public static extern ref T AsRef<T>(void* source);
        [Intrinsic] public static extern ref T AsRef<T>(ref readonly T source);
        [Intrinsic] public static extern T As<T>(object? value) where T : class?;
        [Intrinsic] public static extern bool AreSame<T>(ref readonly T left, ref readonly T right);
        [Intrinsic] public static extern void* AsPointer<T>(ref T value);
        [Intrinsic] public static extern int SizeOf<T>();
        public static bool IsBefore<T>(ref T left, ref T right) => (nuint)AsPointer(ref left) < (nuint)AsPointer(ref right);
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ref T Add<T>(ref T source, int elements) => ref AddByteOffset(ref source, (nint)elements * SizeOf<T>());
    }
}

namespace System.Diagnostics.CodeAnalysis
{
    public sealed class UnscopedRefAttribute : Attribute;
    public sealed class SetsRequiredMembersAttribute : Attribute;
    public sealed class DoesNotReturnAttribute : Attribute;
    public sealed class NotNullWhenAttribute(bool returnValue) : Attribute { public bool ReturnValue { get; } = returnValue; }
    public sealed class SuppressMessageAttribute(string category, string checkId) : Attribute
    {
        public string Category { get; } = category;
        public string CheckId { get; } = checkId;
        public string? Justification { get; set; }
    }
}

namespace System.Runtime
{
    public sealed class RuntimeExportAttribute(string entry) : Attribute { public string EntryPoint { get; } = entry; }

    public sealed class RuntimeImportAttribute : Attribute
    {
        public string? DllName { get; }
        public string EntryPoint { get; }
        public RuntimeImportAttribute(string entry) => EntryPoint = entry;
        public RuntimeImportAttribute(string dll, string entry) { DllName = dll; EntryPoint = entry; }
    }
}

namespace System.Runtime.InteropServices
{
    public enum LayoutKind { Sequential = 0, Explicit = 2, Auto = 3 }

    public sealed class StructLayoutAttribute(LayoutKind kind) : Attribute
    {
        public LayoutKind Value { get; } = kind;
        public int Pack;
        public int Size;
        public CharSet CharSet;
    }

    public enum CharSet { None = 1, Ansi = 2, Unicode = 3, Auto = 4 }
    public sealed class FieldOffsetAttribute(int offset) : Attribute { public int Value { get; } = offset; }
    public sealed class InAttribute : Attribute;
    public enum UnmanagedType { Bool = 2 }
    public sealed class UnmanagedCallersOnlyAttribute : Attribute { public string? EntryPoint; public Type[]? CallConvs; }
}
