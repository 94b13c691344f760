using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Where a launch failed; the number a child reports with its errno.</summary>
public enum LaunchStage
{
    None, Fork, ControlGroup, NetworkNamespace, Private, Layers, Overlay, Proc, Devices, Mount, ReadOnly, Pivot, Hostname, Privileges, Identity, Landlock,
    Stdio, WorkingDirectory, Filter, Program, Handshake, Join, Terminal,
    /// <summary>Of no step: the host killed the child because the container's memory quota was used up.</summary>
    Memory,
}

/// <summary>A launch under way, or what came of it: process, seccomp listener, the pipes to the child.</summary>
public unsafe struct Launch
{
    public int ProcessId, PidDescriptor, Listener, From, To;
    /// <summary>Its place among the <see cref="Children"/>.</summary>
    public int Child;
    /// <summary>The showing side of its terminal, or -1.</summary>
    public int Terminal;
    /// <summary>Of a launch that waits before it executes: memory shared with the child, for what is to be executed (<see cref="Late"/>); otherwise null.</summary>
    public byte* Late;
    /// <summary>Of one that began before anybody asked for it: memory shared with the child, for what it is to become (<see cref="Blanks"/>); otherwise null.</summary>
    public byte* Orders;
    /// <summary>Of one that began before anybody asked for it: copies of what it is to have as standard descriptors, kept until it has them for good; 0 or less: none.</summary>
    public int Input, Output, Error;
    /// <summary>The child was told to execute.</summary>
    public bool Released;
    public LaunchStage Stage;
    /// <summary>Negative errno of the stage that failed, or 0.</summary>
    public int Result;
}

public enum LaunchProgress { Waiting, Prepared, Running, Failed }

/// <summary>
/// Starts a process in a sandbox: the child builds its own world, takes everything away from itself, installs its filter and
/// executes the program. The parent gets the listener, and the stage and errno when a step failed. Nothing stays behind after a failure.
/// </summary>
public static unsafe class Launcher
{
    private const nint NewNamespaces = 0x20000000 | 0x04000000; // pid, uts; the mount namespace is a copy of the template, made by the child
    private const nint NewProcesses = 0x20000000, NewMessages = 0x08000000; // pid, ipc
    private const nint PidFd = 0x1000, NumberIn = 0x100000, OfKeeper = 0x8000; // CLONE_PIDFD, CLONE_PARENT_SETTID, CLONE_PARENT

    /// <summary>Bytes of a child's report: stage (0: none failed), errno or number of the listener, number of the terminal or -1.</summary>
    public const int RecordSize = 12;

    /// <summary>What a child does between fork and exec; returns only on failure, with the stage.</summary>
    public struct Child
    {
        public StartDescription Description;
        /// <summary>The task it is made for.</summary>
        public int Task;
        public int Root, EmptyNetwork, Input, Output, Error;
        /// <summary>pidfd of the container whose world is entered, or -1; and the kernel's own pid namespace.</summary>
        public int Joined, OwnProcesses;
        /// <summary>Has an IPC namespace of its own. One without any call that reaches such a namespace is in the kernel's, where nothing is.</summary>
        public bool OwnMessages;
        /// <summary>Directory of the control group that it is born in, or 0.</summary>
        public int Birthplace;
        /// <summary>Waits before it executes, for what stands here then; null: it does not.</summary>
        public byte* Late;
        /// <summary>Begins before anybody has asked for it, and learns here what it is to become; null: it is known.</summary>
        public byte* Orders;
        /// <summary>Directory of the container's file system in memory.</summary>
        public int Memory;
        public ulong* Filter;
        public int FilterLength;
        /// <summary>A native task: no namespaces, no root; program at this path, message buffer at descriptor 3.</summary>
        public byte* NativeProgram;
        public int MessageBuffer, Listening, KeepNetworkBind, NativeDescriptor, EmptyDirectory;
        public byte* NativeArgument;

        /// <summary>Copies of descriptors that the process behind a pidfd has; -1: nothing. Without stdout or stderr, and without a terminal, a launch fails at stdio.</summary>
        public void TakeStandard(int holder, long input, long output, long error)
        {
            Input = Taken(holder, input);
            Output = Taken(holder, output);
            Error = Taken(holder, error);
        }

        private static int Taken(int holder, long number) => number < 0 ? -1 : (int)Host.Call(Sys.PidfdGetfd, holder, (nint)number, 0);
    }

