using System.Globalization;

namespace Eyrie.Benchmarks;

/// <summary>
/// Control groups (v1) for processes that are measured beside containers: two deep with the default weight and the limits that the container has, since where others want the cores too a group's share is one, and
/// what a group uses is counted at every step. A host without the controllers has no groups, and starts no containers either.
/// </summary>
public sealed class ControlGroups(string name, long memory, int processes) : IDisposable
{
    private static readonly string[] Controllers = ["memory", "cpu", "cpuacct", "pids"];
    private readonly string _parent = string.Create(CultureInfo.InvariantCulture, $"eyrie-bench-{Environment.ProcessId}-{name.Replace(' ', '-')}");
    private int _count;

    /// <summary>A group of its own for a program that is about to be started: what to start in its place.</summary>
    public (string Program, string[] Arguments) In(string program, string[] arguments)
    {
        var group = string.Create(CultureInfo.InvariantCulture, $"{_parent}/p{_count++}");
        foreach (var controller in Controllers) Directory.CreateDirectory(Folder(controller, group));
        File.WriteAllText(Path.Combine(Folder("memory", group), "memory.limit_in_bytes"), memory.ToString(CultureInfo.InvariantCulture));
        File.WriteAllText(Path.Combine(Folder("pids", group), "pids.max"), processes.ToString(CultureInfo.InvariantCulture));
        return ("sh", ["-ec", "for controller in memory cpu cpuacct pids; do echo 0 >/sys/fs/cgroup/$controller/$0/cgroup.procs; done; exec \"$@\"", group, program, .. arguments]);
    }

    private static string Folder(string controller, string group) => Path.Combine("/sys/fs/cgroup", controller, group);

    /// <summary>Their processes have ended.</summary>
    public void Dispose()
    {
        foreach (var controller in Controllers)
        {
            for (int number = 0; number < _count; number++) Directory.Delete(Folder(controller, string.Create(CultureInfo.InvariantCulture, $"{_parent}/p{number}")));
            if (_count > 0) Directory.Delete(Folder(controller, _parent));
        }
    }
}
