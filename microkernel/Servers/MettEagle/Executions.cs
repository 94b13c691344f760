using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>A further program in a container, started by a client over the protocol and gone with that client's connection.</summary>
public struct Execution
{
    public bool Used;
    public int Container, Client;
    public uint Number;
    /// <summary>Not known yet whether it runs: the request that waits for the answer.</summary>
    public bool Starting;
    public uint Request;
}

/// <summary>
/// Runs programs in running containers. Each is a task of the kernel that joins the container's: same world, same quota, same session with the network server, and the
/// container's own capability space decides what its calls may do. Its descriptors are those that came with the request; the service does not touch what flows through them.
/// </summary>
public static unsafe class Executions
{
    private const int Max = 512;
    private static Execution* s_table;

    public static bool Initialize()
    {
        s_table = (Execution*)Memory.Allocate(Max * sizeof(Execution));
        return s_table != null;
    }

    /// <summary>Those of a process before, whose clients are gone.</summary>
    public static void End()
    {
        for (int i = 0; i < Max; i++) Microkernel.Unmap(-1, Slot(i), UnmapMode.Self);
    }

    private static int Slot(int index) => Containers.Slot(Containers.Max, index);

    /// <summary>Begins to start a program; <see cref="Changed"/> answers with its number, or why it could not be started.</summary>
    public static int Start(int client, uint requestNumber, int container, ReadOnlySpan<byte> request)
    {
        if (Containers.Table[container].State != TaskState.Running) return ContainerErrorCode.WrongState;
        var descriptors = Clients.Descriptors(client);
        bool terminal = FieldScanner.Find(request, StartTag.Terminal) is { Length: 1 } flag && flag[0] != 0;
        if (descriptors.Length != (terminal ? 0 : 3)) return ContainerErrorCode.InvalidRequest;
        int index = Free();
        if (index < 0) return ContainerErrorCode.QuotaExhausted;
        if (Microkernel.Create(ObjectKind.Task, BootSlot.Factory, Slot(index), 0, 0, default) < 0) return ContainerErrorCode.QuotaExhausted;
        var writer = new FieldWriter(Microkernel.Payload, MessageLayout.MaxPayload);
        Describe(container, request, descriptors, ref writer);
        writer.AddNumber(StartTag.Token, (uint)(Containers.Max + index));
        Microkernel.PayloadLength = writer.Length;
        long result = writer.Overflowed ? AbiError.TooLarge : Microkernel.Start(Slot(index));
        if (result < 0)
        {
            int refusal = Lifecycle.Refusal(result, Microkernel.Word(0), Microkernel.Word(1));
            Microkernel.Unmap(-1, Slot(index), UnmapMode.Self);
            return refusal;
        }
        s_table[index] = new Execution { Used = true, Container = container, Client = client, Number = ++Record.LastExecution, Starting = true, Request = requestNumber };
        return Requests.Later;
    }

    private static int Free()
    {
        for (int i = 0; i < Max; i++)
            if (!s_table[i].Used) return i;
        return -1;
    }

    /// <summary>Program, environment and directory are the request's; everything else is the container's, identity too where the request names none.</summary>
    private static void Describe(int container, ReadOnlySpan<byte> request, ReadOnlySpan<int> descriptors, ref FieldWriter writer)
    {
        bool identity = false, environment = false;
        var scanner = new FieldScanner(request);
        while (scanner.Next(out int tag, out var value))
        {
            identity |= tag == StartTag.UserId;
            environment |= tag == StartTag.Environment;
            if (tag is StartTag.Argument or StartTag.Environment or StartTag.WorkingDirectory or StartTag.UserId or StartTag.GroupId or StartTag.Group or StartTag.Terminal or StartTag.WindowSize) writer.Add(tag, value);
        }
        scanner = new FieldScanner(Containers.Request(container));
        while (scanner.Next(out int tag, out var value))
            if ((!identity && tag is StartTag.UserId or StartTag.GroupId or StartTag.Group) || (!environment && tag == StartTag.Environment)) writer.Add(tag, value);
        writer.AddNumber(StartTag.Join, (uint)Containers.Slot(container, Container.TaskSlot));
        for (int i = 0; i < descriptors.Length; i++) writer.AddNumber(i switch { 0 => StartTag.Input, 1 => StartTag.Output, _ => StartTag.Error }, (uint)descriptors[i]);
        CapabilitySet.DescribeCreatable(container, ref writer);
        Lifecycle.DescribeHome(container, ref writer);
    }

