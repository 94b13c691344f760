using System.ComponentModel;
using System.Globalization;
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

    /// <summary>A named pipe (fifo(7)) that anybody who can name it may write.</summary>
    public static void MakePipe(string path)
    {
        const int Pipe = 0x1000, WrittenByAll = 0b110_010_010;
        if (mknod(path, Pipe, 0) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{path}: a pipe could not be made");
        File.SetUnixFileMode(path, (UnixFileMode)WrittenByAll);
    }

    /// <summary>Nothing of lower layers shows through this directory.</summary>
    public static void SetOpaque(string path)
    {
        if (setxattr(path, "trusted.overlay.opaque", "y"u8.ToArray(), 1, 0) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{path}: could not be made opaque");
    }

    /// <summary>Whether nothing of lower layers shows through this directory.</summary>
    public static bool IsOpaque(string path)
    {
        var value = new byte[1];
        return getxattr(path, "trusted.overlay.opaque", value, 1) == 1 && value[0] == 'y';
    }

    /// <summary>Gives a file, or a link itself, to a user and group (lchown(2)).</summary>
    public static void SetOwner(string path, int user, int group)
    {
        if (lchown(path, user, group) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{path}: could not be given to {user}:{group}");
    }

    /// <summary>Makes a directory beneath another, part by part, and follows no link on the way: what a container wrote there leads nowhere.</summary>
    /// <exception cref="IOException">A part is a link or no directory.</exception>
    public static void MakeBeneath(string directory, string path, int mode)
    {
        const int Directory = 0x10000, NoFollow = 0x20000, CloseOnExec = 0x80000, Exists = 17;
        int at = open(directory, Directory | CloseOnExec);
        try
        {
            foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            {
                if (at < 0) break;
                if (part == "..") throw new IOException($"{path}: must not have \"..\"");
                bool made = mkdirat(at, part, 0x1ED) == 0;
                if (!made && Marshal.GetLastPInvokeError() != Exists) throw new IOException($"{path}: {part} could not be made");
                int next = openat(at, part, Directory | NoFollow | CloseOnExec);
                if (made && next >= 0) _ = fchmod(next, mode);
                _ = close(at);
                at = next;
            }
            if (at < 0) throw new IOException($"{path}: leads through something that is not a directory");
        }
        finally
        {
            if (at >= 0) _ = close(at);
        }
    }

    /// <summary>Everything beneath a directory, each directory before what is in it. No link is followed, whatever a container puts in place of what was looked at.</summary>
    /// <param name="directory">Where to begin.</param>
    /// <param name="most">No more than this many are listed.</param>
    public static IReadOnlyList<LayerEntry> Beneath(string directory, int most)
    {
        const int Directory = 0x10000, NoFollow = 0x20000, CloseOnExec = 0x80000, Deepest = 64;
        var found = new List<LayerEntry>();
        void Walk(int parent, string name, string path, int depth)
        {
            int at = openat(parent, name, Directory | NoFollow | CloseOnExec);
            if (at < 0) return; // removed or replaced meanwhile
            try
            {
                foreach (var entry in new DirectoryInfo($"/proc/self/fd/{at}/.").EnumerateFileSystemInfos())
                {
                    if (found.Count >= most) return;
                    bool isDirectory = entry.LinkTarget is null && (entry.Attributes & FileAttributes.Directory) != 0;
                    found.Add(new LayerEntry($"{path}/{entry.Name}", isDirectory));
                    if (isDirectory && depth < Deepest) Walk(at, entry.Name, $"{path}/{entry.Name}", depth + 1);
                }
            }
            catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
            {
                // Removed while it was read: it is seen as far as it was there.
            }
            finally
            {
                _ = close(at);
            }
        }
        Walk(-100, directory, "", 0);
        return found;
    }

    /// <summary>Mounts a tmpfs on a directory (tmpfs(5)).</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static void MountMemory(string directory, string options)
    {
        const ulong NoSuid = 2, NoDevices = 4;
        if (mount("tmpfs", directory, "tmpfs", NoSuid | NoDevices, options) != 0) throw new IOException($"{directory}: memory could not be mounted ({options}): {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>Takes down the newest mount on a directory, for new openings at once and whole when nobody has anything open in it any more (umount2(2)). False: nothing is mounted there.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static bool Unmount(string directory)
    {
        const int Detach = 2, NoFollow = 8, NoMount = 22;
        if (umount2(directory, Detach | NoFollow) == 0) return true;
        int error = Marshal.GetLastPInvokeError();
        return error == NoMount ? false : throw new IOException($"{directory}: could not be unmounted: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <summary>Writes an empty line into a pipe for whoever reads there, and never waits: where it is full, there is enough to read.</summary>
    public static void WakePipe(string path)
    {
        const int Write = 1, NonBlocking = 0x800, CloseOnExec = 0x80000;
        int pipe = open(path, Write | NonBlocking | CloseOnExec);
        if (pipe < 0) return; // nobody reads any more
        _ = write(pipe, "\n"u8, 1);
        _ = close(pipe);
    }

    /// <summary>Which mount a directory is in: the kernel's own number (proc_pid_fdinfo(5)).</summary>
    public static int MountOf(string directory)
    {
        const int Directory = 0x10000, CloseOnExec = 0x80000;
        const string Field = "mnt_id:";
        int at = open(directory, Directory | CloseOnExec);
        if (at < 0) throw new IOException($"{directory}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        try
        {
            return int.Parse(File.ReadLines($"/proc/self/fdinfo/{at}").First(line => line.StartsWith(Field, StringComparison.Ordinal)).AsSpan(Field.Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
        }
        finally
        {
            _ = close(at);
        }
    }

    /// <summary>Takes the place of what has the new name, at one moment and whatever it is (rename(2)).</summary>
    /// <exception cref="IOException">The host refused: the disk is full or broken, or what is to be renamed is gone.</exception>
    public static void Rename(string path, string to)
    {
        if (rename(path, to) != 0) throw new IOException($"{path}: could not be renamed to {to}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mount(string source, string target, string type, ulong flags, string options);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int umount2(string target, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string path, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int openat(int directory, string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdirat(int directory, string path, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmod(int descriptor, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, ReadOnlySpan<byte> bytes, nuint count);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, int user, int group);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mknod(string path, uint mode, ulong device);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint getxattr(string path, string name, byte[] value, nuint size);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setxattr(string path, string name, byte[] value, nuint size, int flags);
}

/// <summary>A path of a layer, from its root; a link is no directory.</summary>
public readonly record struct LayerEntry(string Path, bool IsDirectory);
