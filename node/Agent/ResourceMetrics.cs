using Eyrie.Microkernel.Client;
using Prometheus;

namespace Eyrie.Node;

/// <summary>
/// What the agent tells of others when it is scraped: its kernel and servers, which have no endpoint of their own (read from /proc), and each running container (asked of
/// MettEagle). Container metrics have the names that cAdvisor gives them.
/// </summary>
public sealed class ResourceMetrics(NodeProcesses processes, KernelProcess kernel, Func<IEnumerable<RunningContainer>> running)
{
    private static readonly string[] ContainerLabels = ["namespace", "pod", "container"];

    private readonly Counter _processCpu = Prometheus.Metrics.CreateCounter("eyrie_process_cpu_seconds_total", "CPU time of the kernel and its servers.", "process");
    private readonly Gauge _processMemory = Prometheus.Metrics.CreateGauge("eyrie_process_resident_memory_bytes", "Resident memory of the kernel and its servers.", "process");
    private readonly Counter _cpu = Prometheus.Metrics.CreateCounter("container_cpu_usage_seconds_total", "CPU time of a container.", ContainerLabels);
    private readonly Gauge _workingSet = Prometheus.Metrics.CreateGauge("container_memory_working_set_bytes", "Memory charged to a container, without idle files.", ContainerLabels);
    private readonly Gauge _memory = Prometheus.Metrics.CreateGauge("container_memory_usage_bytes", "Memory charged to a container.", ContainerLabels);
    private readonly Gauge _processes = Prometheus.Metrics.CreateGauge("container_processes", "Processes of a container.", ContainerLabels);
    private readonly Counter _reads = Prometheus.Metrics.CreateCounter("container_fs_reads_bytes_total", "Bytes that a container has read from block devices.", ContainerLabels);
    private readonly Counter _writes = Prometheus.Metrics.CreateCounter("container_fs_writes_bytes_total", "Bytes that a container has written to block devices.", ContainerLabels);
    private readonly PeerMetrics _peers = new(Prometheus.Metrics.DefaultFactory);
    private readonly HashSet<string> _shown = [];
    private readonly SemaphoreSlim _one = new(1, 1);

    public void Register() => Prometheus.Metrics.DefaultRegistry.AddBeforeCollectCallback(CollectAsync);

    private async Task CollectAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            foreach (var process in processes.Look().Where(process => process.Name != NodeProcesses.Agent))
            {
                _processCpu.WithLabels(process.Name).IncTo(process.Cpu.TotalSeconds);
                _processMemory.WithLabels(process.Name).Set(process.ResidentBytes);
            }
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
        var there = running().ToList();
        _peers.Keep(there);
        foreach (var container in there)
        {
            try
            {
                var used = await kernel.Service.StatisticsAsync(container.Id, cancellationToken);
                string[] labels = [container.Namespace, container.Pod, container.Name];
                _cpu.WithLabels(labels).IncTo(used.Cpu.TotalSeconds);
                _workingSet.WithLabels(labels).Set(used.WorkingSetBytes);
                _memory.WithLabels(labels).Set(used.MemoryBytes);
                _processes.WithLabels(labels).Set(used.Processes);
                _reads.WithLabels(labels).IncTo(used.DiskReadBytes);
                _writes.WithLabels(labels).IncTo(used.DiskWrittenBytes);
                _peers.Show(container, used.Peers);
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
            _workingSet.RemoveLabelled(labels);
            _memory.RemoveLabelled(labels);
            _processes.RemoveLabelled(labels);
            _reads.RemoveLabelled(labels);
            _writes.RemoveLabelled(labels);
        }
        _shown.Clear();
        _shown.UnionWith(now.Keys);
    }
}

/// <summary>A container that runs now, by the names people know and the id MettEagle knows.</summary>
/// <param name="Since">When its run began.</param>
public sealed record RunningContainer(string PodUid, string Namespace, string Pod, string Name, string Id, SteadyTime Since);
