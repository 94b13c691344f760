using System.Collections.Concurrent;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Tokens;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>The pods of this node: a worker each, from the moment one is wanted until nothing of it is left.</summary>
public sealed class PodTable(NodeOptions options, KernelProcess kernel, ImageStore images, TokenRequests tokens, TimeProvider time, Action<NodeMessage> report)
{
    private readonly ConcurrentDictionary<string, PodWorker> _pods = new();
    private readonly AddressPool _addresses = new(options);
    private volatile bool _closed;
    private readonly DenialLog _denials = new(options.StateDirectory);

    public ICollection<PodWorker> All => _pods.Values;

    public PodWorker? Find(string uid) => _pods.GetValueOrDefault(uid);

    /// <summary>The pod of a container.</summary>
    public PodWorker? Owner(string containerId) => _pods.Values.FirstOrDefault(worker => worker.Owns(containerId));

    public PodWorker? At(string address) => _pods.Values.FirstOrDefault(worker => worker.Address == address);

    /// <summary>Every container that runs now.</summary>
    public IEnumerable<RunningContainer> Running() => _pods.Values.SelectMany(worker => worker.Running().Select(container => new RunningContainer(worker.Uid, worker.Namespace, worker.Name, container.Container, container.Id, container.Since)));

    /// <summary>Ids of the containers that run on a layer.</summary>
    public IEnumerable<string> On(string layer) => _pods.Values.SelectMany(worker => worker.On(layer));

    /// <summary>Tells the pods whose containers run on a layer that the disk has damaged it.</summary>
    public void LayerDamaged(string layer, string damage)
    {
        foreach (var worker in _pods.Values) worker.LayerDamaged(layer, damage);
    }

    public void Want(DesiredPod desired)
    {
        if (_pods.TryGetValue(desired.Uid, out var worker)) { worker.Update(desired); return; }
        if (_closed && !desired.Terminating)
        {
            report(new NodeMessage { PodStatus = ShutdownPlan.Rejected(desired, time.GetUtcNow()) });
            return;
        }
        Watch(new PodWorker(desired, options, () => kernel.Service, images, _addresses.Take(), _denials, tokens, time, report));
    }

    /// <summary>All that this node is to have has been told: each says how it stands, and what was not told has gone while there was no session.</summary>
    public void KeepOnly(IReadOnlySet<string> told)
    {
        foreach (var (uid, worker) in _pods)
            if (told.Contains(uid)) worker.Resend();
            else worker.Remove();
    }

    /// <summary>Takes over what an agent before left: its pods go on as they are. Containers and files that belong to none of them are nobody's and go.</summary>
    public async Task AdoptAsync()
    {
        var seen = await ListAsync();
        foreach (var (uid, desired, known) in PodJournal.Read(options, SteadyTime.Now(time)).ToList())
        {
            _addresses.Take(known.Address);
            Watch(new PodWorker(desired, options, () => kernel.Service, images, known.Address, _denials, tokens, time, report, new FoundPod(known, seen)));
        }
        foreach (var id in seen.Keys.Where(id => Owner(id) is null)) await kernel.Service.DeleteAsync(id, CancellationToken.None);
        foreach (var directory in new[] { "containers", "logs", "pods" })
            foreach (var left in Directory.EnumerateDirectories(Path.Combine(options.StateDirectory, directory)).Where(left => !_pods.Keys.Any(uid => Path.GetFileName(left).StartsWith(PodFiles.Prefix(uid), StringComparison.Ordinal))))
            {
                if (directory == "pods") MemoryVolumes.Remove(left);
                Directory.Delete(left, true);
            }
    }

    /// <summary>There is another connection to the kernel, or another kernel: pods are told what they have lost.</summary>
    public async Task CompareAsync()
    {
        var asked = Running().Select(container => container.Id).ToHashSet();
        var seen = await ListAsync();
        foreach (var worker in _pods.Values) worker.Observed(asked, seen);
    }

    private async Task<IReadOnlyDictionary<string, ContainerStatus>> ListAsync() => (await kernel.Service.ListAsync(CancellationToken.None)).ToDictionary(status => status.Id);

    private void Watch(PodWorker worker)
    {
        _pods[worker.Uid] = worker;
        Metrics.Pods.Set(_pods.Count);
        _ = worker.Completion.ContinueWith(ended =>
        {
            _pods.TryRemove(worker.Uid, out _);
            _addresses.Return(worker.Address);
            Metrics.Pods.Set(_pods.Count);
            if (ended.Exception is { } failure) Console.Error.WriteLine($"eyrie-node: the worker of pod {worker.Name} failed: {failure.InnerException}");
        }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    /// <summary>Reads a pod's sets back from the kernel.</summary>
    public async Task<CapabilitiesReport> CapabilitiesAsync(CapabilitiesRequest request)
    {
        var answer = new CapabilitiesReport { RequestId = request.RequestId };
        try
        {
            if (Find(request.PodUid) is not { } worker) answer.Error = "the pod is not on this node";
            else
                foreach (var (container, id, _) in worker.Running())
                {
                    var capabilities = new ContainerCapabilities { Container = container };
                    capabilities.Entries.AddRange(await kernel.Service.ReadCapabilitiesAsync(id, CancellationToken.None));
                    answer.Containers.Add(capabilities);
                }
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            answer.Error = exception.Message;
        }
        return answer;
    }

    /// <summary>Ends every pod within its grace, as <see cref="ShutdownPlan"/> says, and takes no other.</summary>
    /// <param name="atOnce">What has not ended by then stays for <see cref="StopAsync"/>.</param>
    public async Task ShutDownAsync(CancellationToken atOnce)
    {
        _closed = true;
        foreach (var (pods, longest) in ShutdownPlan.Decide(_pods.Values.ToList(), worker => worker.Priority, options.ShutdownGrace, options.ShutdownGraceCritical))
        {
            var ended = Task.WhenAll(pods.Select(worker => worker.ShutDownAsync(longest)));
            await Task.WhenAny(ended, Task.Delay(longest + ContainerStop.LeastAfterHook, time, atOnce));
        }
    }

    /// <summary>Ends every pod at once; what the node knows of those that are over stays.</summary>
    public async Task StopAsync()
    {
        var running = _pods.Values.Where(worker => !worker.IsOver).ToList();
        foreach (var worker in running) worker.Remove();
        await Task.WhenAll(running.Select(worker => worker.Completion));
    }
}
