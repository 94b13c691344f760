using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Eyrie.Microkernel.Client;

/// <summary>Pipes, terminals and the passing of descriptors over a local socket: what .NET has no calls of its own for.</summary>
internal static unsafe partial class NativeDescriptors
{
    private const int CloseOnExec = 0x80000, ReadWrite = 2, NoControllingTerminal = 0x100, Again = 11, Interrupted = 4, NoSignal = 0x4000;
    private const nuint UnlockSlave = 0x40045431, OpenSlave = 0x5441, SetWindowSize = 0x5414; // TIOCSPTLCK, TIOCGPTPEER, TIOCSWINSZ (asm-generic/ioctls.h)

    /// <summary>A pipe: read end and write end.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        int* ends = stackalloc int[2];
        Check(pipe2(ends, CloseOnExec), "pipe2");
        return (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true));
    }

    /// <summary>A pseudo-terminal: the side of who shows it, and the side of the program.</summary>
    public static (SafeFileHandle Master, SafeFileHandle Slave) Terminal()
    {
        var master = new SafeFileHandle(Check(open("/dev/ptmx", ReadWrite | NoControllingTerminal | CloseOnExec), "open /dev/ptmx"), true);
        int locked = 0;
        Check(ioctl(master, UnlockSlave, (nint)(&locked)), "unlockpt");
        return (master, new SafeFileHandle(Check(ioctl(master, OpenSlave, ReadWrite | NoControllingTerminal | CloseOnExec), "TIOCGPTPEER"), true));
    }

    public static void Resize(SafeFileHandle master, int columns, int rows)
    {
        ushort* size = stackalloc ushort[4];
        (size[0], size[1], size[2], size[3]) = ((ushort)rows, (ushort)columns, 0, 0);
        Check(ioctl(master, SetWindowSize, (nint)size), "TIOCSWINSZ");
    }

    /// <summary>Sends some of the bytes with descriptors (SCM_RIGHTS), which the other side gets with the first of them.</summary>
    /// <returns>How many bytes were taken; 0: none now, since the socket is full.</returns>
    public static int Send(Socket socket, ReadOnlySpan<byte> bytes, ReadOnlySpan<int> descriptors)
    {
        int controlLength = 16 + descriptors.Length * 4;
        byte* control = stackalloc byte[(controlLength + 7) / 8 * 8];
        *(long*)control = controlLength;
        *(int*)(control + 8) = 1; // SOL_SOCKET
        *(int*)(control + 12) = 1; // SCM_RIGHTS
        descriptors.CopyTo(new Span<int>(control + 16, descriptors.Length));
        fixed (byte* data = bytes)
        {
            nint* part = stackalloc nint[2];
            (part[0], part[1]) = ((nint)data, bytes.Length);
            nint* message = stackalloc nint[7]; // struct msghdr
            (message[0], message[1], message[2], message[3], message[4], message[5], message[6]) = (0, 0, (nint)part, 1, (nint)control, (controlLength + 7) / 8 * 8, 0);
            nint sent = sendmsg(socket.SafeHandle, (nint)message, NoSignal);
            if (sent >= 0) return (int)sent;
            int error = Marshal.GetLastPInvokeError();
            return error is Again or Interrupted ? 0 : throw new IOException("the container service did not take the request", new Win32Exception(error));
        }
    }

    private static int Check(int result, string call) => result >= 0 ? result : throw new IOException($"{call}: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* ends, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeFileHandle file, nuint request, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(SafeSocketHandle socket, nint message, int flags);
}
