using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>The child's side of a launch, in order: control group, world, loss of privilege, filter, program.</summary>
public static unsafe class ChildProcess
{
    private const nint JoinedNamespaces = 0x00020000 | 0x08000000 | 0x04000000 | 0x40000000; // mount, ipc, uts, network; the pid namespace is entered at birth

    public static void Run(ref Launcher.Child child, int report, int go)
    {
        int stage = 0;
        nint result = Steps(ref child, ref report, ref go, ref stage);
        Report(report, stage, (int)result, -1);
    }

    private static nint Report(int report, int stage, int value, int terminal)
    {
        int* record = stackalloc int[3];
        record[0] = stage;
        record[1] = value;
        record[2] = terminal;
        return Host.Call(Sys.Write, report, (nint)record, Launcher.RecordSize);
    }

    private static nint Steps(ref Launcher.Child child, ref int report, ref int go, ref int stage)
    {
        nint result;
        ulong none = 0;
        Host.Call(Sys.RtSigprocmask, 2, (nint)(&none), 0, 8);
        Host.Call(Sys.Umask, 0); // modes of devices and mount points are as given
        if (child.NativeProgram == null)
        {
            stage = (int)LaunchStage.ControlGroup;
            if (child.Orders == null && (result = EnterGroup(ref child)) < 0) return result;
            if (child.Joined < 0)
            {
                stage = (int)LaunchStage.NetworkNamespace;
                if ((result = Host.Call(Sys.Setns, child.EmptyNetwork, 0x40000000)) < 0) return result;
                bool blank = child.Orders != null;
                if ((result = World.Begin(ref child, blank ? HostFact.None : HostFacts.Named(child.Description), blank || child.Description.Number(StartTag.UserId, 65534) == 0, ref stage)) < 0) return result;
                if (blank && (result = Blanks.Wait(ref child, report, go, ref stage)) < 0) return result;
                stage = (int)LaunchStage.ControlGroup;
                if (blank && (result = EnterGroup(ref child)) < 0) return result;
            }
            stage = (int)LaunchStage.Join;
            if (child.Joined >= 0 && (result = Host.Call(Sys.Setns, child.Joined, JoinedNamespaces)) < 0) return result;
            if (child.Joined < 0 && (result = World.Build(ref child, ref stage)) < 0) return result;
        }
        stage = (int)LaunchStage.Landlock;
        if (child.NativeProgram == null && (result = Privileges.Scope(child.Description, child.Joined < 0)) < 0) return result;
        if (child.NativeProgram == null) GiveAway(ref child);
        int terminal = -1;
        if (child.NativeProgram == null && child.Description.Number(StartTag.Terminal, 0) != 0)
        {
            stage = (int)LaunchStage.Terminal;
            if ((result = Terminal.Open(ref child)) < 0) return result;
            terminal = (int)result;
        }
        stage = (int)LaunchStage.Stdio;
        if ((result = Stdio(ref child)) < 0) return result;
        if (child.NativeProgram == null && (result = Close(ref report, ref go, ref terminal)) < 0) return result;
        stage = (int)LaunchStage.Terminal;
        if (terminal >= 0 && (result = Terminal.Control()) < 0) return result;
        if (child.NativeProgram != null && (result = World.Confine(child.EmptyDirectory)) < 0) return result;
        stage = (int)LaunchStage.Privileges;
        if ((result = Privileges.Drop(child.KeepNetworkBind != 0)) < 0) return result;
        stage = (int)LaunchStage.Identity;
        if ((result = Privileges.Become(child.Description)) < 0) return result;
        stage = (int)LaunchStage.Privileges;
        if ((result = Privileges.Empty(child.KeepNetworkBind != 0)) < 0) return result;
        // PR_SET_DUMPABLE 0 until exec: among processes that run already, none may look into this one, which still is the kernel's copy.
        if (child.NativeProgram == null && (result = Host.Call(Sys.Prctl, 4, 0)) < 0) return result;
        // PR_SET_PDEATHSIG SIGKILL: nothing outlives the keeper, whose child this is. Only now, since every change of identity clears it.
        if ((result = Host.Call(Sys.Prctl, 1, 9)) < 0) return result;
        stage = (int)LaunchStage.WorkingDirectory;
        if (child.NativeProgram == null && (result = Program.ChangeDirectory(child.Description)) < 0) return result;
        stage = (int)LaunchStage.Filter;
        nint listener = Privileges.InstallFilter(child.Filter, child.FilterLength);
        if (listener < 0) return listener;
        stage = (int)LaunchStage.Handshake;
        if (Report(report, 0, (int)listener, terminal) != Launcher.RecordSize) return -Sys.Einval;
        byte ready = 0;
        if (Host.Call(Sys.Read, go, (nint)(&ready), 1) != 1) return -Sys.Einval;
        stage = (int)LaunchStage.Program;
        return Program.Execute(ref child);
    }

