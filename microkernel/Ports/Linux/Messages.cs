using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// What a container sends with an address or with sendmsg and sendmmsg: the kernel copies it once, and sends that copy on its own copy of the socket. A filter cannot see behind msghdr, and whatever
/// may send a datagram anywhere must not be left to the caller's memory or to which socket stands behind a number a moment later. Of several messages the first is sent: fewer than were asked for
/// is an answer that callers know.
/// </summary>
public static unsafe class Messages
{
    public const int MaxData = 65536;
    private const int MaxPieces = 64, MaxControl = 1024, HeaderSize = 56, CountAfterHeader = 56, MaxName = 128;
    private const int SolSocket = 1, SoType = 3, SoDomain = 39, Rights = 1, Datagram = 2;
    private const int NoSignal = 0x4000, DontWait = 0x40, KeptFlags = 0x80C1; // MSG_MORE, MSG_EOR, MSG_OOB, MSG_DONTWAIT
    private const int Efault = 14, Epipe = 32, Emsgsize = 90, Sigpipe = 13;

    public static bool Sends(int number) => number is Sys.Sendto or Sys.Sendmsg or Sys.Sendmmsg;

    /// <summary>Whether the message is a datagram with an address: somebody must decide where it goes.</summary>
    public static bool Decided(ref PortTask entry) => entry.Message.Datagram && entry.Message.NameLength > 0;

    /// <summary>A datagram socket of the host's network.</summary>
    public static bool IsDatagram(int socket) => Option(socket, SoDomain) == Sys.AfInet && Option(socket, SoType) == Datagram;

    public static bool IsUnix(int socket) => Option(socket, SoDomain) == Sys.AfUnix;

    public static bool IsConnectionless(int socket) => Option(socket, SoType) == Datagram;

    /// <summary>Copies everything out of the caller, whose socket is <c>entry.Socket</c>. Negative errno, or 0.</summary>
    public static long Collect(ref PortTask entry, ref SeccompNotification n, int process)
    {
        ref var message = ref entry.Message;
        if (message.Data == null) message.Data = Node.Allocate(MaxData + MaxControl + MaxName);
        if (message.Data == null) return -Sys.Enomem;
        message.Number = n.Number;
        message.Thread = (int)n.Process;
        message.NameLength = message.Length = message.PassedCount = 0;
        message.CountAt = 0;
        int domain = Option(entry.Socket, SoDomain), type = Option(entry.Socket, SoType);
        if (domain < 0) return domain;
        message.Datagram = domain == Sys.AfInet && type == Datagram;
        message.Stream = type == 1;
        message.Unix = domain == Sys.AfUnix;
        if (message.Unix && !KnowSender(entry.Source, entry.TrapListener, ref n)) return -Sys.Eintr;
        ulong* pieces = stackalloc ulong[2 * MaxPieces];
        ulong name, nameLength, count = 1, control = 0, controlLength = 0;
        if (n.Number == Sys.Sendto)
        {
            pieces[0] = n.Arguments[1];
            pieces[1] = n.Arguments[2];
            message.Flags = (int)n.Arguments[3];
            name = n.Arguments[4];
            nameLength = (uint)n.Arguments[5];
        }
        else
        {
            if (n.Number == Sys.Sendmmsg && (uint)n.Arguments[2] == 0) return -Sys.Einval;
            message.Flags = (int)n.Arguments[n.Number == Sys.Sendmmsg ? 3 : 2];
            byte* header = stackalloc byte[HeaderSize];
            if (!Read(message.Thread, n.Arguments[1], header, HeaderSize)) return -Efault;
            if (n.Number == Sys.Sendmmsg) message.CountAt = n.Arguments[1] + CountAfterHeader;
            name = *(ulong*)header;
            nameLength = *(uint*)(header + 8);
            count = *(ulong*)(header + 24);
            control = *(ulong*)(header + 32);
            controlLength = *(ulong*)(header + 40);
            if (count > MaxPieces && !message.Stream) return -Emsgsize;
            if (count > MaxPieces) count = MaxPieces;
            if (!Read(message.Thread, *(ulong*)(header + 16), (byte*)pieces, count * 16)) return -Efault;
        }
        if (name != 0 && nameLength > 0 && !message.Stream)
        {
            if (domain != Sys.AfInet) return -Sys.Eacces; // a Unix socket is reached by its descriptor, not by a name
            if (nameLength > MaxName) return -Sys.Einval;
            if (!Read(message.Thread, name, Name(ref message), nameLength)) return -Efault;
            message.NameLength = (int)nameLength;
        }
        long copied = Pieces(ref message, pieces, (int)count);
        if (copied < 0 || domain != Sys.AfUnix || control == 0 || controlLength == 0) return copied;
        if (controlLength > MaxControl || !Read(message.Thread, control, Control(ref message), controlLength)) return controlLength > MaxControl ? -Sys.Einval : -Efault;
        return Passed(ref message, (int)controlLength, process);
    }

