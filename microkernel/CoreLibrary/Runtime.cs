using System;
using System.Runtime;
using System.Runtime.CompilerServices;

namespace System
{
    /// <summary>The end of a native task: nothing is thrown, so a broken rule stops the program at once with a message on descriptor 2.</summary>
    public static unsafe class Fault
    {
        [MethodImpl(MethodImplOptions.NoInlining)]
        public static void OutOfRange() => Stop("fatal: index out of range\n"u8);

        [MethodImpl(MethodImplOptions.NoInlining)]
        public static void Stop(ReadOnlySpan<byte> message)
        {
            fixed (byte* text = &message.GetPinnableReference()) FatalStop(text, message.Length);
        }

        [RuntimeImport("*", "eyrie_fatal"), MethodImpl(MethodImplOptions.InternalCall)]
        private static extern void FatalStop(byte* text, nint length);
    }

    internal static class SpanHelpers
    {
        [RuntimeExport("eyrie_memmove")]
        public static unsafe void Memmove(byte* destination, byte* source, nuint count) => Memmove(ref *destination, ref *source, count);

        internal static unsafe void Memmove(ref byte destination, ref byte source, nuint count)
        {
            if (Unsafe.IsBefore(ref source, ref destination))
                for (nint i = (nint)count - 1; i >= 0; i--) Unsafe.AddByteOffset(ref destination, i) = Unsafe.AddByteOffset(ref source, i);
            else
                for (nint i = 0; i < (nint)count; i++) Unsafe.AddByteOffset(ref destination, i) = Unsafe.AddByteOffset(ref source, i);
        }

        internal static void Fill(ref byte destination, byte value, nuint count)
        {
            for (nint i = 0; i < (nint)count; i++) Unsafe.AddByteOffset(ref destination, i) = value;
        }

        internal static void ClearWithoutReferences(ref byte destination, nuint count) => Fill(ref destination, 0, count);
    }
}


namespace Internal.Runtime.CompilerHelpers
{
    internal static class StartupCodeHelpers
    {
        [RuntimeExport("RhpReversePInvoke")] private static void ReversePInvoke(nint frame) { }
        [RuntimeExport("RhpReversePInvokeReturn")] private static void ReversePInvokeReturn(nint frame) { }
        [RuntimeExport("RhpPInvoke")] private static void PInvoke(nint frame) { }
        [RuntimeExport("RhpPInvokeReturn")] private static void PInvokeReturn(nint frame) { }
        [RuntimeExport("RhpFallbackFailFast")] private static void FallbackFailFast() => Fault.Stop("fatal: fail fast\n"u8);
        public static void InitializeModules(nint osModule, nint modules, int count, nint functions, int functionCount) { }
        public static void InitializeCommandLineArgs() { }
    }

    internal static class ThrowHelpers
    {
        private static void ThrowOverflowException() => Fault.Stop("fatal: arithmetic overflow\n"u8);
        private static void ThrowIndexOutOfRangeException() => Fault.OutOfRange();
        private static void ThrowNullReferenceException() => Fault.Stop("fatal: null reference\n"u8);
        private static void ThrowDivideByZeroException() => Fault.Stop("fatal: division by zero\n"u8);
        private static void ThrowArrayTypeMismatchException() => Fault.Stop("fatal: array type mismatch\n"u8);
        private static void ThrowPlatformNotSupportedException() => Fault.Stop("fatal: not supported\n"u8);
        private static void ThrowNotImplementedException() => Fault.Stop("fatal: not implemented\n"u8);
        private static void ThrowInvalidProgramException() => Fault.Stop("fatal: invalid program\n"u8);
        private static void ThrowInvalidProgramExceptionWithArgument(int id, string name) => Fault.Stop("fatal: invalid program\n"u8);
        private static void ThrowArgumentException() => Fault.Stop("fatal: argument\n"u8);
        private static void ThrowArgumentOutOfRangeException() => Fault.OutOfRange();
        private static void ThrowFeatureBodyRemoved() => Fault.Stop("fatal: feature removed\n"u8);
        private static void ThrowTypeLoadException(int id, string c, string m) => Fault.Stop("fatal: type load\n"u8);
        private static void ThrowMissingMethodException(int id, string n) => Fault.Stop("fatal: missing method\n"u8);
        private static void ThrowMissingFieldException(int id, string n) => Fault.Stop("fatal: missing field\n"u8);
        private static void ThrowFileNotFoundException(int id, string n) => Fault.Stop("fatal: file not found\n"u8);
        private static void ThrowInstanceBodyRemoved() => Fault.Stop("fatal: body removed\n"u8);
        private static void ThrowUnavailableType() => Fault.Stop("fatal: unavailable type\n"u8);
        private static void ThrowBadImageFormatException(int id) => Fault.Stop("fatal: bad image\n"u8);
    }

    internal static class LdTokenHelpers
    {
        private static RuntimeTypeHandle GetRuntimeTypeHandle(nint type) => default;
        private static RuntimeMethodHandle GetRuntimeMethodHandle(nint method) => default;
        private static RuntimeFieldHandle GetRuntimeFieldHandle(nint field) => default;
        private static Type GetRuntimeType(nint type) => default!;
    }
}
