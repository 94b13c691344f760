using System.Runtime.InteropServices;

namespace Eyrie.Node;

/// <summary>What files take of the disk, and whose they are: statx(2) and readdir(3), which .NET has no methods for. Names stay bytes: a container may give its files names that are no text.</summary>
internal static partial class HostDisk
{
    /// <summary>What is told of a directory whose depth ends the walk: more than any limit.</summary>
    public const long Unmeasured = 1L << 60;

    /// <summary>Directories are followed so deep. Each level holds a descriptor and some stack while it is read.</summary>
    public const int Deepest = 512;

    private const int Here = -100, NoFollow = 0x100, NoAutomount = 0x800, BlockSize = 512, NameInEntry = 19;

    /// <summary>Bytes of the disk that a file, or a directory with everything beneath it, takes: blocks, so that a hole counts nothing, and a file of several names once. What is not there takes none. No link is followed, whatever a
    /// container puts in place of what was looked at.</summary>
    /// <returns><see cref="Unmeasured"/> or more: it is nested deeper than <see cref="Deepest"/>.</returns>
    public static long Bytes(string path)
    {
        nint name = Marshal.StringToCoTaskMemUTF8(path);
        try
        {
            return Bytes(Here, name, 0, []);
        }
        finally
        {
            Marshal.FreeCoTaskMem(name);
        }
    }

    /// <summary>Owner, group and permission bits of a directory; null: there is none, or it is something else.</summary>
    public static (int User, int Group, UnixFileMode Mode)? Directory(string path)
    {
        nint name = Marshal.StringToCoTaskMemUTF8(path);
        try
        {
            return statx(Here, name, NoFollow | NoAutomount, FileFacts.Wanted, out var facts) == 0 && facts.IsDirectory ? ((int)facts.User, (int)facts.Group, (UnixFileMode)(facts.Mode & 0xFFF)) : null;
        }
        finally
        {
            Marshal.FreeCoTaskMem(name);
        }
    }

    private static long Bytes(int parent, nint name, int depth, HashSet<ulong> seen)
    {
        if (statx(parent, name, NoFollow | NoAutomount, FileFacts.Wanted, out var facts) != 0) return 0; // removed meanwhile
        if (!facts.IsDirectory && facts.Links > 1 && !seen.Add(facts.Inode)) return 0;
        long sum = (long)facts.Blocks * BlockSize;
        if (!facts.IsDirectory) return sum;
        return depth == Deepest ? Unmeasured : sum + Beneath(parent, name, depth, seen);
    }

    private static long Beneath(int parent, nint name, int depth, HashSet<ulong> seen)
    {
        const int Directory = 0x10000, Unfollowed = 0x20000, CloseOnExec = 0x80000;
        int at = openat(parent, name, Directory | Unfollowed | CloseOnExec);
        if (at < 0) return 0; // removed or replaced meanwhile
        nint stream = fdopendir(at);
        if (stream == 0)
        {
            _ = close(at);
            return 0;
        }
        long sum = 0;
        for (nint entry; sum < Unmeasured && (entry = readdir(stream)) != 0;)
            if (!IsSelf(entry + NameInEntry)) sum += Bytes(at, entry + NameInEntry, depth + 1, seen);
        _ = closedir(stream);
        return sum;
    }

    /// <summary>. or ..</summary>
    private static bool IsSelf(nint name) => Marshal.ReadByte(name) == '.' && (Marshal.ReadByte(name + 1) == 0 || (Marshal.ReadByte(name + 1) == '.' && Marshal.ReadByte(name + 2) == 0));

    /// <summary>struct statx of the host's kernel (linux/stat.h), as far as it is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private readonly struct FileFacts
    {
        /// <summary>STATX_BASIC_STATS.</summary>
        public const uint Wanted = 0x7FF;

        [FieldOffset(16)] public readonly uint Links;
        [FieldOffset(20)] public readonly uint User;
        [FieldOffset(24)] public readonly uint Group;
        [FieldOffset(28)] public readonly ushort Mode;
        [FieldOffset(32)] public readonly ulong Inode;
        [FieldOffset(48)] public readonly ulong Blocks;

        public bool IsDirectory => (Mode & 0xF000) == 0x4000;
    }

    [LibraryImport("libc")]
    private static partial int statx(int directory, nint name, int flags, uint wanted, out FileFacts facts);

    [LibraryImport("libc")]
    private static partial int openat(int directory, nint name, int flags);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial nint fdopendir(int descriptor);

    [LibraryImport("libc")]
    private static partial nint readdir(nint stream);

    [LibraryImport("libc")]
    private static partial int closedir(nint stream);
}
