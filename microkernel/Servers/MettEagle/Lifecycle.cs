using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>Create, start, signal, delete. A refusal is a <see cref="ContainerErrorCode"/> and leaves nothing half made.</summary>
public static unsafe class Lifecycle
{
    public const int ExitSlot = 8;
    private const int Kill = 9;

    /// <summary>Of the start answered last: the launch stage, the host's errno and the container's memory quota, for the message of a failure.</summary>
    public static long FailedStage, FailedErrno, FailedQuota;

    public static int Create(ReadOnlySpan<byte> request, int client, uint requestNumber)
    {
        var id = FieldScanner.Find(request, ContainerProtocol.Id);
        if (id.Length is 0 or > Container.MaxId) return ContainerErrorCode.InvalidRequest;
        if (Containers.Find(id) != 0) return ContainerErrorCode.AlreadyExists;
        int index = Containers.Free();
        if (index == 0) return ContainerErrorCode.QuotaExhausted;
        ref var container = ref Containers.Table[index];
        container = default;
        container.LogFile = container.Output.Descriptor = container.Error.Descriptor = container.Output.WriteEnd = container.Error.WriteEnd = container.Input = container.InputEnd = -1;
        container.Output.Line = Record.Line(index, false);
        container.Error.Line = Record.Line(index, true);
        fixed (byte* target = container.IdBytes) id.CopyTo(new Span<byte>(target, Container.MaxId));
        container.IdLength = id.Length;
        container.Request = Record.Request(index);
        request.CopyTo(new Span<byte>(container.Request, ContainerProtocol.MaxFrame));
        container.RequestLength = request.Length;
        container.Used = true;
        if (index > Containers.Highest) Containers.Highest = index;
        int error = CapabilitySet.Make(index);
        if (error == ContainerErrorCode.None) error = Prepare(index);
        container.Made = error == ContainerErrorCode.None;
        if (error == ContainerErrorCode.None && Flag(index, ContainerProtocol.Prepared)) error = Launch(index, client, requestNumber, ContainerProtocol.Create, default);
        if (error is not (ContainerErrorCode.None or Requests.Later)) Delete(index);
        return error;
    }

    /// <summary>The container's log file, and its own directory with the overlay's two inside.</summary>
    private static int Prepare(int index)
    {
        ref var container = ref Containers.Table[index];
        int error = ReopenLog(index);
        if (error != ContainerErrorCode.None) return error;
        container.Terminal = Flag(index, StartTag.Terminal);
        return Pipes(index);
    }

    /// <summary>What the container's program is to write into and read from.</summary>
    private static int Pipes(int index)
    {
        ref var container = ref Containers.Table[index];
        if (container.Terminal) return ContainerErrorCode.None;
        if (Flag(index, ContainerProtocol.OpenInput) && !OpenInput(ref container)) return ContainerErrorCode.HostFailure;
        return LogPump.Pipe(ref container.Output) && LogPump.Pipe(ref container.Error) ? ContainerErrorCode.None : ContainerErrorCode.HostFailure;
    }

    /// <summary>Goes on in the file of the log's name, which may be a new one: the old one may have another name by now. When it cannot be opened nothing has changed.</summary>
    public static int ReopenLog(int index)
    {
        ref var container = ref Containers.Table[index];
        var log = FieldScanner.Find(Containers.Request(index), ContainerProtocol.LogPath);
        long file = Microkernel.Open(BootSlot.NodeRoot, log, Sys.WriteOnly | Sys.Create | Sys.Append);
        if (file < 0) return Microkernel.Word(0) == -18 ? ContainerErrorCode.PathEscapes : ContainerErrorCode.HostFailure;
        if (container.LogFile >= 0) Host.Call(Sys.Close, container.LogFile);
        container.LogFile = (int)file;
        return ContainerErrorCode.None;
    }

    private static bool Flag(int index, int tag) => FieldScanner.Find(Containers.Request(index), tag) is { Length: 1 } value && value[0] != 0;

    private static bool OpenInput(ref Container container)
    {
        int* ends = stackalloc int[2];
        if (Host.Call(Sys.Pipe2, (nint)ends, Sys.Cloexec) < 0) return false;
        container.InputEnd = ends[0];
        container.Input = ends[1];
        return true;
    }

