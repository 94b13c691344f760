using System.Text;

namespace Eyrie.Microkernel.Tools;

/// <summary>A method a call, over whatever enters the kernel: the same text for freestanding C# and for ordinary .NET.</summary>
public static class StubsFile
{
    public static string Write(AbiDocument abi)
    {
        var text = new StringBuilder(GeneratedAbi.Notice).Append("namespace Eyrie.Microkernel.Abi;\n\n");
        text.Append("/// <summary>How a program enters the kernel: number and six registers in, result out. A freestanding program has its own, one on .NET calls syscall(2).</summary>\n");
        text.Append("public interface IKernelEntry<TSelf> where TSelf : IKernelEntry<TSelf>\n{\n    static abstract nint Enter(nint number, nint a, nint b, nint c, nint d, nint e, nint f);\n}\n\n");
        text.Append("/// <summary>The calls of the microkernel; REFERENCE.md has a section for each. What goes through the message buffer is put there by the caller.</summary>\n");
        text.Append("public static class KernelCalls<TEntry> where TEntry : IKernelEntry<TEntry>\n{\n");
        text.Append(string.Join('\n', abi.Calls.Select(Method)));
        return text.Append("}\n").ToString();
    }

    private static string Method(AbiCall call)
    {
        var text = new StringBuilder($"    /// <summary>{GeneratedAbi.Xml(call.Summary)}</summary>\n");
        foreach (var argument in call.Arguments) text.Append($"    /// <param name=\"{argument.Name}\">{GeneratedAbi.Xml(GeneratedAbi.Sentence(argument.Meaning))}</param>\n");
        var registers = call.Arguments.Select(argument => argument.Type is "int" ? argument.Name : $"(nint){argument.Name}").Concat(Enumerable.Repeat("0", 6)).Take(6);
        text.Append($"    public static long {call.Name}({string.Join(", ", call.Arguments.Select(argument => $"{argument.Type} {argument.Name}"))}) =>\n");
        return text.Append($"        TEntry.Enter(Call.{call.Name}, {string.Join(", ", registers)});\n").ToString();
    }
}