    /// <summary>Asks for the user and the group of a container, by a thread that waits, once. False: it waits no more.</summary>
    public static bool KnowSender(int container, int listener, ref SeccompNotification n)
    {
        ref var sender = ref Node.Tasks[container];
        if (sender.SenderKnown) return true;
        if (!CallerIdentity.Of((int)n.Process, out var identity) || !Seccomp.Valid(listener, n.Id)) return false;
        sender.SenderUser = identity.User;
        sender.SenderGroup = identity.Group;
        return sender.SenderKnown = true;
    }

    public static byte* Name(ref TrappedMessage message) => message.Data + MaxData + MaxControl;

    private static byte* Control(ref TrappedMessage message) => message.Data + MaxData;

    private static int Option(int socket, int option)
    {
        int value = 0;
        uint size = 4;
        nint result = Host.Call(Sys.Getsockopt, socket, SolSocket, option, (nint)(&value), (nint)(&size));
        return result < 0 ? (int)result : value;
    }

    private static bool Read(int thread, ulong from, byte* into, ulong length) => length == 0 || Move(Sys.ProcessVmReadv, thread, into, from, length);

    private static bool Move(int call, int thread, byte* here, ulong there, ulong length)
    {
        ulong* local = stackalloc ulong[2];
        ulong* remote = stackalloc ulong[2];
        local[0] = (ulong)here;
        remote[0] = there;
        local[1] = remote[1] = length;
        return Host.Call(call, thread, (nint)local, 1, (nint)remote, 1, 0) == (nint)length;
    }

    /// <summary>A stream takes what fits, as it may; anything else goes as a whole or not at all.</summary>
    private static long Pieces(ref TrappedMessage message, ulong* pieces, int count)
    {
        ulong total = 0;
        for (int i = 0; i < count; i++)
        {
            if (pieces[2 * i + 1] > MaxData - total)
            {
                if (!message.Stream) return -Emsgsize;
                pieces[2 * i + 1] = MaxData - total;
            }
            total += pieces[2 * i + 1];
        }
        message.Length = (int)total;
        ulong* local = stackalloc ulong[2];
        local[0] = (ulong)message.Data;
        local[1] = total;
        return total == 0 || Host.Call(Sys.ProcessVmReadv, message.Thread, (nint)local, 1, (nint)pieces, count, 0) == (nint)total ? 0 : -Efault;
    }

    /// <summary>Descriptors that go along over a Unix socket (SCM_RIGHTS, unix(7)). Credentials would be the kernel's word for the caller's.</summary>
    private static long Passed(ref TrappedMessage message, int length, int process)
    {
        byte* control = Control(ref message);
        for (int at = 0; at + 16 <= length;)
        {
            long size = *(long*)(control + at);
            if (size < 16 || size > length - at || *(int*)(control + at + 8) != SolSocket) return -Sys.Einval;
            if (*(int*)(control + at + 12) != Rights) return -Sys.Eperm;
            for (int i = 16; i + 4 <= size; i += 4)
            {
                if (message.PassedCount == TrappedMessage.MaxPassed) return -Sys.Einval;
                nint passed = Host.Call(Sys.PidfdGetfd, process, *(int*)(control + at + i), 0);
                if (passed < 0) return passed;
                message.Passed[message.PassedCount++] = (int)passed;
            }
            at += (int)((size + 7) & ~7);
        }
        return 0;
    }