    /// <summary>End of file for the container, once those who are attached have closed theirs. A terminal has no such end.</summary>
    public static int CloseInput(int index)
    {
        ref var container = ref Containers.Table[index];
        if (container.Terminal || container.Input < 0) return ContainerErrorCode.WrongState;
        Host.Call(Sys.Close, container.Input);
        container.Input = -1;
        Microkernel.Control(Containers.Slot(index, Container.TaskSlot), TaskOperation.LetGo, Container.KeptInput); // not there before the start
        return ContainerErrorCode.None;
    }

    /// <summary>Begins a start; <see cref="Changed"/> answers when the program runs or could not be started.</summary>
    public static int Start(int index, int client, uint requestNumber, ReadOnlySpan<byte> body)
    {
        var state = Containers.Table[index].State;
        if (state is not (TaskState.Created or TaskState.Prepared)) return ContainerErrorCode.WrongState;
        bool says = FieldScanner.Find(body, StartTag.Argument).Length > 0 || FieldScanner.Find(body, StartTag.Environment).Length > 0;
        if (says && state != TaskState.Prepared) return ContainerErrorCode.InvalidRequest;
        return Launch(index, client, requestNumber, ContainerProtocol.Start, body);
    }

    /// <summary>The kernel begins to build, or, of what it has prepared, to execute what the request says.</summary>
    private static int Launch(int index, int client, uint requestNumber, int type, ReadOnlySpan<byte> body)
    {
        ref var container = ref Containers.Table[index];
        var writer = new FieldWriter(Microkernel.Payload, MessageLayout.MaxPayload);
        var scanner = new FieldScanner(body);
        while (scanner.Next(out int tag, out var value))
            if (tag is StartTag.Argument or StartTag.Environment) writer.Add(tag, value);
        if (container.State != TaskState.Prepared)
        {
            // Of a start that was under way when the service was started anew, the program's ends are gone.
            if (!container.Terminal && container.Output.WriteEnd < 0)
            {
                LogPump.CloseStreams(ref container);
                int error = Pipes(index);
                if (error != ContainerErrorCode.None) return error;
            }
            DescribeLaunch(index, type == ContainerProtocol.Create, ref writer);
        }
        Microkernel.PayloadLength = writer.Length;
        long result = writer.Overflowed ? AbiError.TooLarge : Microkernel.Start(Containers.Slot(index, Container.TaskSlot));
        if (result < 0) return Refusal(result, Microkernel.Word(0), Microkernel.Word(1));
        container.State = TaskState.Starting;
        container.Starter = client;
        container.StartRequest = requestNumber;
        container.StartType = type;
        return Requests.Later;
    }

    private static void DescribeLaunch(int index, bool prepare, ref FieldWriter writer)
    {
        ref var container = ref Containers.Table[index];
        Describe(index, ref writer);
        byte one = 1;
        if (prepare) writer.Add(StartTag.Prepare, new ReadOnlySpan<byte>(&one, 1));
        // The ends of pipes are kept until the outcome is known: a start that fails can be tried again.
        if (!container.Terminal)
        {
            writer.AddNumber(StartTag.Output, (uint)container.Output.WriteEnd);
            writer.AddNumber(StartTag.Error, (uint)container.Error.WriteEnd);
            writer.AddNumber(StartTag.Kept, (uint)container.Output.Descriptor);
            writer.AddNumber(StartTag.Kept, (uint)container.Error.Descriptor);
            if (container.InputEnd >= 0) writer.AddNumber(StartTag.Input, (uint)container.InputEnd);
            if (container.Input >= 0) writer.AddNumber(StartTag.Kept, (uint)container.Input);
        }
        writer.AddNumber(StartTag.Token, (uint)index);
    }

