using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Eyrie.Node;

/// <summary>The few file operations of Linux that .NET has no method for.</summary>
internal static partial class HostFiles
{
    /// <summary>A character device 0/0: overlayfs shows nothing there (kernel.org, Documentation/filesystems/overlayfs).</summary>
    public static void MakeWhiteout(string path)
    {
        if (mknod(path, 0x2000, 0) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{path}: a whiteout could not be made");
    }

    /// <summary>Nothing of lower layers shows through this directory.</summary>
    public static void SetOpaque(string path)
    {
        if (setxattr(path, "trusted.overlay.opaque", "y"u8.ToArray(), 1, 0) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{path}: could not be made opaque");
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mknod(string path, uint mode, ulong device);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setxattr(string path, string name, byte[] value, nuint size, int flags);
}
