using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Servers.Network;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>What the service tells its clients unasked.</summary>
public static unsafe class Events
{
    public static void Exited(int index)
    {
        var writer = Clients.Begin();
        Requests.Describe(index, ref writer);
        Clients.Broadcast(ContainerProtocol.ExitEvent, writer);
    }

    /// <summary>Fetches what the network server reports: lines of <see cref="NetworkControl.TakeDenials"/>.</summary>
    public static void Denied()
    {
        Microkernel.Words(NetworkControl.TakeDenials);
        Microkernel.PayloadLength = 0;
        if (NetworkSessions.Call() < 0) return;
        if (Microkernel.Word(1) != 0) { NetworkSessions.TellAll(); return; } // it has taken another's place, and nothing to report yet
        var text = Microkernel.PayloadBytes;
        while (text.Length > 0)
        {
            var line = Lines.Next(ref text);
            var fields = new FieldReader(line);
            var label = fields.Next();
            var count = fields.Next();
            var verdict = fields.Next();
            var operation = fields.Next();
            var address = fields.Next();
            var port = fields.Next();
            var name = fields.Next();
            var executable = fields.Next();
            int index = (int)FieldReader.Number(label);
            if (index <= 0 || index >= Containers.Max || !Containers.Table[index].Used) continue;
            int program = label.Length + count.Length + verdict.Length + operation.Length + address.Length + port.Length + 6, entry = program + name.Length + executable.Length + 2;
            if (line.Length < entry) continue;
            Span<byte> target = stackalloc byte[160];
            var writer = new TextWriter(target);
            writer.Add(address);
            if (!port.SequenceEqual("-"u8)) { writer.Add((byte)':'); writer.Add(port); }
            var frame = Clients.Begin();
            frame.Add(ContainerProtocol.Id, Containers.Id(index));
            frame.Add(ContainerProtocol.Operation, operation);
            frame.Add(ContainerProtocol.Target, writer.Written);
            frame.Add(ContainerProtocol.Entry, line.Slice(entry));
            frame.AddNumber(ContainerProtocol.Count, (uint)FieldReader.Number(count));
            frame.Add(ContainerProtocol.Verdict, verdict);
            frame.Add(ContainerProtocol.Program, line.Slice(program, entry - program - 1));
            Clients.Broadcast(ContainerProtocol.DeniedEvent, frame);
        }
    }
}
