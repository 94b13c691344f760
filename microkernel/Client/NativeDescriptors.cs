using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Eyrie.Microkernel.Client;

/// <summary>Pipes, sockets, sizes of terminals and the passing of descriptors over a local socket: what .NET has no calls of its own for.</summary>
internal static unsafe partial class NativeDescriptors
{
    private const int CloseOnExec = 0x80000, Again = 11, Interrupted = 4, NoSignal = 0x4000;
    private const nuint SetWindowSize = 0x5414; // TIOCSWINSZ (asm-generic/ioctls.h)

    /// <summary>A pipe: read end and write end.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        int* ends = stackalloc int[2];
        Check(pipe2(ends, CloseOnExec), "pipe2");
        return (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true));
    }

    /// <summary>Two connected stream sockets.</summary>
    public static (SafeFileHandle One, SafeFileHandle Other) Sockets()
    {
        const int Unix = 1, CloseOnExecStream = 1 | CloseOnExec;
        int* ends = stackalloc int[2];
        Check(socketpair(Unix, CloseOnExecStream, 0, ends), "socketpair");
        return (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true));
    }

    /// <summary>Reads what is there, and the descriptor that came with it (SCM_RIGHTS), if one did. Never waits.</summary>
    /// <returns>How many bytes; 0: the other side has closed the connection; -1: nothing is there now.</returns>
    public static int Receive(Socket socket, Span<byte> bytes, out SafeFileHandle? descriptor)
    {
        const int Flags = 0x40 | 0x40000000; // MSG_DONTWAIT, MSG_CMSG_CLOEXEC
        descriptor = null;
        long* control = stackalloc long[3];
        fixed (byte* data = bytes)
        {
            nint* part = stackalloc nint[2];
            (part[0], part[1]) = ((nint)data, bytes.Length);
            nint* message = stackalloc nint[7]; // struct msghdr
            (message[0], message[1], message[2], message[3], message[4], message[5], message[6]) = (0, 0, (nint)part, 1, (nint)control, 24, 0);
            nint received = recvmsg(socket.SafeHandle, (nint)message, Flags);
            if (received > 0 && message[5] >= 20 && control[1] == (1L << 32 | 1)) descriptor = new SafeFileHandle((int)control[2], true);
            if (received >= 0) return (int)received;
            int error = Marshal.GetLastPInvokeError();
            return error is Again or Interrupted ? -1 : throw new IOException("the container service's connection broke", new Win32Exception(error));
        }
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

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int family, int type, int protocol, int* ends);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(SafeSocketHandle socket, nint message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeFileHandle file, nuint request, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(SafeSocketHandle socket, nint message, int flags);
}