    /// <summary>Makes the child. Negative errno, and then nothing is left of it; otherwise <see cref="Step"/> goes on whenever <see cref="Launch.From"/> can be read.</summary>
    public static int Begin(ref Child child, ref Launch launch)
    {
        launch = default;
        launch.Listener = launch.Terminal = -1;
        launch.Late = child.Late;
        launch.Orders = child.Orders;
        int* pipes = stackalloc int[4];
        launch.Stage = LaunchStage.Handshake;
        if (Host.Call(Sys.Pipe2, (nint)pipes, Sys.Cloexec | Sys.NonBlock) < 0) return -Sys.Enomem;
        if (Host.Call(Sys.Pipe2, (nint)(pipes + 2), Sys.Cloexec) < 0) { Close(pipes, 2); return -Sys.Enomem; }
        int pidfd = -1;
        bool joins = child.NativeProgram == null && child.Joined >= 0;
        nint flags = PidFd | NumberIn | OfKeeper | (child.NativeProgram == null && !joins ? NewNamespaces | (child.OwnMessages ? NewMessages : 0) : 0);
        launch.Stage = LaunchStage.Join;
        // A pid namespace is entered by being born in it: the kernel's next child is, and only that one.
        if (joins && Host.Call(Sys.Setns, child.Joined, NewProcesses) < 0) { Close(pipes, 4); return -Sys.Einval; }
        launch.Stage = LaunchStage.Fork;
        launch.Child = Children.Take(child.Task);
        nint pid = launch.Child < 0 ? -Sys.Eagain : Born(flags, child.Birthplace, &pidfd, Children.Number(launch.Child));
        if (joins && pid != 0) Host.Call(Sys.Setns, child.OwnProcesses, NewProcesses);
        if (pid == 0)
        {
            Host.Call(Sys.Close, pipes[0]);
            Host.Call(Sys.Close, pipes[3]);
            ChildProcess.Run(ref child, pipes[1], pipes[2]);
            Host.Call(Sys.ExitGroup, 127);
        }
        if (pid < 0)
        {
            if (launch.Child >= 0) Children.GiveBack(launch.Child);
            Close(pipes, 4);
            return (int)pid;
        }
        Close(pipes + 1, 2);
        launch.ProcessId = (int)pid;
        launch.PidDescriptor = pidfd;
        launch.From = pipes[0];
        launch.To = pipes[3];
        return 0;
    }

    /// <summary>A copy of this process, as fork, and a child of the keeper; where a control group is named, in it from its first instruction on.</summary>
    public static nint Born(nint flags, int group, int* pidfd, int* number)
    {
        const ulong IntoGroup = 0x2_0000_0000;
        const int Size = 88, Flags = 0, PidDescriptor = 1, Number = 3, Group = 10;
        ulong* arguments = stackalloc ulong[Size / 8]; // struct clone_args
        for (int i = 0; i < Size / 8; i++) arguments[i] = 0;
        arguments[Flags] = (ulong)flags | (group == 0 ? 0 : IntoGroup);
        arguments[PidDescriptor] = (ulong)pidfd;
        arguments[Number] = (ulong)number;
        arguments[Group] = (ulong)group;
        return Host.Call(Sys.Clone3, (nint)arguments, Size);
    }

    /// <summary>
    /// Reads one record of the child: first the number of its listener, which is fetched, and the child told to go on; then the end of the pipe, which closes at exec, or a failure. After a
    /// failure nothing is left of the child.
    /// </summary>
    public static LaunchProgress Step(ref Launch launch)
    {
        int* record = stackalloc int[3];
        nint read = Host.Call(Sys.Read, launch.From, (nint)record, RecordSize); // pipes carry so few bytes in one piece
        if (read == -Sys.Eintr || read == -Sys.Eagain) return LaunchProgress.Waiting;
        if (read == RecordSize && record[0] == 0 && launch.Listener < 0)
        {
            launch.Listener = (int)Host.Call(Sys.PidfdGetfd, launch.PidDescriptor, record[1], 0);
            bool taken = launch.Listener >= 0 && (record[2] < 0 || (launch.Terminal = (int)Host.Call(Sys.PidfdGetfd, launch.PidDescriptor, record[2], 0)) >= 0);
            if (taken && launch.Late != null) return LaunchProgress.Prepared;
            if (taken && Go(ref launch)) return LaunchProgress.Waiting;
            record[0] = (int)LaunchStage.Filter;
            record[1] = taken ? -Sys.Einval : launch.Listener < 0 ? launch.Listener : launch.Terminal;
        }
        else if (read == 0 && launch.Released) return LaunchProgress.Running;
        else if (read != RecordSize || record[0] == 0)
        {
            record[0] = (int)LaunchStage.Handshake;
            record[1] = -Sys.Einval;
        }
        launch.Stage = (LaunchStage)record[0];
        launch.Result = record[1];
        Abandon(ref launch);
        return LaunchProgress.Failed;
    }

    /// <summary>Tells the child to execute.</summary>
    public static bool Go(ref Launch launch)
    {
        byte go = 1;
        launch.Released = true;
        return Host.Call(Sys.Write, launch.To, (nint)(&go), 1) == 1;
    }

    /// <summary>Ends the child and closes what leads to it but for the pipes.</summary>
    public static void Abandon(ref Launch launch)
    {
        Children.Kill(launch.Child);
        Children.GiveBack(launch.Child);
        Node.Close(ref launch.PidDescriptor);
        Node.Close(ref launch.Listener);
        CloseTerminal(ref launch);
    }

    /// <summary>Whoever took a descriptor of it keeps it.</summary>
    public static void CloseTerminal(ref Launch launch)
    {
        Node.Close(ref launch.Terminal);
    }

    /// <summary>Once the launch is over, however it went; the caller watches <see cref="Launch.From"/> no more.</summary>
    public static void ClosePipes(ref Launch launch)
    {
        Node.Close(ref launch.From);
        Node.Close(ref launch.To);
        Node.Close(ref launch.Input);
        Node.Close(ref launch.Output);
        Node.Close(ref launch.Error);
        Late.Free(launch.Late);
        Blanks.Free(launch.Orders);
        launch.Late = launch.Orders = null;
    }

    private static void Close(int* descriptors, int count)
    {
        for (int i = 0; i < count; i++) Host.Call(Sys.Close, descriptors[i]);
    }
}
