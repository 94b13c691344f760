using System.Diagnostics;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>Measures every running container and the node's own processes, every ten seconds, and tells the control plane.</summary>
public sealed class UsageReports(KernelProcess kernel, NodeProcesses processes, Func<IEnumerable<RunningContainer>> running, Action<NodeMessage> report)
{
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly UsageWindow _containers = new(), _own = new();

    public Task RunAsync(CancellationToken cancellationToken) => Periodic.RunAsync("measuring", Period, async () => report(new NodeMessage { Usage = await MeasureAsync(cancellationToken) }), TimeProvider.System, cancellationToken, atOnce: true);

    private async Task<UsageReport> MeasureAsync(CancellationToken cancellationToken)
    {
        var samples = new Dictionary<string, UsageSample>();
        var known = running().ToDictionary(container => container.Id);
        foreach (var container in known.Values)
        {
            try
            {
                var used = await kernel.Service.StatisticsAsync(container.Id, cancellationToken);
                samples[container.Id] = new UsageSample(Now, used.Cpu, used.WorkingSetBytes);
            }
            catch (Exception exception) when (exception is IOException or ContainerServiceException { Error: ContainerError.UnknownContainer or ContainerError.WrongState })
            {
                // It ended between the look and the question, or the kernel did; it uses nothing.
            }
        }
        var containers = _containers.Take(samples, id => known[id].Since.SinceStart);
        var own = _own.Take(processes.Look().GroupBy(process => process.Name).ToDictionary(group => group.Key, group => new UsageSample(Now, Sum(group.Select(process => process.Cpu)), group.Sum(process => process.ResidentBytes))), _ => Now);
        var result = new UsageReport { UnixMilliseconds = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), Node = new Usage { WindowMilliseconds = (long)Period.TotalMilliseconds } };
        foreach (var (id, usage) in containers)
            result.Containers.Add(new ContainerUsage { PodUid = known[id].PodUid, Namespace = known[id].Namespace, Pod = known[id].Pod, Container = known[id].Name, Usage = usage });
        foreach (var usage in containers.Values.Concat(own.Values))
        {
            result.Node.CpuNanocores += usage.CpuNanocores;
            result.Node.MemoryWorkingSetBytes += usage.MemoryWorkingSetBytes;
        }
        return result;
    }

    private static TimeSpan Now => Stopwatch.GetElapsedTime(0);
    private static TimeSpan Sum(IEnumerable<TimeSpan> times) => times.Aggregate(TimeSpan.Zero, (sum, time) => sum + time);
}
