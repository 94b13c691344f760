using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>A pseudo-terminal of the world that a process starts in, made by the process itself while it may (pty(7)).</summary>
public static unsafe class Terminal
{
    private const nint NoControlling = 0x100, Unlock = 0x40045431, OpenPeer = 0x5441, SetWindowSize = 0x5414, SetControlling = 0x540E;

    /// <summary>Makes the program's side its descriptors 0 to 2, owned by who it will be, and gives the showing side; or a negative errno.</summary>
    public static nint Open(ref Launcher.Child child)
    {
        nint master, slave, result;
        fixed (byte* path = "/dev/pts/ptmx"u8) master = Host.Call(Sys.Openat, -100, (nint)path, Sys.ReadWrite | NoControlling | Sys.Cloexec);
        if (master < 0) return master;
        int locked = 0;
        if ((result = Host.Call(Sys.Ioctl, master, Unlock, (nint)(&locked))) < 0) return result;
        if ((slave = Host.Call(Sys.Ioctl, master, OpenPeer, Sys.ReadWrite | NoControlling | Sys.Cloexec)) < 0) return slave;
        if ((result = Host.Call(Sys.Fchown, slave, (nint)child.Description.Number(StartTag.UserId, 65534), -1)) < 0) return result;
        var size = child.Description.Bytes(StartTag.WindowSize);
        if (size.Length == 4)
        {
            ushort* window = stackalloc ushort[4]; // struct winsize: rows, columns
            window[0] = (ushort)(size[2] | size[3] << 8);
            window[1] = (ushort)(size[0] | size[1] << 8);
            window[2] = window[3] = 0;
            if ((result = Host.Call(Sys.Ioctl, master, SetWindowSize, (nint)window)) < 0) return result;
        }
        child.Input = child.Output = child.Error = (int)slave;
        return master;
    }

    /// <summary>A session of its own, whose controlling terminal is descriptor 0.</summary>
    public static nint Control()
    {
        nint result = Host.Call(Sys.Setsid);
        return result < 0 ? result : Host.Call(Sys.Ioctl, 0, SetControlling, 0);
    }
}
