using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Which grant a socket lives by: its mark (SO_MARK) names the container's task and the slot of the grant, and connections accepted from a listening socket inherit it. When the
/// capability is revoked, every socket with its mark is destroyed (sock_diag(7), SOCK_DESTROY), whichever process or queue holds it.
/// </summary>
public static unsafe class LiveSockets
{
    /// <summary>First bytes of marks that kernels of one host divide among themselves.</summary>
    private const uint FirstOwn = 0xC0, LastOwn = 0xFE;
    private const int Tcp = 6, Udp = 17, SlotBits = 9, SocketLevel = 1, SoMark = 36;
    private const int DiagByFamily = 20, DiagDestroy = 21, Done = 3, Error = 2;
    private const int Header = 16, Request = 56, Identity = 48, Batch = 128, BufferSize = 32768;
    private static int s_netlink;
    private static uint s_own;
    private const uint Ours = 0xFF000000, Deaf = 0xFFFFFF;
    private const int TaskMask = (1 << (24 - SlotBits)) - 1;
    private static byte* s_buffer, s_found;
    private static uint* s_marks;

    public static bool Initialize()
    {
        s_buffer = Node.Allocate(BufferSize);
        s_found = Node.Allocate(Batch * (Identity + sizeof(uint)));
        s_marks = (uint*)(s_found + Batch * Identity);
        return s_buffer != null && s_found != null && Open();
    }

    public static int Netlink => s_netlink;

    private static bool Open()
    {
        s_netlink = (int)Host.Call(Sys.Socket, 16, 3 | Sys.Cloexec, 4); // AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG
        return s_netlink >= 0;
    }

    /// <summary>
    /// Marks are those of the whole host, so a kernel takes a first byte that no other has: the abstract socket name <c>eyrie-mark-N</c> (unix(7)) is the claim and ends with the kernel. Its descriptor
    /// is held for life. False: every byte is taken.
    /// </summary>
    public static bool Claim()
    {
        const int Family = 2;
        byte* address = stackalloc byte[32];
        nint socket = Host.Call(Sys.Socket, Sys.AfUnix, 2 | Sys.Cloexec, 0);
        if (socket < 0) return false;
        for (uint own = FirstOwn; own <= LastOwn; own++)
        {
            *(ushort*)address = Sys.AfUnix;
            address[Family] = 0;
            var name = new TextWriter(new Span<byte>(address + Family + 1, 29));
            name.Add("eyrie-mark-"u8); name.Add(own);
            if (Host.Call(Sys.Bind, socket, (nint)address, Family + 1 + name.Length) < 0) continue;
            s_own = own;
            return true;
        }
        Host.Call(Sys.Close, socket);
        return false;
    }

    /// <summary>False: the number does not fit a mark, so the socket could not be found again.</summary>
    public static bool Mark(int socket, int task, int slot)
    {
        if ((uint)slot >= 1 << SlotBits) return false;
        uint mark = MarkOf(task, slot);
        return Host.Call(Sys.Setsockopt, socket, SocketLevel, SoMark, (nint)(&mark), 4) >= 0;
    }

    /// <summary>Of a socket that has come to nothing.</summary>
    public static void Unmark(int socket)
    {
        uint none = 0;
        Host.Call(Sys.Setsockopt, socket, SocketLevel, SoMark, (nint)(&none), 4);
    }

    public static bool Marked(int socket)
    {
        uint mark = 0, size = 4;
        return Host.Call(Sys.Getsockopt, socket, SocketLevel, SoMark, (nint)(&mark), (nint)(&size)) < 0 || mark != 0;
    }

    private static uint MarkOf(int task, int slot) => s_own << 24 | (uint)task << SlotBits | (uint)slot;

    /// <summary>Ends every socket of a grant. A datagram socket keeps its port when it is destroyed, so it is made deaf first.</summary>
    public static void Revoke(int task, int slot)
    {
        Destroy(Tcp, MarkOf(task, slot));
        if (Find(Udp, MarkOf(task, slot)) == 0) return;
        DeafSockets.Make(task, MarkOf(task, slot), s_own << 24 | Deaf);
        // What stands in no process's table is on its way between two of them: it cannot be made deaf, so the container ends.
        if (Find(Udp, MarkOf(task, slot)) > 0) TaskLife.Signal(task, 9);
    }

    /// <summary>A successor: every socket ends whose grant is not held, be it that its predecessor took the grant away and ended before it had come to the sockets.</summary>
    public static bool Sweep()
    {
        Node.Close(ref s_netlink); // it may hold half an answer
        if (!Open()) return false;
        for (int count = Batch; count == Batch;)
        {
            count = Find(Tcp, s_own << 24, Ours, stale: true);
            for (int i = 0; i < count; i++) DestroyOne(Tcp, s_found + i * Identity);
        }
        int left = Find(Udp, s_own << 24, Ours, stale: true);
        for (int i = 0; i < left; i++)
        {
            uint mark = s_marks[i];
            Revoke((int)(mark >> SlotBits & TaskMask), (int)(mark & (1 << SlotBits) - 1));
        }
        return true;
    }