    public static int Signal(int client, ReadOnlySpan<byte> request)
    {
        uint number = FieldScanner.Number(FieldScanner.Find(request, ContainerProtocol.Execution));
        for (int i = 0; i < Max; i++)
            if (s_table[i].Used && s_table[i].Number == number && s_table[i].Client == client)
                return Microkernel.Control(Slot(i), TaskOperation.Signal, (int)FieldScanner.Number(FieldScanner.Find(request, ContainerProtocol.SignalNumber))) < 0 ? ContainerErrorCode.WrongState : ContainerErrorCode.None;
        return ContainerErrorCode.WrongState;
    }

    /// <summary>The kernel has news of a program: it runs, could not be started, or has ended.</summary>
    public static void Changed(int index)
    {
        if (index >= Max || !s_table[index].Used || Microkernel.Control(Slot(index), TaskOperation.Status) < 0) return;
        var state = (TaskState)Microkernel.Word(0);
        long code = Microkernel.Word(1), stage = Microkernel.Word(4), errno = Microkernel.Word(5);
        if (state == TaskState.Starting) return;
        if (s_table[index].Starting) Started(index, state == TaskState.Created ? Lifecycle.Refusal(AbiError.HostFailure, stage, errno) : ContainerErrorCode.None);
        if (s_table[index].Used && state is TaskState.Exited or TaskState.Killed) Finish(index, (int)code + (state == TaskState.Killed ? 128 : 0));
    }

    /// <summary>Answers the client that waits for the start.</summary>
    private static void Started(int index, int error)
    {
        s_table[index].Starting = false;
        if (error != ContainerErrorCode.None)
        {
            s_table[index].Used = false;
            Microkernel.Unmap(-1, Slot(index), UnmapMode.Self);
            Requests.AnswerLater(s_table[index].Client, s_table[index].Request, ContainerProtocol.Execute, error);
            return;
        }
        var answer = Clients.Begin();
        answer.AddNumber(ContainerProtocol.Execution, s_table[index].Number);
        long terminal = Microkernel.Control(Slot(index), TaskOperation.Terminal); // none: it was not asked for
        Clients.Send(s_table[index].Client, s_table[index].Request, ContainerProtocol.Execute | ContainerProtocol.Response, answer, (int)terminal);
        if (terminal >= 0) Host.Call(Sys.Close, (nint)terminal);
    }

    /// <summary>A container goes: what runs in it is killed.</summary>
    public static void Forget(int container)
    {
        const int Killed = 128 + 9;
        for (int i = 0; i < Max; i++)
        {
            if (!s_table[i].Used || s_table[i].Container != container) continue;
            if (s_table[i].Starting) Started(i, ContainerErrorCode.WrongState);
            else Finish(i, Killed);
        }
    }

    /// <summary>A client is gone: nobody waits for what it started.</summary>
    public static void Abandoned(int client)
    {
        for (int i = 0; i < Max; i++)
        {
            if (!s_table[i].Used || s_table[i].Client != client) continue;
            s_table[i].Used = false;
            Microkernel.Unmap(-1, Slot(i), UnmapMode.Self);
        }
    }

    private static void Finish(int index, int code)
    {
        s_table[index].Used = false;
        Microkernel.Unmap(-1, Slot(index), UnmapMode.Self); // of a task that still runs, removing its last capability ends it
        var frame = Clients.Begin();
        frame.AddNumber(ContainerProtocol.Execution, s_table[index].Number);
        frame.AddLong(ContainerProtocol.Numbers, code);
        Clients.Send(s_table[index].Client, 0, ContainerProtocol.ExecutionEvent, frame);
    }
}