    /// <summary>The kernel has news of a container: it runs, could not be started, or has ended; the first two answer the client that waits, the last is told to every listener.</summary>
    public static void Changed(int index)
    {
        ref var container = ref Containers.Table[index];
        if (!container.Used || Microkernel.Control(Containers.Slot(index, Container.TaskSlot), TaskOperation.Status) < 0) return;
        var state = (TaskState)Microkernel.Word(0);
        long code = Microkernel.Word(1), stage = Microkernel.Word(4), errno = Microkernel.Word(5);
        bool outOfMemory = Microkernel.Word(2) != 0;
        int processId = (int)Microkernel.Word(3);
        // A prepared process that is gone is built anew by the start.
        if (container.State == TaskState.Prepared && state == TaskState.Created) container.State = TaskState.Created;
        if (container.State == TaskState.Starting && state == TaskState.Prepared)
        {
            container.State = state;
            container.ProcessId = processId;
            Requests.AnswerLater(container.Starter, container.StartRequest, container.StartType, ContainerErrorCode.None);
            return;
        }
        if (container.State == TaskState.Starting && state != TaskState.Starting)
        {
            container.State = state == TaskState.Created ? TaskState.Created : TaskState.Running;
            int error = state == TaskState.Created ? Refusal(AbiError.HostFailure, stage, errno) : ContainerErrorCode.None;
            FailedQuota = CapabilitySet.MemoryQuota(index);
            if (error == ContainerErrorCode.None)
            {
                TakeEnds(index);
                container.StartedAt = Memory.Now();
                container.ProcessId = processId;
                LogPump.Watch(index);
                Gates.Rebind();
            }
            Requests.AnswerLater(container.Starter, container.StartRequest, container.StartType, error);
            if (container.StartType == ContainerProtocol.Create) { Delete(index); return; } // only a failure answers it here: nothing is left half made
        }
        if (container.State != TaskState.Running || state is not (TaskState.Exited or TaskState.Killed)) return;
        container.State = state;
        container.Code = (int)code + (state == TaskState.Killed ? 128 : 0);
        container.OutOfMemory = outOfMemory;
        container.FinishedAt = Memory.Now();
        LogPump.Drain(index);
        Gates.Rebind();
        if (container.Ending)
        {
            int client = container.Starter;
            uint request = container.StartRequest;
            Delete(index);
            Requests.AnswerLater(client, request, ContainerProtocol.Delete, ContainerErrorCode.None);
            return;
        }
        Events.Exited(index);
    }

    /// <summary>It runs: the program's ends of the pipes are the program's alone, so that their end is seen; a terminal is fetched from the kernel.</summary>
    private static void TakeEnds(int index)
    {
        ref var container = ref Containers.Table[index];
        if (container.Terminal)
        {
            long terminal = Microkernel.Control(Containers.Slot(index, Container.TaskSlot), TaskOperation.Terminal, Container.KeepTerminal);
            container.Output.Descriptor = container.Input = (int)terminal;
            return;
        }
        LogPump.CloseWriteEnd(ref container.Output);
        LogPump.CloseWriteEnd(ref container.Error);
        if (container.InputEnd >= 0) Host.Call(Sys.Close, container.InputEnd);
        container.InputEnd = -1;
    }

    /// <summary>A client is gone: nobody waits for the starts it asked for.</summary>
    public static void Abandoned(int client)
    {
        for (int i = 1; i <= Containers.Highest; i++)
            if (Containers.Table[i].Used && Containers.Table[i].Starter == client) Containers.Table[i].Starter = -1;
    }

    /// <summary>Stage (LaunchStage of the hosted port) and errno to the protocol's error.</summary>
    public static int Refusal(long result, long stage, long errno)
    {
        const int Layers = 5, ProgramStage = 19, MemoryStage = 23;
        FailedStage = stage;
        FailedErrno = -errno;
        if (result == AbiError.InvalidArgument || result == AbiError.TooLarge) return ContainerErrorCode.InvalidRequest;
        if (stage == Layers && errno == -Sys.Enoent) return ContainerErrorCode.ImageMissing;
        if (result == AbiError.WrongState) return ContainerErrorCode.WrongState;
        if (stage == MemoryStage) return ContainerErrorCode.MemoryExhausted;
        if (errno == -18) return ContainerErrorCode.PathEscapes; // EXDEV
        if (stage == ProgramStage) return errno == -Sys.Enoent ? ContainerErrorCode.ProgramNotFound : errno == -Sys.Eacces ? ContainerErrorCode.NotExecutable : errno == -8 ? ContainerErrorCode.WrongArchitecture : ContainerErrorCode.HostFailure;
        return ContainerErrorCode.HostFailure;
    }

