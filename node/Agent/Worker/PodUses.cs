using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>What a pod's containers used or were refused: told as events with the grant that is missing, in the audit record, and to a record that learns.</summary>
public sealed class PodUses(PodState pod, DenialLog denials)
{
    private static readonly TimeSpan Check = TimeSpan.FromSeconds(2), TellAgain = TimeSpan.FromSeconds(10);

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
        if (Due(entry) is { } count && (pod.Records.FirstOrDefault(Asks) ?? pod.Records.FirstOrDefault(record => record.Running)) is { } record) Refused(record, new CapabilityDenied(record.Id, "resolve", name, entry, count));
    }

    /// <summary>A container sent another a signal that its grant does not name. Told at most every ten seconds for each.</summary>
    public void SignalRefused(ContainerRecord record, string container, string signal)
    {
        var entry = new CapabilityEntry.Signal(container, signal).ToString();
        if (Due($"{record.Name} {entry}") is { } count) Refused(record, new CapabilityDenied(record.Id, "signal", $"{container} with {signal}", entry, count));
    }

    /// <summary>What the node itself refuses counts like what its microkernel does.</summary>
    private void Refused(ContainerRecord record, CapabilityDenied use)
    {
        Metrics.Denials.WithLabels(use.Operation).Inc(use.Count);
        Used(use);
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

    /// <summary>What an audited container has written, run and had of processes since it was asked before.</summary>
    public void Look(ContainerRecord record)
    {
        Written(record);
        Run(record);
    }

    /// <summary>One line a directory in the audit record; every file is counted.</summary>
    private void Written(ContainerRecord record)
    {
        if (record is not { Written: { } watch, Held: { WritesAreAudited: true } held }) return;
        foreach (var directory in watch.New().GroupBy(file => file.Directory))
        {
            var entry = new CapabilityEntry.Files(directory.Key, true).ToString();
            var use = new CapabilityDenied(record.Id, "write", "", entry, 1) { Verdict = held.Grants(entry) ? UseVerdict.Granted : UseVerdict.Audited };
            if (use.Verdict == UseVerdict.Audited) Ungranted(record, use with { Target = directory.First().Path, Count = directory.Count() });
            Tell(record, directory.Select(file => use with { Target = file.Path }));
        }
    }

    private void Run(ContainerRecord record)
    {
        if (record is not { Code: { } watch, Held: { Audited: true } held }) return;
        var (files, processes, lost) = watch.New();
        if (lost) pod.Event("Warning", "UsesLost", $"container {record.Name} opened more files at once than the host tells of; what it executed then is missing in the record, so record it again under less load", 1, record.Name);
        var uses = new List<CapabilityDenied>();
        foreach (var file in files)
        {
            var entry = new CapabilityEntry.Execute(file.Grantable).ToString();
            uses.Add(new CapabilityDenied(record.Id, file.Executed ? "execute" : "load", file.Path, entry, file.Count) { Verdict = !held.NamesPrograms || held.Grants(entry) ? UseVerdict.Granted : UseVerdict.Audited });
        }
        if (processes is { } peak && held.Quota is { } quota && ProcessLimit.Of(peak.Seen, null) is { } limit)
            uses.Add(new CapabilityDenied(record.Id, "fork", Invariant($"{peak.Most}"), (quota with { Limit = limit }).ToString(), 1) { Verdict = peak.Seen <= quota.Limit.Total ? UseVerdict.Granted : UseVerdict.Audited });
        foreach (var use in uses)
        {
            Metrics.Uses.WithLabels(use.Operation, use.Verdict == UseVerdict.Granted ? "granted" : "audited").Inc(use.Count);
            if (use.Verdict == UseVerdict.Audited) Ungranted(record, use.Operation == "fork" ? use with { Target = Invariant($"{processes!.Value.Seen} processes and threads at once") } : use);
        }
        Tell(record, uses);
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    /// <summary>The run is over: what it did last is told.</summary>
    public void Ended(ContainerRecord record)
    {
        Look(record);
        record.Code?.Dispose();
        record.Code = null;
    }

    /// <summary>Looks at what a run does, for as long as it goes on, where that is audited.</summary>
    public void Watch(ContainerRecord record)
    {
        if (record.Held is { Audited: true }) _ = WatchAsync(record, record.Beside.Token);
    }

    private async Task WatchAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Check);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken)) pod.Signal(() => { if (!cancellationToken.IsCancellationRequested) Look(record); });
        }
        catch (OperationCanceledException)
        {
            // It has ended; what it did last is looked at then.
        }
    }
}
