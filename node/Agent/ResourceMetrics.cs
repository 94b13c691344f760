using System.Globalization;
using Eyrie.Microkernel.Client;
using Prometheus;

namespace Eyrie.Node;

/// <summary>
/// What the agent tells of others when it is scraped: its kernel and servers, which have no endpoint of their own (read from /proc), and each running container (asked of
/// MettEagle). Container metrics have the names that cAdvisor gives them.
/// </summary>
public sealed class ResourceMetrics(NodeOptions options, KernelProcess kernel, Func<IEnumerable<RunningContainer>> running)
{
    private const double TickSeconds = 0.01; // USER_HZ is 100 on every Linux architecture (proc(5), times in clock ticks)
    private static readonly string[] ContainerLabels = ["namespace", "pod", "container"];

    private readonly Counter _processCpu = Prometheus.Metrics.CreateCounter("eyrie_process_cpu_seconds_total", "CPU time of the kernel and its servers.", "process");
    private readonly Gauge _processMemory = Prometheus.Metrics.CreateGauge("eyrie_process_resident_memory_bytes", "Resident memory of the kernel and its servers.", "process");
    private readonly Counter _cpu = Prometheus.Metrics.CreateCounter("container_cpu_usage_seconds_total", "CPU time of a container.", ContainerLabels);
    private readonly Gauge _memory = Prometheus.Metrics.CreateGauge("container_memory_usage_bytes", "Memory charged to a container.", ContainerLabels);
    private readonly Gauge _processes = Prometheus.Metrics.CreateGauge("container_processes", "Processes of a container.", ContainerLabels);
    private readonly HashSet<string> _shown = [];
    private readonly SemaphoreSlim _one = new(1, 1);

    public void Register() => Prometheus.Metrics.DefaultRegistry.AddBeforeCollectCallback(CollectAsync);

    private async Task CollectAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            foreach (var (name, process) in Processes()) Show(name, process);
            await ContainersAsync(cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task ContainersAsync(CancellationToken cancellationToken)
    {
        var now = new Dictionary<string, string[]>();
        foreach (var container in running())
        {
            try
            {
                var used = await kernel.Service.StatisticsAsync(container.Id, cancellationToken);
                string[] labels = [container.Namespace, container.Pod, container.Name];
                _cpu.WithLabels(labels).IncTo(used.Cpu.TotalSeconds);
                _memory.WithLabels(labels).Set(used.MemoryBytes);
                _processes.WithLabels(labels).Set(used.Processes);
                now[string.Join('/', labels)] = labels;
            }
            catch (Exception exception) when (exception is IOException or ContainerServiceException { Error: ContainerError.UnknownContainer or ContainerError.WrongState })
            {
                // It ended between the look and the question, or the kernel did; it is not shown.
            }
        }
        foreach (var gone in _shown.Where(key => !now.ContainsKey(key)).ToList())
        {
            var labels = gone.Split('/');
            _cpu.RemoveLabelled(labels);
            _memory.RemoveLabelled(labels);
            _processes.RemoveLabelled(labels);
        }
        _shown.Clear();
        _shown.UnionWith(now.Keys);
    }

    private void Show(string name, int process)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{process}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            _processCpu.WithLabels(name).IncTo((Number(fields[11]) + Number(fields[12])) * TickSeconds); // utime, stime
            // Not field 24 of stat: for a process of a few pages its batched counters say 0.
            var resident = File.ReadLines($"/proc/{process}/smaps_rollup").First(line => line.StartsWith("Rss:", StringComparison.Ordinal));
            _processMemory.WithLabels(name).Set(Number(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It has ended; the agent starts its kernel anew.
        }
    }

    /// <summary>The kernel and those of its children that run a server's own file: a container cannot pass for one by its name.</summary>
    private IEnumerable<(string Name, int Process)> Processes()
    {
        yield return ("eyrie-kernel", kernel.ProcessId);
        foreach (var directory in Directory.EnumerateDirectories("/proc").Where(directory => char.IsAsciiDigit(directory[6])))
        {
            if (Executable(directory) is { } file && Path.GetDirectoryName(file) == options.Microkernel && Parent(directory) == kernel.ProcessId)
                yield return (Path.GetFileName(file), int.Parse(directory[6..], CultureInfo.InvariantCulture));
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
            return null; // ended meanwhile, or a thread of the kernel
        }
    }

    private static int Parent(string directory)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(directory, "stat"));
            return (int)Number(text[(text.LastIndexOf(')') + 2)..].Split(' ')[1]);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>A container that runs now, by the names people know and the id MettEagle knows.</summary>
public sealed record RunningContainer(string Namespace, string Pod, string Name, string Id);
