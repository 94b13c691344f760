using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Gate;

/// <summary>Answers requests with a program's output, one after the other. The program is told in its environment which gate was called, and by whom, as the kernel says it: EYRIE_GATE, EYRIE_CALLER.</summary>
internal static unsafe class Service
{
    private const int MaxVariables = 256, VariableSpace = 512, NotRun = 127, TooLong = 254;

    /// <summary>Ends when the container may serve no more.</summary>
    /// <param name="program">Path and arguments, up to a null pointer.</param>
    /// <param name="environment">This program's own.</param>
    public static int Run(byte** program, byte** environment)
    {
        if (Program.Text(program[0]).IndexOf((byte)'/') < 0) return Program.Say("eyrie-gate: the program must be given with its path\n"u8, 0);
        var gate = GateClient.Make();
        var who = GateClient.Make();
        byte** variables = stackalloc byte*[MaxVariables + 3];
        byte* first = stackalloc byte[VariableSpace];
        byte* second = stackalloc byte[VariableSpace];
        long result = gate.Do(GateOperation.Wait);
        while (result == 0)
        {
            long caller = gate.Caller;
            if (who.Do(GateOperation.Who, caller) < 0) { result = gate.Do(GateOperation.Wait); continue; } // it is gone already
            Environment(who.Payload, environment, variables, first, second);
            int code = Answer(gate, program, variables, out int length);
            gate.Set(code, length);
            result = gate.Do(GateOperation.ReplyWait, caller);
        }
        return Program.Say(result == AbiError.NoCapability ? "eyrie-gate: the container publishes no gate\n"u8 : "eyrie-gate: serving ended with error "u8, result == AbiError.NoCapability ? 0 : result);
    }

    /// <summary>The own variables, without those two names, and then the two: <paramref name="who"/> is <c>gate call GATE CALLER</c>.</summary>
    private static void Environment(ReadOnlySpan<byte> who, byte** own, byte** variables, byte* first, byte* second)
    {
        int count = 0;
        for (; *own != null && count < MaxVariables; own++)
            if (!Program.Text(*own).StartsWith("EYRIE_GATE="u8) && !Program.Text(*own).StartsWith("EYRIE_CALLER="u8)) variables[count++] = *own;
        var fields = new FieldReader(who);
        fields.Next();
        fields.Next();
        variables[count++] = Variable(first, "EYRIE_GATE="u8, fields.Next());
        variables[count++] = Variable(second, "EYRIE_CALLER="u8, fields.Next());
        variables[count] = null;
    }

    private static byte* Variable(byte* into, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var text = new TextWriter(new Span<byte>(into, VariableSpace - 1));
        text.Add(name); text.Add(value);
        into[text.Length] = 0;
        return into;
    }

    /// <summary>Runs the program over the request; its output takes the request's place. The code to answer with.</summary>
    private static int Answer(in GateClient gate, byte** program, byte** variables, out int length)
    {
        int* ends = stackalloc int[4];
        length = 0;
        if (Host.Call(Sys.Pipe2, (nint)ends, Sys.Cloexec) < 0 || Host.Call(Sys.Pipe2, (nint)(ends + 2), Sys.Cloexec) < 0) return NotRun;
        nint child = Host.Call(Sys.Fork);
        if (child == 0)
        {
            Host.Call(Sys.Dup2, ends[0], 0);
            Host.Call(Sys.Dup2, ends[3], 1);
            Host.Call(Sys.Execve, (nint)program[0], (nint)program, (nint)variables);
            Host.Call(Sys.ExitGroup, NotRun);
        }
        Host.Call(Sys.Close, ends[0]);
        Host.Call(Sys.Close, ends[3]);
        // A request is shorter than what a pipe holds: writing it waits for nobody.
        fixed (byte* request = gate.Payload) Program.Write(ends[1], request, gate.Payload.Length);
        Host.Call(Sys.Close, ends[1]);
        byte more;
        fixed (byte* space = gate.Space) length = Program.Read(ends[2], space, GateMessage.MaxPayload);
        bool whole = length < GateMessage.MaxPayload || Program.Read(ends[2], &more, 1) == 0;
        Host.Call(Sys.Close, ends[2]);
        int status = NotRun << 8;
        if (child > 0) Host.Call(Sys.Wait4, child, (nint)(&status), 0, 0);
        if (whole) return (status & 127) != 0 ? 128 + (status & 127) : status >> 8 & 255;
        ReadOnlySpan<byte> problem = "the answer has more than 4008 bytes\n"u8;
        problem.CopyTo(gate.Space);
        length = problem.Length;
        return TooLong;
    }
}
