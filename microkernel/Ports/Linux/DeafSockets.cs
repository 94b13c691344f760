using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Takes the use out of a container's datagram sockets, which the host cannot destroy: such a socket gets a filter that takes nothing and cannot be taken off, is disconnected and shut down. They are looked
/// for in the descriptor tables of every process of the container.
/// </summary>
public static unsafe class DeafSockets
{
    private const int ProcessesAtOnce = 256;
    private const int SolSocket = 1, SoMark = 36, AttachFilter = 26, LockFilter = 44;

    /// <param name="container">Its task.</param>
    /// <param name="mark">Which sockets.</param>
    /// <param name="deaf">Their mark from now on.</param>
    public static void Make(int container, uint mark, uint deaf)
    {
        ref var port = ref Node.Tasks[container];
        nint list;
        fixed (byte* g = port.Group) list = ControlGroup.OpenProcesses(new ReadOnlySpan<byte>(g, port.GroupLength));
        if (list < 0) { OfWorld(ContainerProcesses.WorldOf(port.ProcessId), mark, deaf); return; }
        byte* text = stackalloc byte[ProcessesAtOnce];
        long process = 0;
        for (nint read; (read = Host.Call(Sys.Read, list, (nint)text, ProcessesAtOnce)) > 0;)
            for (int i = 0; i < read; i++)
            {
                if (text[i] != '\n') { process = process * 10 + text[i] - '0'; continue; }
                OfProcess(process, mark, deaf);
                process = 0;
            }
        Host.Call(Sys.Close, list);
    }

    private static void OfWorld(ulong container, uint mark, uint deaf)
    {
        var processes = new ContainerProcesses();
        processes.Begin();
        while (processes.Next(out long process, out ulong world))
            if (world == container) OfProcess(process, mark, deaf);
    }

    private static void OfProcess(long number, uint mark, uint deaf)
    {
        const int Space = 2048, NumberOffset = 19; // struct linux_dirent64: inode, offset, length, type, name
        byte* path = stackalloc byte[48];
        var name = new TextWriter(new Span<byte>(path, 47));
        name.Add("/proc/"u8); name.Add(number); name.Add("/fd"u8);
        path[name.Length] = 0;
        nint directory = Host.Call(Sys.Openat, -100, (nint)path, Sys.Directory | Sys.Cloexec), process = Host.Call(Sys.PidfdOpen, (nint)number, 0);
        byte* entries = stackalloc byte[Space];
        if (directory >= 0 && process >= 0)
            for (nint read; (read = Host.Call(Sys.Getdents64, directory, (nint)entries, Space)) > 0;)
                for (byte* at = entries; at < entries + read; at += *(ushort*)(at + 16))
                {
                    int length = 0;
                    while (at[NumberOffset + length] != 0) length++;
                    long descriptor = FieldReader.Number(new ReadOnlySpan<byte>(at + NumberOffset, length));
                    if (descriptor < 0) continue; // . and ..
                    nint socket = Host.Call(Sys.PidfdGetfd, process, (nint)descriptor, 0);
                    if (socket < 0) continue;
                    if (Marked(socket, mark)) Deafen(socket, deaf);
                    Host.Call(Sys.Close, socket);
                }
        if (directory >= 0) Host.Call(Sys.Close, directory);
        if (process >= 0) Host.Call(Sys.Close, process);
    }

    private static bool Marked(nint socket, uint mark)
    {
        uint value = 0, size = 4;
        return Messages.IsDatagram((int)socket) && Host.Call(Sys.Getsockopt, socket, SolSocket, SoMark, (nint)(&value), (nint)(&size)) >= 0 && value == mark;
    }

    private static void Deafen(nint socket, uint deaf)
    {
        ulong nothing = 0x06; // BPF_RET, 0
        ulong* filter = stackalloc ulong[2];
        filter[0] = 1;
        filter[1] = (ulong)(&nothing);
        int one = 1;
        if (Host.Call(Sys.Setsockopt, socket, SolSocket, AttachFilter, (nint)filter, 16) < 0 || Host.Call(Sys.Setsockopt, socket, SolSocket, LockFilter, (nint)(&one), 4) < 0) return;
        ulong* nobody = stackalloc ulong[2];
        nobody[0] = nobody[1] = 0; // AF_UNSPEC
        Host.Call(Sys.Connect, socket, (nint)nobody, 16);
        Host.Call(Sys.Shutdown, socket, 2);
        Host.Call(Sys.Setsockopt, socket, SolSocket, SoMark, (nint)(&deaf), 4);
    }
}
