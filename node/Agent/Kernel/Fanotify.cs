using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace Eyrie.Node;

/// <summary>A file that was opened where a <see cref="Fanotify"/> watches.</summary>
/// <param name="Path">In the world of whoever opened it.</param>
/// <param name="Executed">To be executed: a program, a script, or the interpreter of one.</param>
/// <param name="Head">Its first bytes.</param>
internal readonly record struct OpenedFile(string Path, bool Executed, byte[] Head);

/// <summary>Tells of files that processes open, without a part in it (fanotify(7)). Whoever has it needs CAP_SYS_ADMIN.</summary>
internal sealed partial class Fanotify : IDisposable
{
    private const uint CloseOnExec = 1, NonBlocking = 2, Add = 1, Mount = 0x10, FileSystem = 0x100;
    private const ulong Open = 0x20, OpenToExecute = 0x1000, Overflow = 0x4000;
    private const int ReadOnly = 0x80000 | 0x8000, HeaderLength = 24, HeadLength = 4, WouldBlock = 11, PathLength = 4096; // O_CLOEXEC, O_LARGEFILE
    private readonly byte[] _events = new byte[65536];
    private int _group;

    /// <exception cref="Win32Exception">The host has none, or does not let this process.</exception>
    public Fanotify()
    {
        _group = fanotify_init(CloseOnExec | NonBlocking, ReadOnly);
        if (_group < 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), "fanotify_init");
    }

    /// <summary>Watches the root of a process, whole, and what is mounted at places in it. No link on the way leads out of that root.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="places">Paths in its root; what is not there is not watched.</param>
    /// <exception cref="Win32Exception">The process is gone, or the host refuses.</exception>
    public void Watch(int processId, IEnumerable<string> places)
    {
        const int Path = 0x200000, CloseOnExecOpen = 0x80000;
        int root = open($"/proc/{processId}/root", Path | CloseOnExecOpen);
        if (root < 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"/proc/{processId}/root");
        try
        {
            Mark(root, FileSystem);
            foreach (var place in places)
            {
                const long OpenBeneath = 437;
                const ulong InRoot = 0x10;
                ulong[] how = [Path | CloseOnExecOpen, 0, InRoot];
                int at = (int)syscall(OpenBeneath, root, place, how, sizeof(ulong) * how.Length);
                if (at < 0) continue;
                try
                {
                    Mark(at, Mount);
                }
                finally
                {
                    _ = close(at);
                }
            }
        }
        finally
        {
            _ = close(root);
        }
    }

    private void Mark(int at, uint what)
    {
        if (fanotify_mark(_group, Add | what, Open | OpenToExecute, -1, $"/proc/self/fd/{at}") != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), "fanotify_mark");
    }

    /// <summary>What was opened since it was asked before.</summary>
    /// <param name="lost">More was opened than the host's kernel keeps.</param>
    public IReadOnlyList<OpenedFile> Take(out bool lost)
    {
        lost = false;
        var opened = new List<OpenedFile>();
        while (_group >= 0)
        {
            nint length = read(_group, _events, _events.Length);
            if (length < 0 && Marshal.GetLastPInvokeError() != WouldBlock) throw new Win32Exception(Marshal.GetLastPInvokeError(), "fanotify");
            if (length <= 0) return opened;
            for (int at = 0; at + HeaderLength <= length;)
            {
                var header = _events.AsSpan(at, HeaderLength);
                ulong mask = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
                int file = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
                lost |= (mask & Overflow) != 0;
                if (file >= 0)
                {
                    opened.Add(Look(file, (mask & OpenToExecute) != 0));
                    _ = close(file);
                }
                at += BinaryPrimitives.ReadInt32LittleEndian(header);
            }
        }
        return opened;
    }

    private static OpenedFile Look(int file, bool executed)
    {
        var path = new byte[PathLength];
        nint length = readlink($"/proc/self/fd/{file}", path, path.Length);
        var head = new byte[HeadLength];
        nint read = pread(file, head, head.Length, 0);
        return new OpenedFile(length > 0 ? Encoding.UTF8.GetString(path, 0, (int)length) : "", executed, read < HeadLength ? [] : head);
    }

    public void Dispose()
    {
        if (_group >= 0) _ = close(_group);
        _group = -1;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fanotify_init(uint flags, uint eventFlags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int fanotify_mark(int group, uint flags, ulong mask, int directory, string path);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long syscall(long number, long directory, string path, ulong[] how, long size);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int file, byte[] into, nint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pread(int file, byte[] into, nint length, long from);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint readlink(string path, byte[] into, nint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int file);
}
