using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The entries of a directory of /proc whose names are numbers. One pass.</summary>
public unsafe struct DirectoryEntries
{
    private const int Space = 2048, NameOffset = 19, LengthOffset = 16; // struct linux_dirent64: inode, offset, length, type, name
    private fixed byte _entries[Space];
    private nint _directory;
    private int _at, _read;

    /// <param name="path">Zero-terminated. A directory that is not there has no entries.</param>
    public void Begin(byte* path)
    {
        _directory = Host.Call(Sys.Openat, -100, (nint)path, Sys.Directory | Sys.Cloexec);
        _at = _read = 0;
    }

    /// <summary>False: there are no more, and the pass is over.</summary>
    public bool NextNumber(out long number)
    {
        fixed (byte* entries = _entries)
            while (true)
            {
                if (_at >= _read)
                {
                    _at = 0;
                    _read = _directory < 0 ? 0 : (int)Host.Call(Sys.Getdents64, _directory, (nint)entries, Space);
                    if (_read <= 0) break;
                }
                byte* entry = entries + _at;
                _at += *(ushort*)(entry + LengthOffset);
                number = FieldReader.Number(Boot.Text(entry + NameOffset));
                if (number >= 0) return true;
            }
        if (_directory >= 0) Host.Call(Sys.Close, _directory);
        number = 0;
        return false;
    }
}