    /// <summary>Sends what was collected, to the address given or where the socket is connected to, and answers the call; or waits until there is room.</summary>
    public static void Send(int trap, byte* address)
    {
        ref var entry = ref Node.Tasks[trap];
        ref var message = ref entry.Message;
        ulong* header = stackalloc ulong[7];
        ulong* piece = stackalloc ulong[2];
        for (int i = 0; i < 7; i++) header[i] = 0;
        piece[0] = (ulong)message.Data;
        piece[1] = (ulong)message.Length;
        header[0] = (ulong)address;
        header[1] = address != null ? 16u : 0u;
        header[2] = (ulong)piece;
        header[3] = 1;
        if (message.Unix)
        {
            header[4] = (ulong)Control(ref message);
            header[5] = (ulong)Accompanying(ref entry);
        }
        message.Outcome = SendOutcome.Unknown;
        nint sent = Host.Call(Sys.Sendmsg, entry.Socket, (nint)header, message.Flags & KeptFlags | NoSignal | DontWait);
        if (sent == -Sys.Eagain && (message.Flags & DontWait) == 0 && (Host.Call(Sys.Fcntl, entry.Socket, 3) & Sys.NonBlock) == 0 && (message.Waits || Wait(trap)))
        {
            if (address != null) for (int i = 0; i < 16; i++) Name(ref message)[i] = address[i];
            message.NameLength = address != null ? 16 : 0;
            message.Outcome = SendOutcome.None;
            return;
        }
        if (sent == -Epipe && message.Stream && (message.Flags & NoSignal) == 0 && Seccomp.Valid(entry.TrapListener, entry.Notification)) Host.Call(Sys.Tkill, message.Thread, Sigpipe);
        message.Result = sent < 0 || message.Number != Sys.Sendmmsg ? sent : Counted(ref message, (int)sent);
        message.Outcome = SendOutcome.Known;
        Traps.Release(trap, message.Result);
    }

    /// <summary>
    /// What goes along over a Unix socket: descriptors, and who sends, since the other end may ask for it (SO_PASSCRED) and would be told of the kernel otherwise. A container's user and group never change. The bytes of it.
    /// </summary>
    private static int Accompanying(ref PortTask entry)
    {
        const int Credentials = 2, Size = 28, Space = 32;
        ref var message = ref entry.Message;
        ref var sender = ref Node.Tasks[entry.Source];
        byte* control = Control(ref message);
        int at = 0;
        if (message.PassedCount > 0)
        {
            int size = 16 + 4 * message.PassedCount;
            *(long*)control = size;
            *(int*)(control + 8) = SolSocket;
            *(int*)(control + 12) = Rights;
            for (int i = 0; i < message.PassedCount; i++) *(int*)(control + 16 + 4 * i) = message.Passed[i];
            at = (size + 7) & ~7;
        }
        *(long*)(control + at) = Size;
        *(int*)(control + at + 8) = SolSocket;
        *(int*)(control + at + 12) = Credentials;
        *(int*)(control + at + 16) = message.Thread;
        *(uint*)(control + at + 20) = sender.SenderUser;
        *(uint*)(control + at + 24) = sender.SenderGroup;
        return at + Space;
    }

    /// <summary>sendmmsg: the length goes behind the message's header; one message was sent.</summary>
    private static long Counted(ref TrappedMessage message, int sent) => Move(Sys.ProcessVmWritev, message.Thread, (byte*)&sent, message.CountAt, 4) ? 1 : -Efault;

    private static bool Wait(int trap)
    {
        ref var entry = ref Node.Tasks[trap];
        entry.Message.Waits = Node.Watch(entry.Socket, Node.Sending, trap, Sys.EpollOut) >= 0;
        return entry.Message.Waits;
    }

    /// <summary>There is room in a socket that was full.</summary>
    public static void Continue(int trap)
    {
        ref var message = ref Node.Tasks[trap].Message;
        if (message.Waits) Send(trap, message.NameLength > 0 ? Name(ref message) : null);
    }

    /// <summary>The call is over, whatever became of it.</summary>
    public static void Forget(ref PortTask entry)
    {
        ref var message = ref entry.Message;
        if (message.Waits) Host.Call(Sys.EpollCtl, Node.Epoll, Sys.EpollDelete, entry.Socket, 0);
        message.Waits = false;
        for (int i = 0; i < message.PassedCount; i++) Host.Call(Sys.Close, message.Passed[i]);
        message.PassedCount = message.NameLength = 0;
    }
}

/// <summary>Whether a message has been sent.</summary>
public enum SendOutcome : byte { None, Unknown, Known }

/// <summary>A trap's message on its way. Data lives as long as the trap and is used anew.</summary>
public unsafe struct TrappedMessage
{
    public const int MaxPassed = 64;

    public byte* Data;
    public int Number, Thread, Length, NameLength, Flags, PassedCount;
    /// <summary>Datagram: of IPv4. Unix: over a Unix socket. Waits: for room in the socket.</summary>
    public bool Datagram, Stream, Unix, Waits;
    /// <summary>From before it is sent until the call is answered, with Result: so that a kernel that takes over sends nothing twice.</summary>
    public SendOutcome Outcome;
    public long Result;
    /// <summary>sendmmsg: where in the caller the count of bytes goes.</summary>
    public ulong CountAt;
    public fixed int Passed[MaxPassed];
}
