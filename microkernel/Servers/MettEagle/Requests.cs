using System;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Servers.Network;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>One request of the container protocol: checked, carried out, answered.</summary>
public static unsafe class Requests
{
    public static void Handle(int client, byte* frame)
    {
        uint length = *(uint*)frame, request = *(uint*)(frame + 4);
        int version = *(ushort*)(frame + 8), type = *(ushort*)(frame + 10);
        var body = new ReadOnlySpan<byte>(frame + ContainerProtocol.Header, (int)length - (ContainerProtocol.Header - 4));
        var writer = Clients.Begin();
        int error = version != ContainerProtocol.Version ? ContainerErrorCode.VersionMismatch : Dispatch(client, request, type, body, ref writer);
        if (error == Later) return;
        if (error != ContainerErrorCode.None)
        {
            writer = Clients.Begin();
            writer.AddNumber(ContainerProtocol.Error, (uint)error);
            Explain(error, ref writer);
        }
        Clients.Send(client, request, type | ContainerProtocol.Response, writer);
    }

    /// <summary>Instead of an error: the answer comes when it is known.</summary>
    public const int Later = -1;

    /// <summary>The answer to a request that was put off.</summary>
    public static void AnswerLater(int client, uint request, int type, int error)
    {
        if (client < 0) return;
        var writer = Clients.Begin();
        if (error != ContainerErrorCode.None) writer.AddNumber(ContainerProtocol.Error, (uint)error);
        Explain(error, ref writer);
        Clients.Send(client, request, type | ContainerProtocol.Response, writer);
    }

    private static void Explain(int error, ref FieldWriter writer)
    {
        const int Length = 160;
        if (error is not (ContainerErrorCode.HostFailure or ContainerErrorCode.MemoryExhausted)) return;
        byte* memory = stackalloc byte[Length];
        var text = new Eyrie.Freestanding.TextWriter(new Span<byte>(memory, Length));
        if (error == ContainerErrorCode.MemoryExhausted)
        {
            text.Add("the container's memory quota of "u8); text.Add(Lifecycle.FailedQuota); text.Add(" bytes was exhausted while it was being started"u8);
        }
        else
        {
            text.Add("launch stage "u8); text.Add(Lifecycle.FailedStage); text.Add(", errno "u8); text.Add(Lifecycle.FailedErrno);
        }
        writer.Add(ContainerProtocol.Message, text.Written);
    }

    private static int Dispatch(int client, uint request, int type, ReadOnlySpan<byte> body, ref FieldWriter writer)
    {
        if (type is < ContainerProtocol.Create or > ContainerProtocol.Resume || !WellFormed.Fields(body)) return ContainerErrorCode.InvalidRequest;
        switch (type)
        {
            case ContainerProtocol.Create: return Lifecycle.Create(body, client, request);
            case ContainerProtocol.List:
                for (int i = 1; i <= Containers.Highest; i++)
                    if (Containers.Table[i].Used) Describe(i, ref writer);
                return ContainerErrorCode.None;
            case ContainerProtocol.KernelStatistics: Statistics(BootSlot.Factory, 5, ref writer); return ContainerErrorCode.None;
            case ContainerProtocol.SetServices: return SetServices(body);
            case ContainerProtocol.ExecutionSignal: return Executions.Signal(client, body);
            case ContainerProtocol.Subscribe: Clients.Subscribe(client); return ContainerErrorCode.None;
        }
        int index = Containers.Find(FieldScanner.Find(body, ContainerProtocol.Id));
        if (index == 0) return type == ContainerProtocol.Delete ? ContainerErrorCode.None : ContainerErrorCode.UnknownContainer;
        switch (type)
        {
            case ContainerProtocol.Start: return Lifecycle.Start(index, client, request, body);
            case ContainerProtocol.Signal: return Lifecycle.Signal(index, (int)FieldScanner.Number(FieldScanner.Find(body, ContainerProtocol.SignalNumber)));
            case ContainerProtocol.Delete: return Lifecycle.End(index, client, request);
            case ContainerProtocol.ReadCapabilities: ReadCapabilities(index, ref writer); return ContainerErrorCode.None;
            case ContainerProtocol.ChangeCapabilities: return Change(index, body);
            case ContainerProtocol.Execute: return Executions.Start(client, request, index, body);
            case ContainerProtocol.Attach: return Attachments.Attach(client, request, index);
            case ContainerProtocol.CloseInput: return Lifecycle.CloseInput(index);
            case ContainerProtocol.Pause: return Lifecycle.Pause(index, TaskOperation.Pause);
            case ContainerProtocol.Resume: return Lifecycle.Pause(index, TaskOperation.Resume);
            case ContainerProtocol.ReopenLog: return Lifecycle.ReopenLog(index);
            case ContainerProtocol.Statistics: Statistics(Containers.Slot(index, Container.TaskSlot), 6, ref writer); Peers(index, ref writer); return ContainerErrorCode.None;
            default: return ContainerErrorCode.InvalidRequest;
        }
    }

