namespace Eyrie.Node;

/// <summary>How many processes and threads a run of a container has had at once.</summary>
/// <param name="Seen">At least so many.</param>
/// <param name="Most">No more than so many; 0: that is not known.</param>
public readonly record struct ProcessPeak(long Seen, long Most);

/// <summary>The number of processes in a container's control group and the highest that it ever was (<c>pids.current</c> and <c>pids.peak</c>; kernel.org, Documentation/admin-guide/cgroup-v2).</summary>
/// <param name="folder">The group.</param>
public sealed class ProcessCount(string folder)
{
    private readonly long _before = Number(Path.Combine(folder, "pids.peak"));
    private long _seen = 1;

    /// <summary>As it is now. A group that has served another container keeps that one's peak: what this run did below it is known by what was found alone.</summary>
    public ProcessPeak Look()
    {
        _seen = Math.Max(_seen, Number(Path.Combine(folder, "pids.current")));
        long peak = Number(Path.Combine(folder, "pids.peak"));
        if (peak > _before) _seen = Math.Max(_seen, peak);
        return new ProcessPeak(_seen, Math.Max(peak, peak == 0 ? 0 : _seen));
    }

    /// <summary>The folder of the group that a process is in; null: the host has none for processes.</summary>
    /// <param name="groups">Text of <c>/proc/PID/cgroup</c>.</param>
    /// <param name="root">Where control groups are mounted.</param>
    public static string? FolderOf(string groups, string root = "/sys/fs/cgroup")
    {
        var lines = groups.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(':', 3)).Where(parts => parts.Length == 3).ToList();
        if (lines.FirstOrDefault(parts => parts[1] == "pids") is [_, _, var first]) return $"{root}/pids{first}";
        return lines.FirstOrDefault(parts => parts[1].Length == 0) is [_, _, var second] ? root + second : null;
    }

    /// <summary>0: there is no such file, or its container has ended.</summary>
    private static long Number(string file)
    {
        try
        {
            return long.TryParse(File.ReadAllText(file), out long number) ? number : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
