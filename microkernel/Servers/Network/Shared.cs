using System.Threading;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>The memory behind the message buffer, which the kernel reads and counts in: see <see cref="StandingAnswer"/>.</summary>
public static unsafe class Shared
{
    private static byte* s_memory;

    public static bool Attach()
    {
        nint memory = Host.Call(Sys.Mmap, 0, StandingAnswer.Size, 3, 1, MessageLayout.BufferDescriptor, MessageLayout.Size);
        s_memory = (byte*)memory;
        if (memory > 0) Learned();
        return memory > 0;
    }

    /// <summary>Number of what this server knows; never 0.</summary>
    public static uint Number => *(uint*)(s_memory + StandingAnswer.Number);

    /// <summary>It knows something new: no answer stands any more.</summary>
    public static void Learned()
    {
        uint next = Number + 1;
        Volatile.Write(ref *(int*)(s_memory + StandingAnswer.Number), (int)(next == 0 ? 1 : next));
    }

    /// <summary>Connections that the kernel has made by answers that stood.</summary>
    public static ref int Made(long label, long slot) => ref *((int*)(s_memory + StandingAnswer.Made) + label * StandingAnswer.Slots + slot);
}
