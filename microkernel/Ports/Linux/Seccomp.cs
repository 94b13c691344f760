using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The listener's side of a seccomp user notification (seccomp_unotify(2)).</summary>
public static unsafe class Seccomp
{
    private const long Recv = 0xC0502100, Send = 0xC0182101, IdValid = 0x40082102, AddFd = 0x40182103, SetFlags = 0x40082104;

    public static void WakeOnSameCore(int listener) => Host.Call(Sys.Ioctl, listener, (nint)SetFlags, 1); // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP

    public static bool Receive(int listener, ref SeccompNotification notification)
    {
        notification = default;
        fixed (SeccompNotification* n = &notification) return Host.Call(Sys.Ioctl, listener, unchecked((nint)Recv), (nint)n) >= 0;
    }

    /// <summary>Whether the call still waits, so that the process id still means the process that made it.</summary>
    public static bool Valid(int listener, ulong id) => Host.Call(Sys.Ioctl, listener, (nint)IdValid, (nint)(&id)) >= 0;

    /// <summary>Answers with a value, or with -errno when negative. A caller that is gone (ENOENT) needs no answer.</summary>
    public static void Answer(int listener, ulong id, long value)
    {
        ulong* response = stackalloc ulong[3];
        response[0] = id;
        response[1] = value < 0 ? 0 : (ulong)value;
        response[2] = value < 0 ? (uint)(int)value : 0u;
        Host.Call(Sys.Ioctl, listener, unchecked((nint)Send), (nint)response);
    }

    /// <summary>For a call of the microkernel's own ABI: negative results travel as values, not as errno.</summary>
    public static void AnswerRaw(int listener, ulong id, long value)
    {
        ulong* response = stackalloc ulong[3];
        response[0] = id;
        response[1] = (ulong)value;
        response[2] = 0;
        Host.Call(Sys.Ioctl, listener, unchecked((nint)Send), (nint)response);
    }

    /// <summary>Puts a descriptor into the process that waits, whose call waits on; the number there, or a negative errno.</summary>
    public static nint Inject(int listener, ulong id, int descriptor, bool closeOnExec)
    {
        uint* request = stackalloc uint[6]; // struct seccomp_notif_addfd: id, flags, here, there, flags there
        *(ulong*)request = id;
        request[2] = 0;
        request[3] = (uint)descriptor;
        request[4] = 0;
        request[5] = closeOnExec ? (uint)Sys.Cloexec : 0;
        return Host.Call(Sys.Ioctl, listener, (nint)AddFd, (nint)request);
    }
}
