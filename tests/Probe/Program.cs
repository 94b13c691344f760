using System;
using System.Runtime;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Kernel = Eyrie.Microkernel.Servers.Microkernel;

namespace Eyrie.Probe;

/// <summary>
/// Stands in for a server and says what that server could do: a line for each capability it finds, one for each system call that its filter does not refuse, and what came of trying to open files.
/// </summary>
internal static unsafe class Program
{
    private const int Calls = 512, ExitNumber = 60, SignalReturn = 15, ExitGroup = 231, ReturnProbe = 335, EntryProbe = 336;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        if (!Kernel.Attach()) return 1;
        Capabilities();
        Filter();
        Files();
        Say("end"u8, 0, default, 0);
        ReadOnlySpan<byte> ready = "ready\n"u8;
        fixed (byte* text = ready) Host.Call(Sys.Write, 1, (nint)text, ready.Length);
        while (true) Kernel.Ipc(IpcOperation.Wait, 0);
    }

    private static void Capabilities()
    {
        long count = Kernel.Inspect(-1);
        byte* at = Kernel.Payload;
        for (long i = 0; i < count; i++)
        {
            Say("capability"u8, *(int*)(at + InspectLayout.Slot), default, at[InspectLayout.Kind] * 100 + at[InspectLayout.Rights]);
            at += InspectLayout.Header + *(ushort*)(at + InspectLayout.NameLength);
        }
    }

    /// <summary>Every number but those that would end the probe, with arguments that no call can do anything with.</summary>
    private static void Filter()
    {
        for (int number = 0; number < Calls; number++)
        {
            if (number is ExitNumber or SignalReturn or ExitGroup or ReturnProbe or EntryProbe) continue; // uretprobe and uprobe are the host's own trampolines: from elsewhere they kill the caller
            nint result = Host.Call(number, -1, -1, -1, -1, -1, -1);
            if (result != -Sys.Eperm) Say("call"u8, number, default, 0);
        }
    }

    private static void Files()
    {
        Try("/"u8); Try("."u8); Try(".."u8); Try("/etc/passwd"u8); Try("../../etc/passwd"u8); Try("/proc/self/exe"u8); Try("/proc/1/root"u8); Try("/dev/null"u8);
    }

    private static void Try(ReadOnlySpan<byte> name)
    {
        byte* path = stackalloc byte[64];
        name.CopyTo(new Span<byte>(path, 64));
        path[name.Length] = 0;
        ulong* how = stackalloc ulong[3];
        how[0] = how[1] = how[2] = 0;
        Say("file"u8, Host.Call(Sys.Open, (nint)path, 0), name, 0);
        Say("file"u8, Host.Call(Sys.Openat, -100, (nint)path, 0), name, 0);
        Say("file"u8, Host.Call(Sys.Openat2, -100, (nint)path, (nint)how, 24), name, 0);
        Say("file"u8, Host.Call(Sys.Openat, -100, (nint)path, Sys.Create | Sys.ReadWrite, 0x1FF), name, 0);
        for (int slot = 0; slot < BootSlot.FirstFree; slot++)
            if (Kernel.Open(slot, name, 0) is var opened and >= 0) Say("file"u8, opened, name, slot);
        byte** vector = stackalloc byte*[2];
        vector[0] = path;
        vector[1] = null;
        Say("file"u8, Host.Call(Sys.Execveat, -100, (nint)path, (nint)vector, (nint)(vector + 1), 0), name, 0);
    }

    private static void Say(ReadOnlySpan<byte> what, long number, ReadOnlySpan<byte> name, long second)
    {
        byte* line = stackalloc byte[160];
        var text = new TextWriter(new Span<byte>(line, 160));
        text.Add("probe: "u8); text.Add(what); text.Add((byte)' '); text.Add(number); text.Add((byte)' '); text.Add(second); text.Add((byte)' '); text.Add(name); text.Add((byte)'\n');
        Host.Call(Sys.Write, 2, (nint)line, text.Length);
    }
}
