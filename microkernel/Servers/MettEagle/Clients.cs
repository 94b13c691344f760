using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>Connections of the container protocol: frames in, frames out. A client that breaks the protocol is cut off; containers go on.</summary>
public static unsafe class Clients
{
    private const int Max = 16;

    /// <summary>Bytes kept for a client that is behind with reading; one that is further behind is cut off, and lists anew when it is back.</summary>
    private const int QueueSize = 1 << 19;

    /// <summary>Most descriptors with one request: stdin, stdout, stderr.</summary>
    public const int MaxPassed = 3;

    private struct Client
    {
        public int Descriptor;
        public bool Used, Subscribed;
        public byte* Buffer;
        public int Length;
        /// <summary>What the host did not take yet of what is to be sent.</summary>
        public byte* Queue;
        public int Queued;
        /// <summary>Descriptors that came with bytes that no request has taken yet, and where in the buffer the read that brought them ended: inside the frame they belong to, or at its end.</summary>
        public int Passed, PassedEnd;
        /// <summary>How many of them the request at hand may take: all, when they came with it.</summary>
        public int Offered;
        public fixed int Descriptors[MaxPassed];
    }

    private static Client* s_clients;
    private static byte* s_out;

    public static bool Initialize()
    {
        s_clients = (Client*)Memory.Allocate(Max * sizeof(Client));
        s_out = Memory.Allocate(2 * ContainerProtocol.MaxFrame);
        return s_clients != null && s_out != null;
    }

    public static void Accept()
    {
        nint accepted = Host.Call(Sys.Accept4, BootSlot.ListeningDescriptor, 0, 0, Sys.Cloexec | Sys.NonBlock);
        if (accepted < 0) return;
        for (int i = 0; i < Max; i++)
        {
            if (s_clients[i].Used) continue;
            if (s_clients[i].Buffer == null) s_clients[i].Buffer = Memory.Allocate(ContainerProtocol.MaxFrame + ContainerProtocol.Header);
            if (s_clients[i].Queue == null) s_clients[i].Queue = Memory.Allocate(QueueSize);
            if (s_clients[i].Buffer == null || s_clients[i].Queue == null) break;
            s_clients[i].Used = true;
            s_clients[i].Subscribed = false;
            s_clients[i].Length = s_clients[i].Passed = s_clients[i].Queued = 0;
            s_clients[i].Descriptor = (int)accepted;
            Loop.Watch((int)accepted, Loop.Client, i);
            return;
        }
        Host.Call(Sys.Close, accepted);
    }

    public static void Ready(int index)
    {
        Client* client = s_clients + index;
        if (!client->Used) return;
        nint read = Receive(client);
        if (read == -Sys.Eintr || read == -Sys.Eagain) return;
        if (read <= 0) { Close(client); return; }
        client->Length += (int)read;
        int at = 0;
        while (client->Used && client->Length - at >= ContainerProtocol.Header)
        {
            uint length = *(uint*)(client->Buffer + at);
            if (length < ContainerProtocol.Header - 4 || length > ContainerProtocol.MaxFrame) { Close(client); return; }
            if (client->Length - at < 4 + (int)length) break;
            int end = at + 4 + (int)length;
            bool carries = client->Passed > 0 && at < client->PassedEnd && client->PassedEnd <= end;
            client->Offered = carries ? client->Passed : 0;
            Requests.Handle(index, client->Buffer + at);
            if (carries) CloseDescriptors(client);
            at = end;
        }
        if (!client->Used) return;
        new ReadOnlySpan<byte>(client->Buffer + at, client->Length - at).CopyTo(new Span<byte>(client->Buffer, ContainerProtocol.MaxFrame));
        client->Length -= at;
        client->PassedEnd -= at;
    }

    /// <summary>Reads bytes and the descriptors that come with them (SCM_RIGHTS). The host ends a read after bytes that carry descriptors; frames without may stand before them.</summary>
    private static nint Receive(Client* client)
    {
        const int ControlSize = 64;
        nint* part = stackalloc nint[2];
        part[0] = (nint)(client->Buffer + client->Length);
        part[1] = ContainerProtocol.MaxFrame + ContainerProtocol.Header - client->Length;
        long* control = stackalloc long[ControlSize / 8];
        nint* message = stackalloc nint[7]; // struct msghdr
        message[0] = message[1] = message[6] = 0;
        message[2] = (nint)part;
        message[3] = 1;
        message[4] = (nint)control;
        message[5] = ControlSize;
        nint read = Host.Call(Sys.Recvmsg, client->Descriptor, (nint)message, 0x40000000); // MSG_CMSG_CLOEXEC
        if (read > 0 && message[5] >= 16) Take(client, (byte*)control, client->Length + (int)read);
        return read;
    }

    /// <summary>One control message: length (u64), level SOL_SOCKET (i32), type SCM_RIGHTS (i32), descriptors. More than fit are closed.</summary>
    private static void Take(Client* client, byte* control, int end)
    {
        if (*(int*)(control + 8) != 1 || *(int*)(control + 12) != 1) return;
        int count = (int)((*(long*)control - 16) / 4);
        CloseDescriptors(client);
        client->PassedEnd = end;
        for (int i = 0; i < count; i++)
        {
            int descriptor = ((int*)(control + 16))[i];
            if (client->Passed < MaxPassed) client->Descriptors[client->Passed++] = descriptor;
            else Host.Call(Sys.Close, descriptor);
        }
    }

