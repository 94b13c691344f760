using System.Runtime;
using System.Runtime.CompilerServices;

namespace Eyrie.Freestanding;

/// <summary>The host's system calls. Results are those of Linux: zero or more, or a negative errno.</summary>
public static unsafe class Host
{
    /// <summary>One system call with up to six arguments.</summary>
    [RuntimeImport("*", "eyrie_syscall"), MethodImpl(MethodImplOptions.InternalCall)]
    public static extern nint Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0);

    /// <summary>A thread (clone(2)) on a stack of its own that calls <paramref name="entry"/> and ends; the host clears <paramref name="busy"/> once it has.</summary>
    [RuntimeImport("*", "eyrie_clone"), MethodImpl(MethodImplOptions.InternalCall)]
    public static extern nint CloneThread(nint flags, byte* stackTop, delegate* unmanaged<nint, nint> entry, nint argument, int* busy);
}
