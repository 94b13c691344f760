using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>What the kernel itself does with the sockets of a container that calls about them: makes them, takes them, ties them to a grant and undoes what nobody was told of.</summary>
public static unsafe class TrappedSockets
{
    /// <summary>Owner of what is made for containers in the host's network.</summary>
    private const int Nobody = 65534;

    /// <summary>
    /// A container without any network grant asks for a socket. It gets a descriptor that leads nowhere, so that what it goes on to try, with an address, can be refused and recorded; there
    /// is no socket, and no call on one gets through its filter.
    /// </summary>
    public static void Pretend(int listener, ref SeccompNotification n)
    {
        if (!IsStream(ref n)) { Seccomp.Answer(listener, n.Id, -Sys.Eacces); return; }
        nint nothing = Host.Call(Sys.Eventfd2, 0, Sys.Cloexec | Sys.NonBlock);
        if (nothing < 0) Seccomp.Answer(listener, n.Id, -Sys.Eacces);
        else Injection.Answer(listener, ref n, (int)nothing);
    }

    /// <summary>Whether TCP is asked for.</summary>
    public static bool IsStream(ref SeccompNotification n)
    {
        const ulong Stream = 1, TypeMask = 0xF, Tcp = 6;
        return (n.Arguments[1] & TypeMask) == Stream && n.Arguments[2] is 0 or Tcp;
    }

    /// <summary>
    /// A TCP socket of the node's own network. It reaches nobody and nobody reaches it until connect, bind or listen has been decided, so nobody needs to be asked. A datagram socket stands at an
    /// address from the beginning: that one the server makes.
    /// </summary>
    public static void Make(int listener, ref SeccompNotification n)
    {
        nint made = Host.Call(Sys.Socket, Sys.AfInet, (nint)(uint)n.Arguments[1] | Sys.Cloexec, 6);
        if (made >= 0) Host.Call(Sys.Fchown, made, Nobody, Nobody); // as everything of a container's that is not the host's
        if (made < 0) Seccomp.Answer(listener, n.Id, made);
        else Injection.Answer(listener, ref n, (int)made);
    }

    /// <summary>
    /// A Unix socket, in a network namespace that no process is in: in their own, containers could read each other's paths (/proc/net/unix). It belongs to the caller, who may change its mode before it has a name (fchmod(2)).
    /// </summary>
    public static void MakeUnix(int container, ref SeccompNotification n)
    {
        const int NewNetwork = 0x40000000, Fault = 134;
        int listener = Node.Tasks[container].Listener;
        nint made = Host.Call(Sys.Setns, Node.UnseenNetwork, NewNetwork);
        if (made >= 0) made = Host.Call(Sys.Socket, Sys.AfUnix, (nint)(uint)n.Arguments[1] | Sys.Cloexec, (nint)(int)n.Arguments[2]);
        if (Host.Call(Sys.Setns, Node.OwnNetwork, NewNetwork) < 0) Host.Call(Sys.ExitGroup, Fault); // nothing else must be done there, and a successor begins in its own
        bool known = made >= 0 && Messages.KnowSender(container, listener, ref n);
        if (known) Host.Call(Sys.Fchown, made, (nint)Node.Tasks[container].SenderUser, (nint)Node.Tasks[container].SenderGroup);
        if (known) Injection.Answer(listener, ref n, (int)made);
        else Seccomp.Answer(listener, n.Id, made < 0 ? made : -Sys.Eintr);
        if (made >= 0 && !known) Host.Call(Sys.Close, made);
    }

    /// <summary>
    /// Another descriptor for what a container's thread holds at a number. The way to a thread is kept for its next call: it leads to that thread alone, and nowhere (ESRCH) when its number has come to name another one.
    /// </summary>
    public static nint Take(ref PortTask container, int thread, int number)
    {
        const int OneThread = 0x80, Esrch = 3; // PIDFD_THREAD
        if (container.ThreadDescriptor > 0 && container.LastThread == thread)
        {
            nint taken = Host.Call(Sys.PidfdGetfd, container.ThreadDescriptor, number, 0);
            if (taken != -Esrch) return taken;
        }
        nint opened = Host.Call(Sys.PidfdOpen, thread, OneThread);
        if (opened == -Sys.Einval) opened = Host.Call(Sys.PidfdOpen, thread, 0);
        if (opened < 0) return -Sys.Eacces;
        Node.Close(ref container.ThreadDescriptor);
        container.LastThread = thread;
        container.ThreadDescriptor = (int)opened;
        return Host.Call(Sys.PidfdGetfd, opened, number, 0);
    }

    /// <summary>A connection that was made for a call which nobody answered: the caller does not know of it. One that it does know of bears a mark.</summary>
    public static void Undo(ref PortTask entry)
    {
        if (entry.Number != Sys.Connect || Messages.IsDatagram(entry.Socket) || (!entry.Marks && LiveSockets.Marked(entry.Socket))) return;
        Disconnect(entry.Socket);
    }

    public static void Disconnect(int socket)
    {
        ulong* nobody = stackalloc ulong[2];
        nobody[0] = nobody[1] = 0; // AF_UNSPEC
        Host.Call(Sys.Connect, socket, (nint)nobody, 16);
    }

    /// <summary>
    /// Ties the socket to the grant that the server acted on. The container must hold it still: otherwise what the server did is undone, since the socket is the container's
    /// and may be connected by now.
    /// </summary>
    public static bool Bound(ref PortTask entry, int slot)
    {
        entry.Marks = true;
        if (Node.Kernel.Find(entry.Container, slot) != 0 && (entry.Socket < 0 || LiveSockets.Mark(entry.Socket, entry.Container, slot)) && (entry.Number != Sys.Bind || !Messages.IsDatagram(entry.Socket) || HeardDatagrams.Listen()))
        {
            Node.Tasks[entry.Container].Sockets = true;
            return true;
        }
        if (entry.Socket >= 0) Host.Call(Sys.Shutdown, entry.Socket, 2);
        return false;
    }
}