    private static void CloseDescriptors(Client* client)
    {
        for (int i = 0; i < client->Passed; i++) Host.Call(Sys.Close, client->Descriptors[i]);
        client->Passed = client->Offered = 0;
    }

    /// <summary>Descriptors that came with the request at hand, at most <see cref="MaxPassed"/>. They are closed when it has been answered.</summary>
    public static ReadOnlySpan<int> Descriptors(int index) => new(s_clients[index].Descriptors, s_clients[index].Offered);

    private static void Close(Client* client)
    {
        CloseDescriptors(client);
        Host.Call(Sys.Close, client->Descriptor);
        client->Used = false;
        Executions.Abandoned((int)(client - s_clients));
        Lifecycle.Abandoned((int)(client - s_clients));
    }

    public static void Subscribe(int index) => s_clients[index].Subscribed = true;

    /// <summary>Fields of the next frame go here.</summary>
    public static FieldWriter Begin() => new(s_out + ContainerProtocol.Header, 2 * ContainerProtocol.MaxFrame - ContainerProtocol.Header);

    /// <summary>Never waits: what the host does not take is queued.</summary>
    public static void Send(int index, uint request, int type, in FieldWriter fields)
    {
        Client* client = s_clients + index;
        if (!client->Used) return;
        int total = Head(request, type, fields), sent = client->Queued > 0 ? 0 : Write(client, s_out, total);
        if (sent < 0 || total - sent > QueueSize - client->Queued) { Close(client); return; }
        if (sent == total) return;
        new ReadOnlySpan<byte>(s_out + sent, total - sent).CopyTo(new Span<byte>(client->Queue + client->Queued, total - sent));
        client->Queued += total - sent;
        Loop.Rewatch(client->Descriptor, Loop.Client, index, true);
    }

    /// <summary>Sends a short frame together with a descriptor, which the client gets with its first byte; -1: none. A client that is behind with reading is refused, since what is queued goes without.</summary>
    public static void Send(int index, uint request, int type, in FieldWriter fields, int descriptor)
    {
        Client* client = s_clients + index;
        if (descriptor < 0) { Send(index, request, type, fields); return; }
        if (!client->Used) return;
        int total = Head(request, type, fields);
        if (client->Queued == 0 && Pass(client->Descriptor, total, descriptor)) return;
        var refusal = Begin();
        refusal.AddNumber(ContainerProtocol.Error, ContainerErrorCode.WrongState);
        refusal.Add(ContainerProtocol.Message, "the client is behind with reading"u8);
        Send(index, request, type, refusal);
    }

    private static bool Pass(int socket, int length, int descriptor)
    {
        nint* part = stackalloc nint[2];
        part[0] = (nint)s_out;
        part[1] = length;
        long* control = stackalloc long[3]; // struct cmsghdr: length, level SOL_SOCKET, type SCM_RIGHTS, one descriptor
        control[0] = 20;
        control[1] = 1L << 32 | 1;
        control[2] = descriptor;
        nint* message = stackalloc nint[7];
        message[0] = message[1] = message[6] = 0;
        message[2] = (nint)part;
        message[3] = 1;
        message[4] = (nint)control;
        message[5] = 24;
        return Host.Call(Sys.Sendmsg, socket, (nint)message, 0x4000 | 0x40) == length;
    }

    private static int Head(uint request, int type, in FieldWriter fields)
    {
        *(uint*)s_out = (uint)(ContainerProtocol.Header - 4 + fields.Length);
        *(uint*)(s_out + 4) = request;
        *(ushort*)(s_out + 8) = ContainerProtocol.Version;
        *(ushort*)(s_out + 10) = (ushort)type;
        return ContainerProtocol.Header + fields.Length;
    }

    /// <summary>The host takes bytes again.</summary>
    public static void Flush(int index)
    {
        Client* client = s_clients + index;
        if (!client->Used) return;
        int sent = Write(client, client->Queue, client->Queued);
        if (sent < 0) { Close(client); return; }
        new ReadOnlySpan<byte>(client->Queue + sent, client->Queued - sent).CopyTo(new Span<byte>(client->Queue, QueueSize));
        client->Queued -= sent;
        if (client->Queued == 0) Loop.Rewatch(client->Descriptor, Loop.Client, index, false);
    }

    /// <summary>How many bytes the host took; -1: the connection is broken.</summary>
    private static int Write(Client* client, byte* bytes, int count)
    {
        int sent = 0;
        while (sent < count)
        {
            nint wrote = Host.Call(Sys.Sendto, client->Descriptor, (nint)(bytes + sent), count - sent, 0x4000, 0, 0); // MSG_NOSIGNAL
            if (wrote == -Sys.Eintr) continue;
            if (wrote == -Sys.Eagain) return sent;
            if (wrote <= 0) return -1;
            sent += (int)wrote;
        }
        return sent;
    }

    /// <summary>Sends the fields written last to everybody who listens for events.</summary>
    public static void Broadcast(int type, in FieldWriter fields)
    {
        for (int i = 0; i < Max; i++)
            if (s_clients[i].Used && s_clients[i].Subscribed) Send(i, 0, type, fields);
    }
}
