using System.Globalization;

namespace Eyrie.Node;

/// <summary>What one process of the node has used and holds, from /proc (proc(5)).</summary>
public sealed record ProcessUse(string Name, TimeSpan Cpu, long ResidentBytes);

/// <summary>The node's own processes: the agent, and those of the keeper's children that run the kernel's file or a server's own: a container cannot pass for one by its name.</summary>
public sealed class NodeProcesses(NodeOptions options, KernelProcess kernel)
{
    public const string Agent = "eyrie-node";
    private const double TickSeconds = 0.01; // USER_HZ is 100 on every Linux architecture (proc(5), times in clock ticks)

    public IEnumerable<ProcessUse> Look()
    {
        foreach (var (name, process) in Processes().Append((Agent, Environment.ProcessId)))
            if (Use(name, process) is { } use) yield return use;
    }

    private static ProcessUse? Use(string name, int process)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{process}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            // Not field 24 of stat: for a process of a few pages its batched counters say 0.
            var resident = File.ReadLines($"/proc/{process}/smaps_rollup").First(line => line.StartsWith("Rss:", StringComparison.Ordinal));
            return new ProcessUse(name, TimeSpan.FromSeconds((Number(fields[11]) + Number(fields[12])) * TickSeconds), Number(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024); // utime, stime
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return null; // it has ended; the agent starts its kernel anew
        }
    }

    private IEnumerable<(string Name, int Process)> Processes()
    {
        // The process that was started is the keeper, which shares the kernel's memory and only waits. A container that is being born still runs the kernel's file.
        var seen = new HashSet<string>();
        foreach (var child in Children(kernel.ProcessId))
            if (Executable($"/proc/{child}") is { } file && Path.GetDirectoryName(file) == options.Microkernel && seen.Add(file)) yield return (Path.GetFileName(file), child);
    }

    private static IEnumerable<int> Children(int process)
    {
        try
        {
            // CONFIG_PROC_CHILDREN; its one thread is the kernel's own.
            return [.. File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(child => int.Parse(child, CultureInfo.InvariantCulture))];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static string? Executable(string directory)
    {
        try
        {
            return new FileInfo(Path.Combine(directory, "exe")).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // ended meanwhile
        }
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
