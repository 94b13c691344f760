using System.Globalization;
using System.Text;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Calls of the microkernel's own ABI that must be refused, made by a native task at the real kernel (tests/NativeCalls): an error of its own each, and afterwards nothing is half made.</summary>
public sealed class NativeBadInputTests
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../NativeCalls/bin/nativecalls"));

    /// <summary>One refusal.</summary>
    /// <param name="What">What is wrong with the call.</param>
    /// <param name="Error">The result that every call in question has.</param>
    /// <param name="Asked">The calls in question, as tests/NativeCalls reads them.</param>
    /// <param name="Before">Calls that prepare them; slots from 64 to 127 are free.</param>
    private sealed record Refusal(string What, long Error, string[] Asked, params string[] Before)
    {
        public Refusal(string what, long error, string asked, params string[] before) : this(what, error, [asked], before) { }

        public string Row => string.Concat(Before.Select(call => call + " , ")) + "| " + string.Join(" , ", Asked) + " ;";
        public string Line => $"native: {string.Join(' ', Asked.Select(_ => Error))} as before";
    }

    private const int Empty = 99, First = 70, Second = 71, Third = 72;
    private const long TooMuch = 1L << 40;
    private const int Everything = (int)Rights.All, Read = (int)Rights.Read;

    private static string Create(ObjectKind kind, int slot, long first = 0, long second = 0, int factory = BootSlot.Factory, string name = "") => Line($"p:{Hex(name)} {Call.Create} {factory} {(int)kind} {slot} {first} {second}");
    private static string Gate(int slot) => Create(ObjectKind.Gate, slot, 7, BootSlot.SelfTask);
    private static string Map(int source, int slot, int rights, int task = BootSlot.SelfTask) => Line($"{Call.Map} {source} {task} {slot} {rights}");
    private static string Control(int task, TaskOperation operation, int argument = 0) => Line($"{Call.Control} {task} {(int)operation} {argument}");
    private static string Start(int task, params byte[][] fields) => Line($"p:{Convert.ToHexString([.. fields.SelectMany(field => field)])} {Call.Start} {task}");
    private static string Ipc(IpcOperation operation, long argument, long timeout = 0) => Line($"{Call.Ipc} {(int)operation} {argument} {timeout}");
    /// <summary>A message to the gate in the second slot.</summary>
    private static string Carrying(int slot, int rights, IpcOperation operation) => Line($"c:{slot}:{rights} ") + Ipc(operation, Second, 1000);

    private static string Line(FormattableString line) => FormattableString.Invariant(line);
    private static string Hex(string text) => Convert.ToHexString(Encoding.ASCII.GetBytes(text));

    private static byte[] Field(int tag, byte[] value, int? length = null) => [.. BitConverter.GetBytes((ushort)tag), .. BitConverter.GetBytes(length ?? value.Length), .. value];
    private static byte[] Slot(int tag, int slot) => Field(tag, BitConverter.GetBytes(slot));

    /// <summary>The node's own control group, and one beneath it.</summary>
    private static readonly string s_group = "eyrie-test-native-" + Guid.NewGuid().ToString("N")[..8];
    private static readonly byte[] Group = Field(StartTag.ControlGroup, Encoding.ASCII.GetBytes(s_group + "/n"));

    /// <summary>Calls on a slot that holds nothing, or holds something else.</summary>
    private static string[] Of(int slot) =>
    [
        Create(ObjectKind.Task, First, factory: slot), Line($"{Call.Inspect} {slot}"), Start(slot), Control(slot, TaskOperation.Status), Line($"{Call.Notification} {slot} {(int)NotificationOperation.Signal}"), Line($"{Call.Descriptor} {slot} {(int)DescriptorOperation.Open} 0"),
        Line($"{Call.Descriptor} {slot} {(int)DescriptorOperation.Memory} 0"), Line($"{Call.Redirect} {slot} {BootSlot.SelfTask}"), Ipc(IpcOperation.Call, slot), Ipc(IpcOperation.Send, slot), Map(BootSlot.Factory, First, Read, slot), Line($"{Call.Unmap} {slot} {BootSlot.Log} 0"),
    ];

    /// <summary>Every call that there is, and a reply of a message that never came.</summary>
    private static string[] Every =>
    [
        .. Of(BootSlot.SelfTask), Line($"{Call.Log} {BootSlot.Log}"), Line($"{Call.Statistics} {BootSlot.Factory}"), Line($"{Call.Caller} 1"), Line($"{Call.Version}"), Ipc(IpcOperation.Wait, 0, 1), Ipc(IpcOperation.Reply, 1), Ipc(IpcOperation.ReplyWait, 1, 1), "1014",
    ];

    private static readonly Refusal[] s_refusals =
    [
        new("a number that no call has", AbiError.UnknownCall, "1014"),
        new("a call for programs in containers", AbiError.UnknownCall, Line($"{Call.Gate} 0 0 0 0")),
        new("records that do not fit the buffer", AbiError.TooLarge, Line($"{Call.Inspect} -1"), [Create(ObjectKind.Log, First, name: new string('n', 240)), .. Enumerable.Range(200, 260).Select(slot => Map(First, slot, Read))]),
        new("another thread waits in a call", AbiError.Busy, ["b " + Every[0], .. Every[1..]]),
        // slots
        new("an empty slot", AbiError.NoCapability, [.. Of(Empty), Line($"{Call.Log} {Empty}"), Line($"{Call.Statistics} {Empty}"), Map(Empty, First, Read), Line($"{Call.Unmap} -1 {Empty} 0"), Create(ObjectKind.Gate, First, 0, Empty)]),
        new("a slot below zero, and one that no number of 32 bits reaches", AbiError.NoCapability, [Line($"{Call.Log} -1"), Line($"{Call.Log} {int.MaxValue}"), Ipc(IpcOperation.Call, -1)]),
        new("an object of another kind", AbiError.WrongKind, [.. Of(BootSlot.Log), Line($"{Call.Log} {BootSlot.Factory}"), Line($"{Call.Statistics} {BootSlot.Log}"), Create(ObjectKind.Gate, First, 0, BootSlot.Factory)]),
        new("a gate that is to be served by what is no task", AbiError.WrongKind, Line($"{Call.Redirect} {First} {BootSlot.Factory}"), Gate(First)),
        new("a slot that is taken", AbiError.SlotTaken, [Create(ObjectKind.Log, BootSlot.Log), Create(ObjectKind.Factory, BootSlot.SelfTask, 600), Map(BootSlot.Factory, BootSlot.Log, Read)]),
        // rights
        new("a factory that may only be looked at", AbiError.MissingRights, [Create(ObjectKind.Task, Third, factory: Second), Line($"{Call.Statistics} {Second}"), Map(Second, Third, Read)], Create(ObjectKind.Factory, First, 4096), Map(First, Second, Read)),
        new("a task that may only be looked at", AbiError.MissingRights, [Line($"{Call.Inspect} {Second}"), Start(Second), Control(Second, TaskOperation.Status), Line($"{Call.Statistics} {Second}"), Map(BootSlot.Factory, Third, Read, Second), Line($"{Call.Unmap} {Second} 0 0"), Create(ObjectKind.Gate, Third, 0, Second)], Create(ObjectKind.Task, First), Map(First, Second, Read)),
        new("more rights than the source has", AbiError.MissingRights, Map(Second, Third, Everything), Create(ObjectKind.Factory, First, 600), Map(First, Second, (int)(Rights.Read | Rights.Map))),
        new("a source that may not be mapped", AbiError.MissingRights, Map(BootSlot.SelfTask, Third, (int)Rights.Control)),
        new("a gate that may not be called or given away", AbiError.MissingRights, [Ipc(IpcOperation.Call, Second), Ipc(IpcOperation.Send, Second), Line($"{Call.Redirect} {Second} {BootSlot.SelfTask}")], Gate(First), Map(First, Second, Read)),
        new("a notification without its rights", AbiError.MissingRights, [Line($"{Call.Notification} {Second} {(int)NotificationOperation.Signal}"), Line($"{Call.Notification} {Third} {(int)NotificationOperation.Take}")], Create(ObjectKind.Notification, First), Map(First, Second, Read), Map(First, Third, (int)Rights.Write)),
        new("a log that may not be written", AbiError.MissingRights, Line($"{Call.Log} {Second}"), Create(ObjectKind.Log, First), Map(First, Second, Read)),
        new("memory that may only be read", AbiError.MissingRights, Line($"{Call.Descriptor} {Second} {(int)DescriptorOperation.Memory} 0"), Create(ObjectKind.Dataspace, First, 4096), Map(First, Second, Read)),
        // quota
        new("more than the factory has", AbiError.QuotaExhausted, [Create(ObjectKind.Factory, First, TooMuch), Create(ObjectKind.Factory, First, long.MaxValue), Create(ObjectKind.Factory, First, 600, 17), Create(ObjectKind.Dataspace, First, TooMuch), Create(ObjectKind.Dataspace, First, long.MaxValue)]),
        new("more than a factory of that factory has", AbiError.QuotaExhausted, [Create(ObjectKind.Task, Third, factory: First), Create(ObjectKind.Factory, Third, 600, 1, First), Create(ObjectKind.Dataspace, Third, 1, 0, First)], Create(ObjectKind.Factory, First, 512), Create(ObjectKind.Notification, Second, factory: First)),
        new("a slot of a task whose factory has nothing left", AbiError.QuotaExhausted, Map(BootSlot.Factory, 1, Read, Second), Create(ObjectKind.Factory, First, 512), Create(ObjectKind.Task, Second, factory: First)),
        // arguments
        new("a kind that cannot be made", AbiError.InvalidArgument, [.. new[] { -1, 0, (int)ObjectKind.Descriptor, 10, int.MaxValue }.Select(kind => Create((ObjectKind)kind, First))]),
        new("numbers below zero", AbiError.InvalidArgument, [Create(ObjectKind.Task, -1), Create(ObjectKind.Factory, First, -1), Create(ObjectKind.Factory, First, 600, -1), Create(ObjectKind.Dataspace, First, -1), Map(BootSlot.Factory, -1, Read), Ipc(IpcOperation.Wait, 0, -1), Ipc(IpcOperation.Call, BootSlot.Log, -1), Ipc(IpcOperation.Send, BootSlot.Log, -1)]),
        new("a name that is too long", AbiError.InvalidArgument, [Create(ObjectKind.Log, First, name: new string('n', 241)), Line($"l:65329 {Call.Create} 1 {(int)ObjectKind.Log} {First} 0 0"), Line($"l:4294967295 {Call.Create} 1 {(int)ObjectKind.Log} {First} 0 0")]),
        new("rights, operations and modes that are none", AbiError.InvalidArgument, [Map(BootSlot.Factory, First, Everything + 1), Line($"{Call.Unmap} -1 {BootSlot.Log} 2"), Control(BootSlot.SelfTask, (TaskOperation)99), Line($"{Call.Notification} {BootSlot.Log} 9"), Line($"{Call.Descriptor} {BootSlot.Log} 9 0"), Line($"{Call.Descriptor} {BootSlot.Log} 0 {1 << 22}"), Ipc((IpcOperation)9, 0)]),
        new("the network server's word from another task", AbiError.InvalidArgument, Control(BootSlot.SelfTask, TaskOperation.Ready)),
        // start descriptions
        new("a description that is cut off, or leads out of the payload", AbiError.InvalidArgument, [Start(First, [1, 0, 9]), Start(First, Group, [1, 0]), Start(First, Field(StartTag.Layer, [65], 2)), Start(First, Group, Field(StartTag.Argument, [65], -1)), Start(First, Group, Field(StartTag.Argument, [65], int.MaxValue))], Create(ObjectKind.Task, First)),
        new("a description as long as no payload is", AbiError.InvalidArgument, Line($"l:4294967295 {Call.Start} {First}"), Create(ObjectKind.Task, First)),
        new("a control group whose name is none", AbiError.InvalidArgument, [Start(First), Start(First, Field(StartTag.ControlGroup, [])), Start(First, Field(StartTag.ControlGroup, Encoding.ASCII.GetBytes("../escaped"))), Start(First, Field(StartTag.ControlGroup, new byte[200]))], Create(ObjectKind.Task, First)),
        new("a description without its gate, its notification or its directory", AbiError.NoCapability, [Start(First, Group), Start(First, Group, Slot(StartTag.Handler, Second)), Start(First, Group, Slot(StartTag.Handler, Second), Slot(StartTag.ExitNotification, Third)), Start(First, Group, Slot(StartTag.Handler, Second), Slot(StartTag.ExitNotification, Third), Slot(StartTag.Join, Empty))], Create(ObjectKind.Task, First), Gate(Second), Create(ObjectKind.Notification, Third)),
        new("a description that names what is of another kind", AbiError.WrongKind, [Start(First, Group, Slot(StartTag.Handler, BootSlot.Log)), Start(First, Group, Slot(StartTag.Handler, Second), Slot(StartTag.ExitNotification, BootSlot.Log)), Start(First, Group, Slot(StartTag.Handler, Second), Slot(StartTag.ExitNotification, Third), Slot(StartTag.Directory, BootSlot.Log))], Create(ObjectKind.Task, First), Gate(Second), Create(ObjectKind.Notification, Third)),
        new("a description whose gate and notification lack their rights", AbiError.MissingRights, [Start(First, Group, Slot(StartTag.Handler, 80)), Start(First, Group, Slot(StartTag.Handler, Second), Slot(StartTag.ExitNotification, 81))], Create(ObjectKind.Task, First), Gate(Second), Create(ObjectKind.Notification, Third), Map(Second, 80, Read), Map(Third, 81, Read)),
        new("to join what does not run", AbiError.WrongState, Start(First, Group, Slot(StartTag.Handler, Second), Slot(StartTag.ExitNotification, Third), Slot(StartTag.Join, 80)), Create(ObjectKind.Task, First), Gate(Second), Create(ObjectKind.Notification, Third), Create(ObjectKind.Task, 80)),
        // states
        new("a task that does not run, or has none of it", AbiError.WrongState, [Control(First, TaskOperation.Signal, 9), Control(First, TaskOperation.Pause), Control(First, TaskOperation.Resume), Control(First, TaskOperation.Terminal), Control(First, TaskOperation.Kept), Control(First, TaskOperation.LetGo, -1), Control(First, TaskOperation.LetGo, 99)], Create(ObjectKind.Task, First)),
        new("a task that runs is not destroyed, and no container", AbiError.WrongState, [Control(BootSlot.SelfTask, TaskOperation.Destroy), Control(BootSlot.SelfTask, TaskOperation.Pause)]),
        new("a notification that tells of nothing", AbiError.WrongState, Line($"{Call.Notification} {First} {(int)NotificationOperation.Take}"), Create(ObjectKind.Notification, First)),
        // threads
        new("a thread of what is no task", AbiError.WrongKind, Create(ObjectKind.Thread, First, 0, BootSlot.Log)),
        new("a thread of nobody", AbiError.NoCapability, Create(ObjectKind.Thread, First, 0, Empty)),
        new("a thread of a task that may only be looked at", AbiError.MissingRights, Create(ObjectKind.Thread, Third, 0, Second), Create(ObjectKind.Task, First), Map(First, Second, Read)),
        new("a thread of a task that has been destroyed", AbiError.WrongState, Create(ObjectKind.Thread, Second, 0, First), Create(ObjectKind.Task, First), Control(First, TaskOperation.Destroy)),
        new("a thread that its factory has no memory for, or may not make", AbiError.QuotaExhausted, [Create(ObjectKind.Thread, Third, 0, BootSlot.SelfTask, First), Create(ObjectKind.Thread, Third, 0, BootSlot.SelfTask, Second)], Create(ObjectKind.Factory, First, 60_000, 16), Create(ObjectKind.Factory, Second, 70_000)),
        new("more threads than the factory may make", AbiError.QuotaExhausted, Create(ObjectKind.Thread, Third, 0, BootSlot.SelfTask, First), Create(ObjectKind.Factory, First, 200_000, 1), Create(ObjectKind.Thread, Second, 0, BootSlot.SelfTask, First)),
        new("to be a thread of another task", AbiError.InvalidArgument, Control(Second, TaskOperation.Bind), Create(ObjectKind.Task, First), Create(ObjectKind.Thread, Second, 0, First)),
        new("to be a thread that may only be looked at", AbiError.MissingRights, [Control(Second, TaskOperation.Bind), Control(Second, TaskOperation.Status)], Create(ObjectKind.Thread, First, 0, BootSlot.SelfTask), Map(First, Second, Read)),
        new("to be a task, and what only a task does", AbiError.InvalidArgument, [Control(BootSlot.SelfTask, TaskOperation.Bind), Control(First, TaskOperation.Signal, 9), Control(First, TaskOperation.Destroy)], Create(ObjectKind.Thread, First, 0, BootSlot.SelfTask)),
        // messages
        new("a caller that nobody is", AbiError.NoCaller, [Ipc(IpcOperation.Reply, 1), Ipc(IpcOperation.Reply, long.MaxValue), Ipc(IpcOperation.ReplyValue, 12345), Line($"{Call.Caller} 12345")]),
        new("a call to itself", AbiError.Cancelled, [Ipc(IpcOperation.Call, First), Ipc(IpcOperation.Send, First)], Gate(First)),
        new("a message with what is not there", AbiError.NoCapability, [Carrying(Empty, Read, IpcOperation.Call), Carrying(-1, Read, IpcOperation.Send)], Create(ObjectKind.Task, First), Create(ObjectKind.Gate, Second, 7, First)),
        new("a message with more than its sender has, or may give away", AbiError.MissingRights, [Carrying(Third, Everything, IpcOperation.Call), Carrying(Third, Everything, IpcOperation.Send), Carrying(BootSlot.SelfTask, (int)Rights.Control, IpcOperation.Send)], Create(ObjectKind.Task, First), Create(ObjectKind.Gate, Second, 7, First), Map(Second, Third, (int)(Rights.Call | Rights.Map))),
        new("a message with rights that are none, or with too many capabilities", AbiError.InvalidArgument, [Carrying(Second, Everything + 1, IpcOperation.Send), "n:5 " + Ipc(IpcOperation.Send, Second, 1000), "n:4294967295 " + Ipc(IpcOperation.Call, Second, 1000), "n:0 " + Ipc((IpcOperation)9, 0)], Create(ObjectKind.Task, First), Create(ObjectKind.Gate, Second, 7, First)),
        new("a call that nobody answers, and a message that does not come", AbiError.TimedOut, [Ipc(IpcOperation.Call, Second, 1000), Ipc(IpcOperation.Send, Second, 1000), Carrying(Second, Read, IpcOperation.Send), "n:0 " + Ipc(IpcOperation.Wait, 0, 1000)], Create(ObjectKind.Task, First), Create(ObjectKind.Gate, Second, 7, First)),
    ];

    private static async Task<(KernelStatistics Statistics, string Descriptors)> RestAsync(RunningKernel kernel) => (await kernel.Service.KernelStatisticsAsync(CancellationToken.None), await kernel.DescriptorsAtRestAsync());

    [Fact]
    public async Task Each_bad_call_has_an_error_of_its_own_and_leaves_nothing_half_made()
    {
        (KernelStatistics Statistics, string Descriptors) rest;
        await using (var quiet = await RunningKernel.StartAsync()) rest = await RestAsync(quiet);
        var servers = Directory.CreateTempSubdirectory("eyrie-servers-").FullName;
        foreach (var server in new[] { "metteagle", "network" }) File.Copy(Path.Combine(RunningKernel.Binaries, server), Path.Combine(servers, server));
        File.Copy(Tool, Path.Combine(servers, "nativecalls"));
        await using var kernel = await RunningKernel.StartAsync(servers, s_group, null, null, null, "nativecalls:" + string.Join(' ', s_refusals.Select(refusal => refusal.Row)));
        await kernel.ConnectAsync();
        List<string> Said() => [.. kernel.Errors.Where(line => line.StartsWith("native: ", StringComparison.Ordinal))];
        await kernel.UntilAsync(() => Said().Any(line => line.StartsWith("native: end", StringComparison.Ordinal)), "the end of the native task");
        var said = Said();
        Assert.Equal(s_refusals.Length + 1, said.Count);
        var other = s_refusals.Zip(said).Where(pair => pair.First.Line != pair.Second).Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.First.What}: {pair.Second}, not {pair.First.Line}")).ToList();
        Assert.True(other.Count == 0, string.Join('\n', other));
        Assert.Equal("native: end as begun", said[^1]);
        Assert.Equal(rest, await RestAsync(kernel));
        Directory.Delete(servers, recursive: true);
    }
}
