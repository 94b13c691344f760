using System.Text.Json.Nodes;
using System.Threading.Channels;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests.Permissions.Learning;
using Eyrie.Node.Contract.V1;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Controllers.Recording;

/// <summary>Adds what nodes report to the PermissionRecords of the workloads, apart from those who report: what has queued up is one write a record, at most one a second.</summary>
public sealed partial class RecordWriter(IObjects objects, ObjectCache cache, ILogger<RecordWriter> log) : BackgroundService
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);
    private readonly Channel<PermissionUses> _queue = Channel.CreateBounded<PermissionUses>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropOldest });

    public void Write(PermissionUses report) => _queue.Writer.TryWrite(report);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (await _queue.Reader.WaitToReadAsync(stoppingToken))
        {
            var seen = new Dictionary<ObjectName, List<SeenUse>>();
            var cluster = DesiredPods.Around(cache);
            while (_queue.Reader.TryRead(out var report))
                foreach (var name in Records(report))
                {
                    if (!seen.TryGetValue(name, out var uses)) seen[name] = uses = [];
                    uses.AddRange(report.Uses.Select(use => new SeenUse(report.Container, use.Verdict, use.Operation, use.Entry, use.Target, use.Program, Math.Max(1, use.Count)).Resolved(cluster)));
                }
            await Task.WhenAll(seen.Select(pair => TryAddAsync(pair.Key, pair.Value, stoppingToken)));
            await Task.Delay(Least, stoppingToken);
        }
    }

    /// <summary>Also one that has just ended: what a container wrote last is looked at when it ends.</summary>
    private IEnumerable<ObjectName> Records(PermissionUses report) => cache.Get(Kinds.Pod, new ObjectName(report.Namespace, report.Name)) is not { } pod ? []
        : cache.All(Kinds.PermissionRecord).Where(record => PermissionRecord.Of(record).Has(pod)).Select(ObjectStamp.NameOf);

    private async Task TryAddAsync(ObjectName name, List<SeenUse> uses, CancellationToken cancellationToken)
    {
        try
        {
            while (await objects.GetAsync(Kinds.PermissionRecord, name, cancellationToken) is { } record)
            {
                var metadata = new JsonObject { ["namespace"] = name.Namespace, ["name"] = name.Name, ["uid"] = record.Uid(), ["resourceVersion"] = record.Metadata().Text("resourceVersion") };
                try
                {
                    await objects.UpdateStatusAsync(Kinds.PermissionRecord, new JsonObject { ["metadata"] = metadata, ["status"] = RecordedUses.With(record["status"], uses) }, cancellationToken);
                    return;
                }
                catch (ObjectConflictException)
                {
                    // Another wrote between, such as the plan that ends it.
                }
            }
        }
        catch (Exception exception) when (exception is StoreUnavailableException or ObjectNotFoundException)
        {
            Lost(name, exception.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "uses of {Record} could not be written: {Cause}")]
    private partial void Lost(ObjectName record, string cause);
}
