using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Paths that lead nowhere but into a directory, whoever wrote what is in it.</summary>
public static unsafe class Beneath
{
    public const ulong Only = 0x08 | 0x02; // RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
    public const ulong InRoot = 0x10; // RESOLVE_IN_ROOT
    public const ulong NoLinks = 0x04; // RESOLVE_NO_SYMLINKS

    /// <summary>Opens a path beneath a directory; links may not lead out of it. Of a path with <c>..</c> Linux may say that something on the machine was mounted or renamed meanwhile (EAGAIN, openat2(2)): it is asked again.</summary>
    public static nint Open(nint directory, ReadOnlySpan<byte> path, nint flags, ulong resolve = Only)
    {
        ulong* how = stackalloc ulong[3];
        how[0] = (ulong)(flags | Sys.Cloexec);
        how[1] = (flags & Sys.Create) != 0 ? 0x1A0u : 0;
        how[2] = resolve;
        byte* text = stackalloc byte[1024];
        if (path.Length is 0 or > 1000) return -Sys.Einval;
        path.CopyTo(new Span<byte>(text, 1024));
        text[path.Length] = 0;
        nint result = -Sys.Eagain;
        for (int tries = 0; result == -Sys.Eagain && tries < 128; tries++) result = Host.Call(Sys.Openat2, directory, (nint)text, (nint)how, 24);
        return result;
    }
}