    private static nint EnterGroup(ref Launcher.Child child)
    {
        var group = child.Description.Bytes(StartTag.ControlGroup);
        return group.Length == 0 ? 0 : ControlGroup.Enter(group);
    }

    /// <summary>Closes everything that is the kernel's, but for the two pipes to it and a terminal's showing side: nothing of it is left in the process when its privileges are gone.</summary>
    private static nint Close(ref int report, ref int go, ref int terminal)
    {
        const int First = 3;
        nint result;
        int last = First;
        if ((result = Raise(ref report)) < 0 || (result = Raise(ref go)) < 0 || (terminal >= 0 && (result = Raise(ref terminal)) < 0)) return result;
        if ((result = Move(ref report, last++)) < 0 || (result = Move(ref go, last++)) < 0 || (terminal >= 0 && (result = Move(ref terminal, last++)) < 0)) return result;
        return Host.Call(Sys.CloseRange, last, -1, 0);
    }

    /// <summary>Above the places they move to, so that none takes another's.</summary>
    private static nint Raise(ref int descriptor)
    {
        const int DuplicateCloexec = 1030, Above = 64;
        nint copy = Host.Call(Sys.Fcntl, descriptor, DuplicateCloexec, Above);
        if (copy >= 0) descriptor = (int)copy;
        return copy;
    }

    private static nint Move(ref int descriptor, int place)
    {
        nint result = Host.Call(Sys.Dup3, descriptor, place, Sys.Cloexec);
        descriptor = place;
        return result;
    }

    /// <summary>Its stdout and stderr, where they are pipes, belong to who writes them: opened anew through /proc, they would be refused otherwise.</summary>
    private static void GiveAway(ref Launcher.Child child)
    {
        nint user = (nint)child.Description.Number(StartTag.UserId, 65534);
        if (user == 0) return;
        if (IsPipe(child.Output)) Host.Call(Sys.Fchown, child.Output, user, -1);
        if (IsPipe(child.Error)) Host.Call(Sys.Fchown, child.Error, user, -1);
    }

    private static bool IsPipe(nint descriptor)
    {
        const int StatSize = 144, Mode = 24, Type = 0xF000, Fifo = 0x1000;
        byte* stat = stackalloc byte[StatSize];
        return Host.Call(Sys.Fstat, descriptor, (nint)stat) >= 0 && (*(uint*)(stat + Mode) & Type) == Fifo;
    }

    /// <summary>Descriptors 0 to 2 (a native task: 3 message buffer, 4 listening socket); everything else closes at exec.</summary>
    private static nint Stdio(ref Launcher.Child child)
    {
        nint result;
        fixed (byte* devNull = "/dev/null"u8)
        {
            nint input = child.NativeProgram == null && child.Input >= 0 ? child.Input : Host.Call(Sys.Openat, -100, (nint)devNull, 0);
            if (input < 0) return input;
            int highest = 64;
            // Copies above the range first, so that no source is overwritten before it was used.
            nint output = Host.Call(Sys.Fcntl, child.Output, 0, highest), error = Host.Call(Sys.Fcntl, child.Error, 0, highest);
            nint buffer = child.MessageBuffer > 0 ? Host.Call(Sys.Fcntl, child.MessageBuffer, 0, highest) : 0;
            nint socket = child.Listening > 0 ? Host.Call(Sys.Fcntl, child.Listening, 0, highest) : 0;
            nint standardInput = Host.Call(Sys.Fcntl, input, 0, highest);
            if (output < 0) return output;
            if (error < 0) return error;
            if ((result = Host.Call(Sys.Dup2, standardInput, 0)) < 0) return result;
            if ((result = Host.Call(Sys.Dup2, output, 1)) < 0) return result;
            if ((result = Host.Call(Sys.Dup2, error, 2)) < 0) return result;
            int kept = 3;
            if (buffer > 0) { result = Host.Call(Sys.Dup3, buffer, kept++, 0); if (result < 0) return result; }
            if (socket > 0) { result = Host.Call(Sys.Dup3, socket, kept++, 0); if (result < 0) return result; }
            return Host.Call(Sys.CloseRange, kept, -1, 4); // CLOSE_RANGE_CLOEXEC
        }
    }
}
