using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Probes;
using Eyrie.Node.Tokens;

namespace Eyrie.Node;

/// <summary>One pod as everything that works on it sees it. Changed on its worker's turn alone: whoever else has something to say says it by <see cref="Signal"/>.</summary>
public sealed class PodState
{
    private readonly Channel<Action> _signals = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Action<NodeMessage> _report;

    /// <param name="desired">What is to run.</param>
    /// <param name="options">The node's.</param>
    /// <param name="containers">The container service as it is now: it may be another's after a while.</param>
    /// <param name="address">The pod's own.</param>
    /// <param name="tokens">Where tokens of its account are asked for.</param>
    /// <param name="time">The host's clocks.</param>
    /// <param name="report">Tells the control plane.</param>
    public PodState(DesiredPod desired, NodeOptions options, Func<IContainerService> containers, PodAddress address, TokenRequests tokens, TimeProvider time, Action<NodeMessage> report)
    {
        (Desired, Pod, Options, Containers, Address, Time, _report) = (desired, JsonNode.Parse(desired.PodJson)!.AsObject(), options, containers, address, time, report);
        (Started, Began) = (time.GetUtcNow(), Now);
        Tokens = tokens.For(desired.Uid, Pod);
        Files = new PodFiles(options, desired.Uid, address, Tokens);
        Records = [.. PodLists.All.SelectMany(Listed)];
        if (Records.Any(record => record.Role == ContainerRole.Init))
            foreach (var record in Records.Where(record => record.Role == ContainerRole.Main)) record.Waiting = ("PodInitializing", "");
    }

    public NodeOptions Options { get; }
    public Func<IContainerService> Containers { get; }
    public PodAddress Address { get; }
    public TimeProvider Time { get; }
    /// <summary>What is waited for is measured by it.</summary>
    public SteadyTime Now => SteadyTime.Now(Time);
    public PodFiles Files { get; }
    public HeldTokens Tokens { get; }
    /// <summary>Init containers and sidecars first, those added later last, each list in its order. Replaced whole when one is added.</summary>
    public IReadOnlyList<ContainerRecord> Records { get; private set; }
    public DesiredPod Desired { get; private set; }
    /// <summary>The document of <see cref="Desired"/>.</summary>
    public JsonObject Pod { get; private set; }
    /// <summary>The pod is nobody's any more: it ends at once.</summary>
    public bool Removed { get; set; }
    /// <summary>When the pod came to this node.</summary>
    public DateTimeOffset Started { get; private set; }
    /// <summary>The same moment, as what is waited for is measured.</summary>
    public SteadyTime Began { get; private set; }
    /// <summary>When its containers were first told to end, with the pod.</summary>
    public SteadyTime? TerminatingSince { get; set; }
    /// <summary>The pod is over, and why: nothing starts again.</summary>
    public (string Reason, string Message)? Failure { get; set; }
    /// <summary>The node is going down, and its pods have no longer than this; null: it is not.</summary>
    public TimeSpan? ShutdownGrace { get; set; }
    /// <summary>The status as last made; null: none was.</summary>
    public JsonObject? Status { get; set; }
    /// <summary>The containers of the kernel when it was last connected to anew, by id.</summary>
    public IReadOnlyDictionary<string, ContainerStatus> Seen { get; set; } = new Dictionary<string, ContainerStatus>();
    /// <summary>What is to be done on the worker's turn.</summary>
    public ChannelReader<Action> Signals => _signals.Reader;

    public string Uid => Desired.Uid;
    public string Namespace => Pod["metadata"]!["namespace"]!.ToString();
    public string Name => Pod["metadata"]!["name"]!.ToString();
    public string RestartPolicy => Pod["spec"]?["restartPolicy"]?.ToString() ?? "Always";
    public bool Terminating => Desired.Terminating || Removed;

    public void Want(DesiredPod desired)
    {
        (Desired, Pod) = (desired, JsonNode.Parse(desired.PodJson)!.AsObject());
        var added = Listed(PodLists.Ephemeral).Where(record => Records.All(known => known.Name != record.Name)).ToList();
        if (added.Count > 0) Records = [.. Records, .. added];
    }

    /// <summary>Becomes what was saved.</summary>
    public void Restore(SavedPod known)
    {
        (Started, Began, TerminatingSince, Failure, Status) = (known.Started, known.Began, known.TerminatingSince, SavedReason.Pair(known.Failure), known.Status);
        foreach (var record in Records)
            if (known.Containers.FirstOrDefault(saved => saved.Name == record.Name) is { } saved) record.Restore(saved, (id, compiled) => new HeldCapabilities(Containers, id, compiled), Options.StateDirectory);
    }

    public void Signal(Action action) => _signals.Writer.TryWrite(action);

    public JsonObject Spec(ContainerRecord record) => Specs(PodLists.Of(record.Role)).First(spec => spec["name"]!.ToString() == record.Name);

    public ContainerRecord Named(string name) => Records.First(record => record.Name == name);

    /// <summary>The set that was compiled for a container.</summary>
    public IEnumerable<string> Compiled(ContainerRecord record) => Desired.Capabilities.First(set => set.Container == record.Name).Entries;

    /// <summary>The probe's own grace, or else the pod's.</summary>
    public TimeSpan Grace(JsonObject? probe) => TimeSpan.FromSeconds((probe?["terminationGracePeriodSeconds"] ?? Pod["spec"]?["terminationGracePeriodSeconds"])?.GetValue<long>() ?? 30);

    /// <summary>Asks probes and hooks of a container's present run.</summary>
    public ProbeChecks Checks(ContainerRecord record)
    {
        var (id, workingDirectory) = (record.Id, record.WorkingDirectory);
        return new ProbeChecks(Address.Pod, Spec(record), (command, cancellationToken) => Containers().ExecAsync(id, new ExecSpec { Arguments = command, WorkingDirectory = workingDirectory }, cancellationToken));
    }

    /// <summary>Where the log of a run stands.</summary>
    public string LogFile(string container, int run) => Path.Combine(Options.StateDirectory, LogPath(container, run));

    /// <summary>The same, relative to the node root.</summary>
    public string LogPath(string container, int run) => string.Create(CultureInfo.InvariantCulture, $"logs/{Uid}/{container}-{run}.log");

    public void Report(NodeMessage message) => _report(message);

    /// <param name="series">What further events of the type and reason replace this one; empty: those with the same message, which are counted.</param>
    public void Event(string type, string reason, string message, int count, string container, string series = "") =>
        Report(new NodeMessage { PodEvent = new PodEvent { Uid = Uid, Namespace = Namespace, Name = Name, Type = type, Reason = reason, Message = message, Count = count, Container = container, Series = series } });

    private IEnumerable<JsonObject> Specs(string list) => (Pod["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>();

    private IEnumerable<ContainerRecord> Listed(string list) => Specs(list).Select(spec => new ContainerRecord(spec["name"]!.ToString(), spec["image"]!.ToString(), ContainerRecord.RoleOf(spec, list)));
}
