using System.Threading;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// What the network server has answered to a connect and says will hold (<see cref="StandingAnswer"/>). As long as it knows nothing new and the container holds the grant, the kernel connects by it, which saves the way to the
/// server and back. Only what succeeds is answered here: anything else goes to the server as if nothing had been tried. An answer is lost when its place is needed for another one.
/// </summary>
public static unsafe class StandingAnswers
{
    private const int Places = 1024;
    /// <summary>IP_BIND_ADDRESS_NO_PORT, SO_PROTOCOL, IPPROTO_TCP.</summary>
    private const int NoPort = 24, Protocol = 38, Tcp = 6;
    /// <summary>Of a struct sockaddr_in; what is shorter is no address, and what stands behind it in the buffer is another call's.</summary>
    private const int AddressSize = 16;

    private struct Answer
    {
        /// <summary>0: nothing stands here.</summary>
        public int Container;
        public uint Number;
        public ulong Asked;
        public int Slot, Count;
        public ulong Source;
        public fixed ulong Endpoints[StandingAnswer.MaxEndpoints];
    }

    private static Answer* s_answers;
    private static uint s_random = 2463534242;

    /// <summary>The memory that the network server of the time shares with the kernel; null while there is none.</summary>
    public static byte* Shared;

    public static bool Initialize() => (s_answers = (Answer*)Node.Allocate((long)Places * sizeof(Answer))) != null;

    private static Answer* Place(int container, ulong asked) => s_answers + ((asked ^ (ulong)container << 48) * 0x9E3779B97F4A7C15 >> 54);

    private static ulong First(byte* buffer) => *(ulong*)(buffer + MessageLayout.Payload);

    /// <summary>The server has answered a connect; its reply took the place of the call, of which the copy is left.</summary>
    public static void Keep(ref PortTask entry)
    {
        byte* reply = entry.Buffer, call = reply + MessageLayout.Size;
        long* words = (long*)(reply + MessageLayout.Words);
        int count = (int)(*(uint*)(reply + MessageLayout.PayloadLength) / 8) - 1;
        if (entry.Number != Sys.Connect || *(uint*)(reply + MessageLayout.WordCount) < 4 || words[3] == 0 || words[2] <= 0 || count is < 1 or > StandingAnswer.MaxEndpoints) return;
        ulong* addresses = (ulong*)(reply + MessageLayout.Payload);
        for (int i = 0; i <= count; i++)
            if ((addresses[i] & 0xFFFF) != Sys.AfInet) return;
        ulong asked = First(call);
        Answer* answer = Place(entry.Container, asked);
        answer->Container = 0;
        answer->Number = (uint)words[3];
        answer->Asked = asked;
        answer->Slot = (int)words[2] - 1;
        answer->Source = addresses[0];
        answer->Count = count;
        for (int i = 0; i < count; i++) answer->Endpoints[i] = addresses[i + 1];
        Volatile.Write(ref answer->Container, entry.Container); // last: a successor finds it whole or not at all
    }

    /// <summary>Connects a trapped call's socket by an answer that stands. False: the server is to be asked; nothing has been done, or it is undone.</summary>
    /// <param name="entry">The trap, with everything that the call is about.</param>
    /// <param name="flags">Status flags of the socket.</param>
    /// <param name="result">What the call is answered.</param>
    public static bool Connect(ref PortTask entry, long flags, out nint result)
    {
        result = 0;
        if (*(uint*)(entry.Buffer + MessageLayout.PayloadLength) < AddressSize) return false;
        Answer* answer = Place(entry.Container, First(entry.Buffer));
        if (answer->Container != entry.Container || answer->Asked != First(entry.Buffer) || !ServerRestart.NetworkReady || flags < 0) return false;
        if ((uint)Volatile.Read(ref *(int*)(Shared + StandingAnswer.Number)) != answer->Number || Node.Kernel.Find(entry.Container, answer->Slot) == 0) return false;
        if (!IsTcp(entry.Socket)) return false;
        int one = 1;
        Host.Call(Sys.Setsockopt, entry.Socket, 0, NoPort, (nint)(&one), 4);
        ulong* name = stackalloc ulong[2];
        name[0] = answer->Source;
        name[1] = 0;
        if (Host.Call(Sys.Bind, entry.Socket, (nint)name, 16) < 0) return false; // it is bound, connected or listens already, by whatever grant: the server looks into it
        entry.Marks = true;
        name[0] = answer->Endpoints[Random() % (uint)answer->Count];
        if (!LiveSockets.Mark(entry.Socket, entry.Container, answer->Slot) || !Reach(entry.Socket, name, (flags & Sys.NonBlock) == 0, out result))
        {
            LiveSockets.Unmark(entry.Socket);
            entry.Marks = false;
            return false;
        }
        Node.Tasks[entry.Container].Sockets = true;
        Count(Node.Kernel.Objects[Node.Tasks[entry.Source].Handler].A, answer->Slot);
        return true;
    }

    private static bool IsTcp(int socket)
    {
        int protocol = 0;
        uint size = 4;
        return Host.Call(Sys.Getsockopt, socket, 1, Protocol, (nint)(&protocol), (nint)(&size)) >= 0 && protocol == Tcp;
    }

    /// <summary>
    /// connect(2) asks the socket whether it may wait, and the container can change that at any moment. MSG_FASTOPEN with MSG_DONTWAIT and nothing to send is the same connect and never waits. False: it has not come
    /// about, and the socket is as it was.
    /// </summary>
    private static bool Reach(int socket, ulong* name, bool waits, out nint result)
    {
        const int FastOpen = 0x20000000, DontWait = 0x40, NoSignal = 0x4000, Writable = 4, Failed = 8 | 16; // POLLOUT, POLLERR | POLLHUP
        result = Host.Call(Sys.Sendto, socket, 0, 0, FastOpen | DontWait | NoSignal, (nint)name, 16);
        if (result != -Sys.Einprogress) return false;
        int* poll = stackalloc int[2];
        poll[0] = socket;
        poll[1] = Writable;
        Host.Call(Sys.Poll, (nint)poll, 1, 0);
        int occurred = poll[1] >> 16; // within one host it has ended by now
        if (occurred == Writable)
        {
            if (waits) result = Host.Call(Sys.Connect, socket, (nint)name, 16); // it is there: takes note of it, and cannot wait any more
            return result is 0 or -Sys.Einprogress;
        }
        if ((occurred & Failed) == 0 && !waits) return true; // takes its time, and the caller's with it
        TrappedSockets.Disconnect(socket);
        return false;
    }

    private static void Count(long session, int slot)
    {
        if (session is > 0 and < StandingAnswer.Sessions && slot < StandingAnswer.Slots) Interlocked.Increment(ref *((int*)(Shared + StandingAnswer.Made) + session * StandingAnswer.Slots + slot));
    }

    /// <summary>xorshift32 (Marsaglia 2003): spreads connections over endpoints; no secret depends on it.</summary>
    private static uint Random()
    {
        s_random ^= s_random << 13;
        s_random ^= s_random >> 17;
        s_random ^= s_random << 5;
        return s_random;
    }

    /// <summary>A container lost a grant, or has ended; 0: the server has ended.</summary>
    public static void Forget(int container)
    {
        for (int i = 0; i < Places; i++)
            if (container == 0 || s_answers[i].Container == container) s_answers[i].Container = 0;
    }
}
