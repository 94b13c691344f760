using System.Globalization;
using System.Text;

namespace Eyrie.Microkernel.Tools;

/// <summary>
/// Logical lines of what a container must trust: statements and declarations, by their ends. Counted are semicolons outside of parentheses (a for loop is one) and opening braces that
/// begin a body; comments, strings, blank lines and the way a line is broken do not count. Assembly: lines that hold an instruction, directive or label.
/// </summary>
public static class LineCount
{
    /// <summary>Part, folders or files beneath <c>microkernel/</c>.</summary>
    private static readonly (string Part, string[] Paths)[] s_parts =
    [
        ("kernel: core", ["Core", "Abi/Numbers.cs"]),
        ("kernel: port linux", ["Ports/Linux", "Build/entry.S"]),
        ("servers: MettEagle", ["Servers/MettEagle"]),
        ("servers: network", ["Servers/Network"]),
        ("servers: common", ["Servers/Common", "Abi/Stubs.cs", "Abi/ContainerProtocol.cs"]),
        ("core library", ["CoreLibrary"]),
    ];

    public static IReadOnlyList<(string Part, int Lines)> Of(string microkernel) => [.. s_parts.Select(part => (part.Part, part.Paths.Sum(path => Count(Path.Combine(microkernel, path)))))];

    public static string Table(IReadOnlyList<(string Part, int Lines)> parts)
    {
        var text = new StringBuilder("| | logical lines |\n|---|---|\n");
        foreach (var (part, lines) in parts) text.Append(CultureInfo.InvariantCulture, $"| {part} | {lines} |\n");
        text.Append(CultureInfo.InvariantCulture, $"| kernel with its port | {Kernel(parts)} |\n| with all servers and the core library | {parts.Sum(part => part.Lines)} |\n");
        return text.ToString();
    }

    public static int Kernel(IReadOnlyList<(string Part, int Lines)> parts) => parts.Where(part => part.Part.StartsWith("kernel", StringComparison.Ordinal)).Sum(part => part.Lines);

    private static int Count(string path)
    {
        if (File.Exists(path)) return path.EndsWith(".S", StringComparison.Ordinal) ? Assembly(File.ReadLines(path)) : CSharp(File.ReadAllText(path));
        return Directory.EnumerateFiles(path, "*.cs", SearchOption.AllDirectories).Where(file => !Path.GetRelativePath(path, file).Split('/').Any(part => part is "obj" or "bin")).Sum(file => CSharp(File.ReadAllText(file)));
    }

    private static int Assembly(IEnumerable<string> lines) => lines.Count(line => line.Split('#')[0].Trim().Length > 0);

    public static int CSharp(string source)
    {
        int count = 0, depth = 0;
        for (int at = 0; at < source.Length; at++)
        {
            char c = source[at];
            if (c == '/' && Next(source, at) == '/') at = Find(source, "\n", at);
            else if (c == '/' && Next(source, at) == '*') at = Find(source, "*/", at + 2) + 1;
            else if (c is '"' or '\'') at = EndOfText(source, at);
            else if (c == '(') depth++;
            else if (c == ')') depth--;
            else if (c == ';' && depth == 0) count++;
            else if (c == '{') count++;
        }
        return count;
    }

    private static char Next(string source, int at) => at + 1 < source.Length ? source[at + 1] : '\0';

    private static int Find(string source, string what, int from) => source.IndexOf(what, from, StringComparison.Ordinal) is var found and >= 0 ? found : source.Length;

    private static int EndOfText(string source, int at)
    {
        char quote = source[at];
        for (at++; at < source.Length && source[at] != quote; at++)
            if (source[at] == '\\') at++;
        return at;
    }
}
