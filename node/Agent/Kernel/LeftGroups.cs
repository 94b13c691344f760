using System.Diagnostics;
using System.Globalization;

namespace Eyrie.Node;

/// <summary>
/// Control groups that a kernel which was killed together with its keeper could not remove any more. Processes in them have ended or are about to; one that made its parent's end no signal to itself (prctl(2),
/// PR_SET_PDEATHSIG) is ended here.
/// </summary>
public static class LeftGroups
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5), Look = TimeSpan.FromMilliseconds(10);

    /// <param name="name">The node's group, of which no kernel runs.</param>
    /// <param name="cancellationToken">Ends the waiting for processes that are still there.</param>
    public static async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        const string Root = "/sys/fs/cgroup";
        if (!Directory.Exists(Root)) return;
        long begun = Stopwatch.GetTimestamp();
        foreach (var group in Directory.EnumerateDirectories(Root).Append(Root).Select(hierarchy => Path.Combine(hierarchy, name)).Where(Directory.Exists))
            foreach (var left in Directory.EnumerateDirectories(group).Append(group))
            {
                Thaw(left);
                while (!Removed(left))
                {
                    End(left);
                    if (Stopwatch.GetElapsedTime(begun) > Longest)
                    {
                        Console.Error.WriteLine($"eyrie-node: the control group {left} of a kernel that ended still has processes and stays");
                        break;
                    }
                    await Task.Delay(Look, cancellationToken);
                }
            }
    }

    /// <summary>A process that stands still (cgroup v1, freezer) does not die before it goes on.</summary>
    private static void Thaw(string group)
    {
        var state = Path.Combine(group, "freezer.state");
        if (File.Exists(state)) File.WriteAllText(state, "THAWED");
    }

    private static void End(string group)
    {
        try
        {
            foreach (var process in File.ReadLines(Path.Combine(group, "cgroup.procs"))) HostProcess.Find(int.Parse(process, CultureInfo.InvariantCulture))?.Signal(HostProcess.Kill);
        }
        catch (IOException) { } // the group has gone meanwhile
    }

    private static bool Removed(string group)
    {
        try
        {
            Directory.Delete(group); // rmdir(2): the files in it are the kernel's own
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (IOException)
        {
            return false; // busy
        }
    }
}
