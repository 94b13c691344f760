
// What ILC looks up by name for features that a freestanding program never uses. Reaching one is a broken invariant and stops the program.
namespace System
{
    internal static class Buffer
    {
        internal static void BulkMoveWithWriteBarrier(ref byte destination, ref byte source, nuint count) =>
            SpanHelpers.Memmove(ref destination, ref source, count);
    }
}

namespace System.Runtime
{
    internal static class TypeCast
    {
        [RuntimeExport("RhTypeCast_IsInstanceOfAny")] private static object? IsInstanceOfAny(nint type, object? value) => Unused();
        [RuntimeExport("RhTypeCast_IsInstanceOfInterface")] private static object? IsInstanceOfInterface(nint type, object? value) => Unused();
        [RuntimeExport("RhTypeCast_IsInstanceOfClass")] private static object? IsInstanceOfClass(nint type, object? value) => Unused();
        [RuntimeExport("RhTypeCast_IsInstanceOfException")] private static bool IsInstanceOfException(nint type, object? value) { Unused(); return false; }
        [RuntimeExport("RhTypeCast_CheckCastAny")] private static object? CheckCastAny(nint type, object? value) => Unused();
        [RuntimeExport("RhTypeCast_CheckCastInterface")] private static object? CheckCastInterface(nint type, object? value) => Unused();
        [RuntimeExport("RhTypeCast_CheckCastClass")] private static object? CheckCastClass(nint type, object? value) => Unused();
        [RuntimeExport("RhTypeCast_CheckCastClassSpecial")] private static object? CheckCastClassSpecial(nint type, object? value) => Unused();
        [RuntimeExport("RhTypeCast_CheckArrayStore")] private static void CheckArrayStore(object array, object? value) => Unused();
        private static void StelemRef(object?[] array, nint index, object? value) => Unused();
        private static ref object? LdelemaRef(object?[] array, nint index, nint type) { Unused(); return ref array[0]; }

        private static object? Unused() { Fault.Stop("fatal: type cast\n"u8); return null; }
    }
}

namespace System.Runtime.InteropServices
{
    public interface IDynamicInterfaceCastable
    {
        internal static nint GetDynamicInterfaceImplementation(IDynamicInterfaceCastable instance, nint type, nint failed) => 0;
    }
}

