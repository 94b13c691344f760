using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Where a launch failed; the number a child reports with its errno.</summary>
public enum LaunchStage
{
    None, Fork, ControlGroup, NetworkNamespace, Private, Layers, Overlay, Proc, Devices, Mount, ReadOnly, Pivot, Hostname, Privileges, Identity, Landlock,
    Stdio, WorkingDirectory, Filter, Program, Handshake, Join,
}

/// <summary>A process that runs: its id and pidfd, and the seccomp listener of its filter.</summary>
public struct Launched
{
    public int ProcessId, PidDescriptor, Listener;
    public LaunchStage Stage;
    /// <summary>Negative errno of the stage that failed, or 0.</summary>
    public int Result;
}

/// <summary>
/// Starts a process in a sandbox: the child builds its own world, takes everything away from itself, installs its filter and
/// executes the program. The parent gets the listener, and the stage and errno when a step failed. Nothing stays behind after a failure.
/// </summary>
public static unsafe class Launcher
{
    private const nint NewNamespaces = 0x00020000 | 0x20000000 | 0x08000000 | 0x04000000; // mount, pid, ipc, uts
    private const nint NewProcesses = 0x20000000;
    private const nint PidFd = 0x1000, SigChild = 17;

    /// <summary>What a child does between fork and exec; returns only on failure, with the stage.</summary>
    public struct Child
    {
        public StartDescription Description;
        public int Root, EmptyNetwork, Input, Output, Error;
        /// <summary>pidfd of the container whose world is entered, or -1; and the kernel's own pid namespace.</summary>
        public int Joined, OwnProcesses;
        public ulong* Filter;
        public int FilterLength;
        /// <summary>A native task: no namespaces, no root; program at this path, message buffer at descriptor 3.</summary>
        public byte* NativeProgram;
        public int MessageBuffer, Listening, KeepNetworkBind, NativeDescriptor, EmptyDirectory;
        public byte* NativeArgument;
        /// <summary>Absolute path of the node root.</summary>
        public byte* RootPath;
    }

    public static Launched Start(ref Child child)
    {
        var launched = new Launched();
        int* pipes = stackalloc int[4];
        if (Host.Call(Sys.Pipe2, (nint)pipes, Sys.Cloexec) < 0 || Host.Call(Sys.Pipe2, (nint)(pipes + 2), Sys.Cloexec) < 0)
            return Failed(ref launched, LaunchStage.Handshake, -Sys.Enomem);
        int pidfd = -1;
        bool joins = child.NativeProgram == null && child.Joined >= 0;
        nint flags = SigChild | PidFd | (child.NativeProgram == null && !joins ? NewNamespaces : 0);
        // A pid namespace is entered by being born in it: the kernel's next child is, and only that one.
        if (joins && Host.Call(Sys.Setns, child.Joined, NewProcesses) < 0) return Closed(ref launched, pipes, LaunchStage.Join, -Sys.Einval);
        nint pid = Host.Call(Sys.Clone, flags, 0, (nint)(&pidfd));
        if (joins && pid != 0) Host.Call(Sys.Setns, child.OwnProcesses, NewProcesses);
        if (pid == 0)
        {
            Host.Call(Sys.Close, pipes[0]);
            Host.Call(Sys.Close, pipes[3]);
            ChildProcess.Run(ref child, pipes[1], pipes[2]);
            Host.Call(Sys.ExitGroup, 127);
        }
        Host.Call(Sys.Close, pipes[1]);
        Host.Call(Sys.Close, pipes[2]);
        if (pid < 0) Failed(ref launched, LaunchStage.Fork, (int)pid);
        else
        {
            launched.ProcessId = (int)pid;
            launched.PidDescriptor = pidfd;
            Await(ref launched, pipes[0], pipes[3]);
        }
        Host.Call(Sys.Close, pipes[0]);
        Host.Call(Sys.Close, pipes[3]);
        return launched;
    }

    /// <summary>
    /// The child says the number of its listener, waits until it was fetched, and executes; the pipe closes at exec. A second record
    /// is a failure.
    /// </summary>
    private static void Await(ref Launched launched, int from, int to)
    {
        int* record = stackalloc int[2];
        nint read = ReadAll(from, (byte*)record, 8);
        if (read == 8 && record[0] == 0)
        {
            launched.Listener = (int)Host.Call(Sys.PidfdGetfd, launched.PidDescriptor, record[1], 0);
            byte go = 1;
            Host.Call(Sys.Write, to, (nint)(&go), 1);
            read = ReadAll(from, (byte*)record, 8);
            if (read == 0 && launched.Listener >= 0) return; // exec succeeded
            if (read == 0) { record[0] = (int)LaunchStage.Filter; record[1] = launched.Listener; read = 8; }
        }
        if (read != 8) { record[0] = (int)LaunchStage.Handshake; record[1] = -Sys.Einval; }
        Host.Call(Sys.Kill, launched.ProcessId, 9);
        Host.Call(Sys.Wait4, launched.ProcessId, 0, 0, 0);
        Host.Call(Sys.Close, launched.PidDescriptor);
        if (launched.Listener > 0) Host.Call(Sys.Close, launched.Listener);
        Failed(ref launched, (LaunchStage)record[0], record[1]);
    }

    private static Launched Closed(ref Launched launched, int* pipes, LaunchStage stage, int result)
    {
        for (int i = 0; i < 4; i++) Host.Call(Sys.Close, pipes[i]);
        return Failed(ref launched, stage, result);
    }

    private static nint ReadAll(int fd, byte* buffer, nint count)
    {
        nint done = 0;
        while (done < count)
        {
            nint read = Host.Call(Sys.Read, fd, (nint)(buffer + done), count - done);
            if (read == -Sys.Eintr) continue;
            if (read <= 0) break;
            done += read;
        }
        return done;
    }

    private static Launched Failed(ref Launched launched, LaunchStage stage, int result)
    {
        launched.Stage = stage;
        launched.Result = result;
        return launched;
    }
}
