using System.Runtime;
using System.Runtime.CompilerServices;

namespace Eyrie.Freestanding;

/// <summary>The host's system calls. Results are those of Linux: zero or more, or a negative errno.</summary>
public static unsafe class Host
{
    /// <summary>One system call with up to six arguments.</summary>
    [RuntimeImport("*", "eyrie_syscall"), MethodImpl(MethodImplOptions.InternalCall)]
    public static extern nint Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0);

    /// <summary>clone(2) onto a stack of its own; the child calls <paramref name="entry"/> and exits with its result.</summary>
    [RuntimeImport("*", "eyrie_clone"), MethodImpl(MethodImplOptions.InternalCall)]
    public static extern nint Clone(nint flags, byte* stackTop, delegate* unmanaged<nint, nint> entry, nint argument);
}