    /// <summary>The start description: what the request says of the program, and what the capability set says of everything else.</summary>
    private static void Describe(int index, ref FieldWriter writer)
    {
        var request = Containers.Request(index);
        var scanner = new FieldScanner(request);
        while (scanner.Next(out int tag, out var value))
            if (tag is StartTag.Layer or StartTag.Scratch or StartTag.Argument or StartTag.Environment or StartTag.WorkingDirectory or StartTag.Hostname
                or StartTag.UserId or StartTag.GroupId or StartTag.Group or StartTag.Terminal or StartTag.WindowSize) writer.Add(tag, value);
        writer.AddNumber(StartTag.Directory, BootSlot.NodeRoot);
        CapabilitySet.DescribeLimits(index, ref writer);
        DescribeHome(index, ref writer);
    }

    /// <summary>What everything that runs for a container has in common: where its trapped calls go, who hears of its end, and its control group.</summary>
    public static void DescribeHome(int index, ref FieldWriter writer)
    {
        writer.AddNumber(StartTag.Handler, (uint)Containers.Slot(index, Container.HandlerSlot));
        writer.AddNumber(StartTag.ExitNotification, ExitSlot);
        byte* name = stackalloc byte[128];
        var group = new TextWriter(new Span<byte>(name, 128));
        group.Add(Program.GroupPrefix); group.Add((byte)'/'); group.Add(Containers.Id(index));
        writer.Add(StartTag.ControlGroup, group.Written);
    }

    public static int Signal(int index, int signal)
    {
        if (Containers.Table[index].State != TaskState.Running) return ContainerErrorCode.WrongState;
        return Microkernel.Control(Containers.Slot(index, Container.TaskSlot), TaskOperation.Signal, signal) < 0 ? ContainerErrorCode.HostFailure : ContainerErrorCode.None;
    }

    /// <summary>Has a running container stand still, or go on.</summary>
    public static int Pause(int index, TaskOperation operation)
    {
        long result = Microkernel.Control(Containers.Slot(index, Container.TaskSlot), operation);
        return result >= 0 ? ContainerErrorCode.None : result == AbiError.WrongState ? ContainerErrorCode.WrongState : ContainerErrorCode.HostFailure;
    }

    /// <summary>Delete. What runs is killed first and its end waited for, so that the kernel need not: the answer comes when nothing of it is left.</summary>
    public static int End(int index, int client, uint requestNumber)
    {
        ref var container = ref Containers.Table[index];
        if (container.Ending && container.Starter >= 0) return ContainerErrorCode.WrongState;
        if (container.State != TaskState.Running || Signal(index, Kill) != ContainerErrorCode.None)
        {
            Delete(index);
            return ContainerErrorCode.None;
        }
        container.Ending = true;
        container.Starter = client;
        container.StartRequest = requestNumber;
        return Requests.Later;
    }

    /// <summary>Revokes everything. A running container is killed by the kernel when its task goes.</summary>
    public static void Delete(int index)
    {
        ref var container = ref Containers.Table[index];
        container.Made = false;
        if (container.State == TaskState.Starting) Requests.AnswerLater(container.Starter, container.StartRequest, container.StartType, ContainerErrorCode.WrongState);
        Executions.Forget(index);
        Microkernel.Words(NetworkControl.RemoveSession, index);
        Microkernel.PayloadLength = 0;
        NetworkSessions.Call();
        for (int slot = Container.EntrySlot; slot < Container.EntrySlot + container.Entries; slot++)
            Microkernel.Unmap(-1, Containers.Slot(index, slot), UnmapMode.Self);
        Gates.Forget(index);
        // Of a task that has not ended, removing its last capability ends it.
        Microkernel.Control(Containers.Slot(index, Container.TaskSlot), TaskOperation.Destroy);
        Microkernel.Unmap(-1, Containers.Slot(index, Container.TaskSlot), UnmapMode.Self);
        Microkernel.Unmap(-1, Containers.Slot(index, Container.HandlerSlot), UnmapMode.Self);
        LogPump.Close(index);
        Attachments.Ended(index);
        container = default;
    }
}
