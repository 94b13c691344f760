namespace Eyrie.Microkernel.Tools;

/// <summary>The files that are generated from the ABI document: paths beneath <c>microkernel/</c> and their text.</summary>
public static class GeneratedAbi
{
    public const string Source = "Abi/abi.json";

    public static IReadOnlyDictionary<string, string> Files(string json)
    {
        var abi = AbiDocument.Parse(json);
        return new Dictionary<string, string> { ["Abi/Numbers.cs"] = NumbersFile.Write(abi), ["Abi/Stubs.cs"] = StubsFile.Write(abi), ["Abi/REFERENCE.md"] = ReferencePage.Write(abi), ["Abi/eyrie_gate.h"] = HeaderFile.Write(abi) };
    }

    public const string Notice = "// Generated from abi.json by microkernel/tool abi; a change belongs there.\n";

    /// <summary>Text that stands in an XML comment.</summary>
    public static string Xml(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    public static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..] + (text[^1] == '.' ? "" : ".");
}