    private static bool IsStale(uint mark)
    {
        int task = (int)(mark >> SlotBits & TaskMask), slot = (int)(mark & (1 << SlotBits) - 1);
        return (mark & ~Ours) != Deaf && (task >= Node.MaxObjects || Node.Tasks[task].State != TaskState.Running || Node.Kernel.Find(task, slot) == 0);
    }

    /// <summary>Destroys every socket with a mark; a batch at a time, until none is found.</summary>
    private static void Destroy(int protocol, uint mark)
    {
        const int Rounds = 64;
        for (int round = 0; round < Rounds; round++)
        {
            int count = Find(protocol, mark);
            for (int i = 0; i < count; i++) DestroyOne(protocol, s_found + i * Identity);
            if (count < Batch) return;
        }
    }

    /// <summary>struct nlmsghdr and struct inet_diag_req_v2 (linux/inet_diag.h): IPv4, sockets in every state.</summary>
    private static void Begin(int protocol, int length, int type, int flags)
    {
        for (int i = 0; i < length; i++) s_buffer[i] = 0;
        *(int*)s_buffer = length;
        *(ushort*)(s_buffer + 4) = (ushort)type;
        *(ushort*)(s_buffer + 6) = (ushort)flags;
        s_buffer[Header] = Sys.AfInet;
        s_buffer[Header + 1] = (byte)protocol;
        *(uint*)(s_buffer + Header + 4) = 0xFFFFFFFF;
    }

    /// <summary>Asks for the sockets with a mark; their identities go to <see cref="s_found"/>.</summary>
    private static int Find(int protocol, uint mark, uint mask = 0xFFFFFFFF, bool stale = false)
    {
        const int Program = 12, Attribute = 4, RequestDump = 0x301;
        Begin(protocol, Header + Request + Attribute + Program, DiagByFamily, RequestDump);
        byte* at = s_buffer + Header + Request;
        *(ushort*)at = Attribute + Program;
        *(ushort*)(at + 2) = 1; // INET_DIAG_REQ_BYTECODE
        at[4] = 10; // INET_DIAG_BC_MARK_COND
        at[5] = Program; // matches: to the end
        *(ushort*)(at + 6) = Program + 4; // does not: beyond the end, which is no
        *(uint*)(at + 8) = mark;
        *(uint*)(at + 12) = mask;
        nint sent = Host.Call(Sys.Sendto, s_netlink, (nint)s_buffer, Header + Request + Attribute + Program, 0, 0, 0);
        return sent < 0 ? 0 : Collect(stale);
    }

    private static int Collect(bool stale)
    {
        int count = 0;
        while (true)
        {
            nint read = Host.Call(Sys.Read, s_netlink, (nint)s_buffer, BufferSize);
            if (read < Header) return count;
            for (byte* message = s_buffer; message + Header <= s_buffer + read;)
            {
                int length = *(int*)message, type = *(ushort*)(message + 4);
                if (type is Done or Error || length < Header) return count;
                if (type == DiagByFamily && length >= Header + 4 + Identity && count < Batch && (!stale || IsStale(s_marks[count] = MarkIn(message, length))))
                {
                    for (int i = 0; i < Identity; i++) s_found[count * Identity + i] = message[Header + 4 + i];
                    count++;
                }
                message += (length + 3) & ~3;
            }
        }
    }

    /// <summary>The attribute INET_DIAG_MARK behind a struct inet_diag_msg.</summary>
    private static uint MarkIn(byte* message, int length)
    {
        const int Fixed = 72, Attribute = 15;
        for (byte* at = message + Header + Fixed; at + 4 <= message + length && *(ushort*)at >= 4; at += (*(ushort*)at + 3) & ~3)
            if (*(ushort*)(at + 2) == Attribute) return *(uint*)(at + 4);
        return 0;
    }

    private static void DestroyOne(int protocol, byte* identity)
    {
        const int RequestAcknowledge = 5;
        Begin(protocol, Header + Request, DiagDestroy, RequestAcknowledge);
        for (int i = 0; i < Identity; i++) s_buffer[Header + 8 + i] = identity[i];
        if (Host.Call(Sys.Sendto, s_netlink, (nint)s_buffer, Header + Request, 0, 0, 0) >= 0) Host.Call(Sys.Read, s_netlink, (nint)s_buffer, BufferSize); // its acknowledgement; gone already is as good
    }
}
