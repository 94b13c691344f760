using System;
using System.Runtime;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>MettEagle, the container service: a task of the microkernel like any other, which holds the node's root factory.</summary>
public static unsafe class Program
{
    private static byte* s_prefix;
    private static int s_prefixLength;

    /// <summary>Control group of the node, under which every container has one of its own.</summary>
    public static ReadOnlySpan<byte> GroupPrefix => new(s_prefix, s_prefixLength);

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        s_prefix = (byte*)stack[2];
        while (s_prefix[s_prefixLength] != 0) s_prefixLength++;
        if (!Microkernel.Attach() || !Record.Initialize() || !Clients.Initialize() || !Executions.Initialize() || !Attachments.Initialize() || !Gates.Initialize() || !Loop.Initialize()) return 1;
        if (!Notification(Lifecycle.ExitSlot, Loop.Exit) || !Notification(9, Loop.Denial)) return 2;
        if (Microkernel.Map(9, BootSlot.NetworkTask, NetworkControl.DenialSlot, Rights.Write) is < 0 and not AbiError.SlotTaken) return 3;
        if (Record.Found) Recovery.Run();
        NetworkSessions.TellAll();
        Recovery.Hear();
        Loop.Watch(BootSlot.ListeningDescriptor, Loop.Accept, 0);
        if (!Record.Found) Announce();
        Loop.Run();
        return 0;
    }

    /// <summary>To whoever started the kernel, once: who waited for the word has closed the pipe.</summary>
    private static void Announce()
    {
        ReadOnlySpan<byte> ready = "ready\n"u8;
        fixed (byte* text = ready) Host.Call(Sys.Write, 1, (nint)text, ready.Length);
    }

    private static bool Notification(int slot, ulong kind)
    {
        if (Microkernel.Create(ObjectKind.Notification, BootSlot.Factory, slot, 0, 0, default) is < 0 and not AbiError.SlotTaken) return false;
        long descriptor = Microkernel.Notification(slot, NotificationOperation.Descriptor);
        if (descriptor < 0) return false;
        Loop.Watch((int)descriptor, kind, (int)descriptor);
        return true;
    }
}
