using System.Text;

namespace Eyrie.Microkernel.Tools;

/// <summary>Every number of the ABI as C#.</summary>
public static class NumbersFile
{
    public static string Write(AbiDocument abi)
    {
        var text = new StringBuilder(GeneratedAbi.Notice).Append("namespace Eyrie.Microkernel.Abi;\n\n");
        text.Append("/// <summary>System-call numbers of the microkernel. The hosted port reserves First to Last of Linux's numbers for them.</summary>\npublic static class Call\n{\n");
        text.Append($"    public const int First = {abi.First}, Last = {abi.Last};\n    public const int AbiVersion = {abi.Version};\n\n");
        foreach (var call in abi.Calls) Constant(text, call.Name, call.Number, call.Summary);
        text.Append("}\n\n/// <summary>Results below zero.</summary>\npublic static class AbiError\n{\n");
        foreach (var error in abi.Errors) Constant(text, error.Name, error.Value, error.Meaning);
        text.Append("}\n");
        foreach (var set in abi.Enums) Enum(text, set);
        foreach (var set in abi.Constants) Constants(text, set);
        return text.ToString();
    }

    private static void Constant(StringBuilder text, string name, int value, string? summary)
    {
        if (summary is not null) text.Append($"    /// <summary>{GeneratedAbi.Xml(GeneratedAbi.Sentence(summary))}</summary>\n");
        text.Append($"    public const int {name} = {value};\n");
    }

    private static void Enum(StringBuilder text, AbiEnum set)
    {
        text.Append($"\n/// <summary>{GeneratedAbi.Xml(set.Summary)}</summary>\n{(set.Flags ? "[System.Flags]\n" : "")}public enum {set.Name}{(set.Type == "int" ? "" : " : " + set.Type)}\n{{\n");
        foreach (var member in set.Members) text.Append($"    {member.Name} = {member.Value},\n");
        text.Append("}\n");
    }

    private static void Constants(StringBuilder text, AbiConstants set)
    {
        text.Append($"\n/// <summary>{GeneratedAbi.Xml(set.Summary)}</summary>\npublic static class {set.Name}\n{{\n");
        foreach (var member in set.Members) Constant(text, member.Name, member.Value, member.Summary);
        text.Append("}\n");
    }
}
