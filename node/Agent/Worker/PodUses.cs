using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>What a pod's containers used or were refused: told as events with the grant that is missing, in the audit record, and to a record that learns.</summary>
public sealed class PodUses(PodState pod, DenialLog denials)
{
    private static readonly TimeSpan WriteCheck = TimeSpan.FromSeconds(2), TellAgain = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, (SteadyTime? Since, int Count)> _withheld = [];

    /// <summary>A container was refused something; or one that is audited used something.</summary>
    public void Used(CapabilityDenied use)
    {
        if (pod.Records.FirstOrDefault(record => record.Id == use.ContainerId) is not { } record) return;
        if (use.Verdict == UseVerdict.Unserved)
        {
            pod.Event("Warning", "GateNotServed", $"container {record.Name} called gate {use.Target}, which no running container of this node serves: gates lead to pods of the same node. Run a pod that publishes it here (podAffinity), or wait until it runs", use.Count, record.Name);
            return;
        }
        if (use.Verdict != UseVerdict.Granted) Ungranted(record, use);
        if (record.Held?.Audited == true) Tell(record, [use]);
    }

    /// <summary>So many more uses than are told apart within a second.</summary>
    public void Beyond(string containerId, int count)
    {
        if (pod.Records.FirstOrDefault(record => record.Id == containerId) is { } record) pod.Event("Warning", "PermissionDenied", $"container {record.Name} tried more kinds of things without a grant than are told apart", count, record.Name);
    }

    /// <summary>A container asked for the name of a Service that is granted and is not there. Told at most every ten seconds for each.</summary>
    public void ServiceMissing(string service)
    {
        if (Due(service) is { } count) pod.Event("Warning", "ServiceNotFound", $"a container asked for Service {service}, which is granted and does not exist; create it, or correct its name under `permissions`", count, "");
    }

    /// <summary>A container asked for the name of a Service that no grant of the pod leads to. Told at most every ten seconds for each Service, with how often.</summary>
    public void NameWithheld(string name, ServicePort service)
    {
        var entry = new CapabilityEntry.ConnectService($"{service.Namespace}/{service.Name}", Math.Max(1, service.Port), Protocols.Of(service.Protocol) ?? Protocol.Tcp).ToString();
        bool Asks(ContainerRecord record) => record.Running && pod.Compiled(record).Contains(ClusterDns.Entries[0].ToString());
        if (Due(entry) is { } count && (pod.Records.FirstOrDefault(Asks) ?? pod.Records.FirstOrDefault(record => record.Running)) is { } record) Ungranted(record, new CapabilityDenied(record.Id, "resolve", name, entry, count));
    }

    /// <summary>A container sent another a signal that its grant does not name. Told at most every ten seconds for each.</summary>
    public void SignalRefused(ContainerRecord record, string container, string signal)
    {
        var entry = new CapabilityEntry.Signal(container, signal).ToString();
        if (Due($"{record.Name} {entry}") is { } count) Ungranted(record, new CapabilityDenied(record.Id, "signal", $"{container} with {signal}", entry, count));
    }

    /// <summary>How often it has happened since it was last told; null: it is not yet time to tell.</summary>
    private int? Due(string what)
    {
        var now = pod.Now;
        var (since, count) = _withheld.GetValueOrDefault(what);
        bool tell = since is null || now - since >= TellAgain;
        _withheld[what] = tell ? (now, 0) : (since, count + 1);
        return tell ? count + 1 : null;
    }

    private void Ungranted(ContainerRecord record, CapabilityDenied use)
    {
        bool denied = use.Verdict == UseVerdict.Denied;
        var lines = Remedy.For(use.MissingEntry, pod.Namespace);
        denials.Write(new DenialRecord(pod.Time.GetUtcNow(), pod.Options.Name, pod.Namespace, pod.Name, record.Name, use.Operation, use.Target, use.MissingEntry, use.Count, lines, denied ? "denied" : "audited", use.Program));
        var (program, remedy) = (use.Program.Length > 0 ? $" ({use.Program})" : "", lines.Replace("\n", "\n  ", StringComparison.Ordinal));
        if (denied) pod.Event("Warning", "PermissionDenied", $"container {record.Name}{program} tried to {use.Operation} {use.Target}; missing grant: {use.MissingEntry}. To allow it, add to the container:\n  {remedy}", use.Count, record.Name);
        else pod.Event("Normal", "PermissionAudited", $"container {record.Name}{program} was let {use.Operation} {use.Target} by an audit; missing grant: {use.MissingEntry}. To allow it, add to the container:\n  {remedy}", use.Count, record.Name);
    }

    private void Tell(ContainerRecord record, IEnumerable<CapabilityDenied> uses)
    {
        var report = new PermissionUses { Uid = pod.Uid, Namespace = pod.Namespace, Name = pod.Name, Container = record.Name };
        report.Uses.AddRange(uses.Select(use => new PermissionUse { Verdict = use.Verdict.ToString().ToLowerInvariant(), Operation = use.Operation, Target = use.Target, Entry = use.MissingEntry, Program = use.Program, Count = use.Count }));
        if (report.Uses.Count > 0) pod.Report(new NodeMessage { PermissionUses = report });
    }

    /// <summary>What an audited container has written since it was asked before. One line a directory in the audit record; every file is counted.</summary>
    public void Written(ContainerRecord record)
    {
        if (record is not { Written: { } watch, Held: { WritesAreAudited: true } held }) return;
        foreach (var directory in watch.New().GroupBy(file => file.Directory))
        {
            var entry = new CapabilityEntry.Files(directory.Key, true).ToString();
            var use = new CapabilityDenied(record.Id, "write", "", entry, 1) { Verdict = held.Compiled.Any(line => Coverage.Covers(line, entry)) ? UseVerdict.Granted : UseVerdict.Audited };
            if (use.Verdict == UseVerdict.Audited) Ungranted(record, use with { Target = directory.First().Path, Count = directory.Count() });
            Tell(record, directory.Select(file => use with { Target = file.Path }));
        }
    }

    /// <summary>Looks at what a run writes, for as long as it goes on, where that is audited.</summary>
    public void WatchWrites(ContainerRecord record)
    {
        if (record.Held is { WritesAreAudited: true }) _ = WatchWritesAsync(record, record.Beside.Token);
    }

    private async Task WatchWritesAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(WriteCheck);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken)) pod.Signal(() => { if (!cancellationToken.IsCancellationRequested) Written(record); });
        }
        catch (OperationCanceledException)
        {
            // It has ended; what it wrote last is looked at then.
        }
    }
}