    public static void Describe(int index, ref FieldWriter writer)
    {
        ref var container = ref Containers.Table[index];
        byte* memory = stackalloc byte[256];
        var fields = new FieldWriter(memory, 256);
        fields.Add(ContainerProtocol.Id, Containers.Id(index));
        long* numbers = stackalloc long[6];
        numbers[0] = (long)(container.State == TaskState.Prepared ? TaskState.Created : container.State);
        numbers[1] = container.Code;
        numbers[2] = container.OutOfMemory ? 1 : 0;
        numbers[3] = container.ProcessId;
        numbers[4] = container.StartedAt / 1_000_000;
        numbers[5] = container.FinishedAt / 1_000_000;
        fields.Add(ContainerProtocol.Numbers, new ReadOnlySpan<byte>(numbers, 48));
        writer.Add(ContainerProtocol.Container, new ReadOnlySpan<byte>(memory, fields.Length));
    }

    private static void ReadCapabilities(int index, ref FieldWriter writer)
    {
        int count = CapabilitySet.Read(index);
        byte* at = Microkernel.Payload;
        byte* line = stackalloc byte[320];
        long most = CapabilitySet.Most(index);
        for (int i = 0; i < count; i++)
        {
            int length = CapabilitySet.Line(at, new Span<byte>(line, 320), most);
            writer.Add(ContainerProtocol.Capability, new ReadOnlySpan<byte>(line, length));
            at += InspectLayout.Header + *(ushort*)(at + InspectLayout.NameLength);
        }
    }

    private static int Change(int index, ReadOnlySpan<byte> body)
    {
        var scanner = new FieldScanner(body);
        int error = ContainerErrorCode.None;
        while (error == ContainerErrorCode.None && scanner.Next(out int tag, out var value))
        {
            if (tag == ContainerProtocol.Capability) error = CapabilitySet.Add(index, value);
            if (tag == ContainerProtocol.Revoked) error = CapabilitySet.Revoke(index, value);
        }
        int told = CapabilitySet.Session(index);
        return error != ContainerErrorCode.None ? error : told;
    }

    /// <summary>Parts of the table go on to the network server as they come; the last one makes it take effect.</summary>
    private static int SetServices(ReadOnlySpan<byte> body)
    {
        var flags = FieldScanner.Find(body, ContainerProtocol.More);
        var text = new Eyrie.Freestanding.TextWriter(Microkernel.PayloadSpace);
        var scanner = new FieldScanner(body);
        while (scanner.Next(out int tag, out var value))
            if (tag is ContainerProtocol.Service or ContainerProtocol.Closed) { text.Add(value); text.Add((byte)'\n'); }
        if (scanner.Broken || flags.Length != 2 || text.Overflowed) return ContainerErrorCode.InvalidRequest;
        Microkernel.PayloadLength = text.Length;
        Microkernel.Words(NetworkControl.SetServices, flags[0], flags[1]);
        if (!NetworkSessions.Keep(flags[0] != 0)) return ContainerErrorCode.QuotaExhausted;
        if (NetworkSessions.Call() < 0) return ContainerErrorCode.HostFailure;
        return Microkernel.Word(0) < 0 ? ContainerErrorCode.QuotaExhausted : ContainerErrorCode.None;
    }

    /// <summary>Whom the container has connected to. Without a network server there is nothing to tell.</summary>
    private static void Peers(int index, ref FieldWriter writer)
    {
        Microkernel.PayloadLength = 0;
        Microkernel.Words(NetworkControl.Peers, index);
        if (NetworkSessions.Call() < 0) return;
        var text = Microkernel.PayloadBytes;
        while (text.Length > 0) writer.Add(ContainerProtocol.Peer, Lines.Next(ref text));
    }

    private static void Statistics(int slot, int count, ref FieldWriter writer)
    {
        if (Microkernel.Statistics(slot) < 0) return;
        long* numbers = stackalloc long[count];
        for (int i = 0; i < count; i++) numbers[i] = Microkernel.Word(i);
        writer.Add(ContainerProtocol.Numbers, new ReadOnlySpan<byte>(numbers, 8 * count));
    }
}
