using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>MettEagle's side of the network server: calls through its control gate, and everything told once more to one that takes another's place.</summary>
public static unsafe class NetworkSessions
{
    private const int Attempts = 8;

    /// <summary>Words and payload are set. A server that ends meanwhile is asked again: the message is still there.</summary>
    public static long Call()
    {
        long result = AbiError.Cancelled;
        for (int i = 0; i < Attempts && result == AbiError.Cancelled; i++) result = Microkernel.Ipc(IpcOperation.Call, BootSlot.NetworkControl);
        return result;
    }

    /// <summary>Keeps a part of the table of services, which stands in the payload. False: it is too large.</summary>
    public static bool Keep(bool first)
    {
        if (first) Record.ServicesLength = 0;
        var part = Microkernel.PayloadBytes;
        if (part.Length > Record.ServiceSpace - Record.ServicesLength) return false;
        part.CopyTo(new Span<byte>(Record.Services + Record.ServicesLength, Record.ServiceSpace - Record.ServicesLength));
        Record.ServicesLength += part.Length;
        return true;
    }

    /// <summary>Tells a server that knows nothing everything; then calls that were held back go to it. One that ends on the way has a successor, which asks anew.</summary>
    public static void TellAll()
    {
        if (!TellServices()) return;
        for (int i = 1; i <= Containers.Highest; i++)
            if (Containers.Table[i].Used && CapabilitySet.Session(i, false) == ContainerErrorCode.HostFailure) return;
        Microkernel.PayloadLength = 0;
        Microkernel.Words(NetworkControl.Known);
        if (Microkernel.Ipc(IpcOperation.Call, BootSlot.NetworkControl) >= 0) Microkernel.Control(BootSlot.NetworkTask, TaskOperation.Ready);
    }

    private static bool TellServices()
    {
        const int Part = 32768;
        for (int at = 0; at == 0 || at < Record.ServicesLength; at += Part)
        {
            int size = Record.ServicesLength - at < Part ? Record.ServicesLength - at : Part;
            Microkernel.SetPayload(new ReadOnlySpan<byte>(Record.Services + at, size));
            Microkernel.Words(NetworkControl.SetServices, at == 0 ? 1 : 0, at + size == Record.ServicesLength ? 1 : 0);
            if (Microkernel.Ipc(IpcOperation.Call, BootSlot.NetworkControl) < 0) return false;
        }
        return true;
    }
}
