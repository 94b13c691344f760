using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>Connections of the container protocol: frames in, frames out. A client that breaks the protocol is cut off; containers go on.</summary>
public static unsafe class Clients
{
    private const int Max = 16;

    /// <summary>Most descriptors with one request: stdin, stdout, stderr.</summary>
    public const int MaxPassed = 3;

    private struct Client
    {
        public int Descriptor;
        public bool Used, Subscribed;
        public byte* Buffer;
        public int Length;
        /// <summary>Descriptors that came with the bytes read last and that no request has taken.</summary>
        public int Passed;
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
        nint accepted = Host.Call(Sys.Accept4, BootSlot.ListeningDescriptor, 0, 0, Sys.Cloexec);
        if (accepted < 0) return;
        for (int i = 0; i < Max; i++)
        {
            if (s_clients[i].Used) continue;
            if (s_clients[i].Buffer == null) s_clients[i].Buffer = Memory.Allocate(ContainerProtocol.MaxFrame + ContainerProtocol.Header);
            if (s_clients[i].Buffer == null) break;
            s_clients[i].Used = true;
            s_clients[i].Subscribed = false;
            s_clients[i].Length = s_clients[i].Passed = 0;
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
            Requests.Handle(index, client->Buffer + at);
            CloseDescriptors(client);
            at += 4 + (int)length;
        }
        if (!client->Used) return;
        new ReadOnlySpan<byte>(client->Buffer + at, client->Length - at).CopyTo(new Span<byte>(client->Buffer, ContainerProtocol.MaxFrame));
        client->Length -= at;
    }

    /// <summary>Reads bytes and the descriptors that come with them (SCM_RIGHTS). The host ends a read at bytes that carry descriptors, so they belong to the newest frame.</summary>
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
        if (read > 0 && message[5] >= 16) Take(client, (byte*)control);
        return read;
    }

    /// <summary>One control message: length (u64), level SOL_SOCKET (i32), type SCM_RIGHTS (i32), descriptors. More than fit are closed.</summary>
    private static void Take(Client* client, byte* control)
    {
        if (*(int*)(control + 8) != 1 || *(int*)(control + 12) != 1) return;
        int count = (int)((*(long*)control - 16) / 4);
        CloseDescriptors(client);
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
        client->Passed = 0;
    }

    /// <summary>Descriptors that came with the request at hand, at most <see cref="MaxPassed"/>. They are closed when it has been answered.</summary>
    public static ReadOnlySpan<int> Descriptors(int index) => new(s_clients[index].Descriptors, s_clients[index].Passed);

    private static void Close(Client* client)
    {
        CloseDescriptors(client);
        Host.Call(Sys.Close, client->Descriptor);
        client->Used = false;
        Executions.Abandoned((int)(client - s_clients));
    }

    public static void Subscribe(int index) => s_clients[index].Subscribed = true;

    /// <summary>Fields of the next frame go here.</summary>
    public static FieldWriter Begin() => new(s_out + ContainerProtocol.Header, 2 * ContainerProtocol.MaxFrame - ContainerProtocol.Header);

    public static void Send(int index, uint request, int type, in FieldWriter fields)
    {
        *(uint*)s_out = (uint)(ContainerProtocol.Header - 4 + fields.Length);
        *(uint*)(s_out + 4) = request;
        *(ushort*)(s_out + 8) = ContainerProtocol.Version;
        *(ushort*)(s_out + 10) = (ushort)type;
        int total = ContainerProtocol.Header + fields.Length, sent = 0;
        while (sent < total)
        {
            nint wrote = Host.Call(Sys.Write, s_clients[index].Descriptor, (nint)(s_out + sent), total - sent);
            if (wrote == -Sys.Eintr) continue;
            if (wrote <= 0) { Close(s_clients + index); return; }
            sent += (int)wrote;
        }
    }

    /// <summary>Sends the fields written last to everybody who listens for events.</summary>
    public static void Broadcast(int type, in FieldWriter fields)
    {
        for (int i = 0; i < Max; i++)
            if (s_clients[i].Used && s_clients[i].Subscribed) Send(i, 0, type, fields);
    }
}
