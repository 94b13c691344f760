using Eyrie.Microkernel.Tools;

if (args is [var folder, "abi"])
{
    foreach (var (path, text) in GeneratedAbi.Files(File.ReadAllText(Path.Combine(folder, GeneratedAbi.Source)))) File.WriteAllText(Path.Combine(folder, path), text);
    return 0;
}
if (args is [var root, "lines"])
{
    Console.Write(LineCount.Table(LineCount.Of(root)));
    return 0;
}
Console.Error.WriteLine("usage: microkernel/tool abi | lines | calls");
return 2;
