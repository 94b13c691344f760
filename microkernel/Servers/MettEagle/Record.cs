using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>
/// What the service knows, in a dataspace of its own that lasts as long as its task: a process that takes another's place finds it as that left it. The head, the table of services, the gates' sessions, the table of
/// containers, and for each of these its request and what is not in its log yet. Only what was touched takes memory of the host.
/// </summary>
public static unsafe class Record
{
    public const int Slot = 11, ServiceSpace = 1 << 20;
    private const int HeadSpace = 4096;

    /// <summary>At the beginning of the dataspace.</summary>
    private struct Head
    {
        public bool Begun;
        public int ServicesLength;
        public uint LastExecution;
        public GateNumbers Gates;
    }

    private static Head* s_head;
    private static byte* s_requests;

    /// <summary>Whether somebody was here before.</summary>
    public static bool Found { get; private set; }

    public static byte* Services { get; private set; }
    public static ref int ServicesLength => ref s_head->ServicesLength;
    public static ref uint LastExecution => ref s_head->LastExecution;
    public static ref GateNumbers Gates => ref s_head->Gates;
    public static GateSession* GateSessions { get; private set; }

    public static bool Initialize()
    {
        const long PerContainer = ContainerProtocol.MaxFrame + 2 * LogLines.Space;
        long tables = HeadSpace + ServiceSpace + (long)MettEagle.Gates.Max * sizeof(GateSession) + (long)Containers.Max * sizeof(Container), size = tables + Containers.Max * PerContainer;
        long made = Microkernel.Create(ObjectKind.Dataspace, BootSlot.Factory, Slot, size, 0, default);
        if (made < 0 && made != AbiError.SlotTaken) return false;
        long descriptor = Microkernel.Memory(Slot);
        if (descriptor < 0) return false;
        nint memory = Host.Call(Sys.Mmap, 0, (nint)size, 3, 1, (nint)descriptor);
        Host.Call(Sys.Close, (nint)descriptor);
        if (memory < 0) return false;
        s_head = (Head*)memory;
        Services = (byte*)memory + HeadSpace;
        GateSessions = (GateSession*)(Services + ServiceSpace);
        Containers.Table = (Container*)(GateSessions + MettEagle.Gates.Max);
        s_requests = (byte*)memory + tables;
        Found = s_head->Begun;
        s_head->Begun = true;
        return true;
    }

    /// <summary>Room for a container's request: <see cref="ContainerProtocol.MaxFrame"/> bytes.</summary>
    public static byte* Request(int index) => s_requests + (long)index * (ContainerProtocol.MaxFrame + 2 * LogLines.Space);

    /// <summary>Room for what is not in the log yet of a stream; second: of stderr.</summary>
    public static byte* Line(int index, bool second) => Request(index) + ContainerProtocol.MaxFrame + (second ? LogLines.Space : 0);
}
