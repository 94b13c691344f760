using System.Collections.Generic;
using System.Linq;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Tests.Checker;

public enum Waiting { No, Queued, Reply, Receiving }

public sealed class ModelObject(ObjectKind kind, ModelObject? factory)
{
    public ObjectKind Kind { get; } = kind;
    /// <summary>Who pays; null at boot.</summary>
    public ModelObject? Factory { get; } = factory;
    public bool Booted { get; init; }
    /// <summary>Index in the kernel's table.</summary>
    public int Index { get; set; }
    /// <summary>A task's call at hand, or the last one.</summary>
    public long Handle { get; set; }
    public long Bytes { get; init; }
    public long Processes { get; init; }
    /// <summary>A gate's server; a thread's task.</summary>
    public ModelObject? Server { get; set; }
    /// <summary>Whose capability space counts for a thread; a task stands for its own first thread.</summary>
    public ModelObject Space => Kind == ObjectKind.Thread ? Server! : this;
    public long Label { get; init; }

    // A thread's side of IPC; a task has its callers, and its threads that wait for one, the last first.
    public bool Alive { get; set; } = true;
    public Waiting Waiting { get; set; }
    public ModelObject? Called { get; set; }
    public long CalledThrough { get; set; }
    public long Sent { get; set; }
    public List<ModelObject> Queue { get; } = [];
    public List<ModelObject> Receivers { get; } = [];
    public HashSet<ModelObject> Owed { get; } = [];
    public bool OneWay { get; set; }
    /// <summary>What the message in its buffer carries, and the slots that it keeps for what comes.</summary>
    public IReadOnlyList<(int Slot, Rights Rights)> Carries { get; set; } = [];
    public (int First, int Count) Keeps { get; set; }
}

public sealed class ModelCapability(ModelObject holder, int slot, ModelObject target, Rights rights, ModelCapability? parent)
{
    public ModelObject Holder { get; } = holder;
    public int Slot { get; } = slot;
    public ModelObject Target { get; } = target;
    public Rights Rights { get; } = rights;
    public ModelCapability? Parent { get; } = parent;
    /// <summary>It came with a message to this thread, which has done nothing since that shows that it has that.</summary>
    public ModelObject? Brought { get; set; }
}

/// <summary>
/// What the kernel means, said in the plainest way: lists and sets, and everything that can be counted is counted anew each time. An operation gives the result that the kernel must
/// give and leaves the state that the kernel must have.
/// </summary>
public sealed class Model
{
    public const long ObjectCharge = 512, CapabilityCharge = 64, ThreadBytes = MessageLayout.Size;

    public List<ModelObject> Objects { get; } = [];
    public List<ModelCapability> Capabilities { get; } = [];
    /// <summary>Tasks that the last operation let go on, with their results.</summary>
    public List<(ModelObject Task, long Result)> Resumed { get; } = [];
    /// <summary>What the last operation destroyed.</summary>
    public List<ModelObject> Released { get; } = [];
    public List<(int Task, int Slot)> Revoked { get; } = [];
    /// <summary>Messages that the last operation delivered: to whom, from whom, what.</summary>
    public List<(ModelObject Server, ModelObject Caller, long Word, long Label, int Carried)> Delivered { get; } = [];
    /// <summary>Replies that reached their caller.</summary>
    public List<(ModelObject Caller, long Word, int Carried)> Replied { get; } = [];

    private readonly int _maxObjects, _maxCapabilities;

    public Model(int maxObjects, int maxCapabilities) => (_maxObjects, _maxCapabilities) = (maxObjects, maxCapabilities);

    public void Begin()
    {
        Resumed.Clear();
        Released.Clear();
        Revoked.Clear();
        Delivered.Clear();
        Replied.Clear();
    }

    public long Used(ModelObject factory) =>
        Objects.Where(o => o.Factory == factory && !o.Booted).Sum(o => ObjectCharge + (o.Kind == ObjectKind.Thread ? ThreadBytes : o.Kind is ObjectKind.Factory or ObjectKind.Dataspace ? o.Bytes : 0)) + Capabilities.Count(c => c.Holder.Factory == factory) * CapabilityCharge;

    public long Promised(ModelObject factory) => Objects.Where(o => o.Factory == factory).Sum(o => o.Kind == ObjectKind.Factory ? o.Processes : o.Kind == ObjectKind.Thread ? 1 : 0);

    public ModelCapability? Find(ModelObject task, int slot) => Capabilities.FirstOrDefault(c => c.Holder == task && c.Slot == slot);

    private long Decode(ModelObject task, int slot, ObjectKind kind, Rights needed, out ModelObject? found)
    {
        found = null;
        if (Find(task, slot) is not { } capability) return AbiError.NoCapability;
        if (capability.Target.Kind != kind) return AbiError.WrongKind;
        if ((capability.Rights & needed) != needed) return AbiError.MissingRights;
        found = capability.Target;
        return 0;
    }

    /// <summary>After a kernel that was killed: nobody waits, and what came with a message that nobody is known to have is nobody's.</summary>
    public void NobodyWaits()
    {
        foreach (var brought in Capabilities.Where(c => c.Brought is not null).ToList()) Capabilities.RemoveAll(Derived(brought).Contains);
        Collect();
        foreach (var task in Objects)
        {
            (task.Waiting, task.Called) = (Waiting.No, null);
            task.Owed.Clear();
            task.Queue.Clear();
            task.Receivers.Clear();
        }
    }

    public long Create(ModelObject holder, int factorySlot, ObjectKind kind, int slot, long a, long b, out ModelObject? made)
    {
        made = null;
        long refused = Decode(holder, factorySlot, ObjectKind.Factory, Rights.Write, out var factory);
        if (refused < 0) return refused;
        if (a < 0 || b < 0 || slot < 0) return AbiError.InvalidArgument;
        if (Find(holder, slot) is not null) return AbiError.SlotTaken;
        ModelObject? server = null;
        if (kind == ObjectKind.Factory && (a > factory!.Bytes || b > factory.Processes - Promised(factory))) return AbiError.QuotaExhausted;
        if (kind == ObjectKind.Dataspace && a > factory!.Bytes) return AbiError.QuotaExhausted;
        if (kind is ObjectKind.Gate or ObjectKind.Thread && (refused = Decode(holder, (int)b, ObjectKind.Task, Rights.Control, out server)) < 0) return refused;
        if (kind == ObjectKind.Thread && !server!.Alive) return AbiError.WrongState;
        if (kind == ObjectKind.Thread && Promised(factory!) + 1 > factory!.Processes) return AbiError.QuotaExhausted;
        if (kind is ObjectKind.Descriptor or ObjectKind.None) return AbiError.InvalidArgument;
        if (Objects.Count >= _maxObjects || Capabilities.Count >= _maxCapabilities) return AbiError.TableFull;
        var model = new ModelObject(kind, factory) { Bytes = kind is ObjectKind.Factory or ObjectKind.Dataspace ? a : 0, Processes = kind == ObjectKind.Factory ? b : 0, Server = server, Label = kind == ObjectKind.Gate ? a : 0 };
        Objects.Add(model);
        Capabilities.Add(new ModelCapability(holder, slot, model, Rights.All, null));
        if (Used(factory!) > factory!.Bytes || (holder.Factory is { } payer && Used(payer) > payer.Bytes))
        {
            Objects.Remove(model);
            Capabilities.RemoveAt(Capabilities.Count - 1);
            return AbiError.QuotaExhausted;
        }
        made = model;
        return 0;
    }

    public long Map(ModelObject holder, int source, int taskSlot, int destination, Rights rights)
    {
        if (Find(holder, source) is not { } from) return AbiError.NoCapability;
        if ((from.Rights & Rights.Map) == 0 || (rights & ~from.Rights) != 0) return AbiError.MissingRights;
        long refused = Decode(holder, taskSlot, ObjectKind.Task, Rights.Control, out var target);
        if (refused < 0) return refused;
        if (!target!.Alive) return AbiError.WrongState;
        if (destination < 0) return AbiError.InvalidArgument;
        if (Find(target, destination) is not null) return AbiError.SlotTaken;
        if (Capabilities.Count >= _maxCapabilities) return AbiError.TableFull;
        if (target.Factory is { } payer && Used(payer) + CapabilityCharge > payer.Bytes) return AbiError.QuotaExhausted;
        Capabilities.Add(new ModelCapability(target, destination, from.Target, rights, from));
        return 0;
    }

    public long Unmap(ModelObject holder, int taskSlot, int slot, UnmapMode mode)
    {
        var task = holder;
        if (taskSlot >= 0)
        {
            long refused = Decode(holder, taskSlot, ObjectKind.Task, Rights.Control, out var named);
            if (refused < 0) return refused;
            task = named!;
        }
        if (Find(task, slot) is not { } capability) return AbiError.NoCapability;
        var gone = Derived(capability);
        if (mode == UnmapMode.Derived) gone.Remove(capability);
        Remove(gone);
        Collect();
        return 0;
    }

    private void Remove(HashSet<ModelCapability> gone)
    {
        Revoked.AddRange(gone.Select(c => (c.Holder.Index, c.Slot)));
        Capabilities.RemoveAll(gone.Contains);
    }

    /// <summary>A capability and everything derived from it.</summary>
    private HashSet<ModelCapability> Derived(ModelCapability root)
    {
        var found = new HashSet<ModelCapability> { root };
        while (Capabilities.Where(c => c.Parent is not null && found.Contains(c.Parent) && !found.Contains(c)).ToList() is { Count: > 0 } more) found.UnionWith(more);
        return found;
    }

    public void Destroy(ModelObject task)
    {
        End(task);
        Collect();
    }

    /// <summary>Its threads wait for nobody any more, and nobody for them.</summary>
    public void BeginAnew(ModelObject task)
    {
        foreach (var thread in Objects.Where(o => o.Kind == ObjectKind.Thread && o.Server == task).Append(task).ToList()) Cancel(thread);
        foreach (var caller in task.Queue.ToList()) Finish(caller, AbiError.Cancelled);
        task.Queue.Clear();
    }

    /// <summary>A thread that is an object of its own is told that it waits no more.</summary>
    private void Cancel(ModelObject thread)
    {
        if (thread is { Kind: ObjectKind.Thread, Waiting: not Waiting.No }) Resumed.Add((thread, AbiError.Cancelled));
        Withdraw(thread);
        foreach (var brought in Capabilities.Where(c => c.Brought == thread).ToList()) Remove(Derived(brought));
        foreach (var caller in thread.Owed.ToList()) Finish(caller, AbiError.Cancelled);
        thread.Owed.Clear();
    }

    private void End(ModelObject task)
    {
        if (!task.Alive) return;
        task.Alive = false;
        BeginAnew(task);
        while (Capabilities.FirstOrDefault(c => c.Holder == task) is { } held)
        {
            var gone = Derived(held);
            Remove(gone);
        }
    }

    /// <summary>An object is there as long as somebody has a capability to it, or a gate leads to it, or it pays for one that is there.</summary>
    private void Collect()
    {
        while (Objects.FirstOrDefault(o => !o.Booted && Capabilities.All(c => c.Target != o) && Objects.All(other => other.Factory != o && other.Server != o)) is { } lost)
        {
            if (lost.Kind == ObjectKind.Task) End(lost);
            if (lost.Kind == ObjectKind.Thread) Cancel(lost);
            Objects.Remove(lost);
            Released.Add(lost);
        }
    }

    public long Redirect(ModelObject holder, int gateSlot, int taskSlot)
    {
        long refused = Decode(holder, gateSlot, ObjectKind.Gate, Rights.Control, out var gate);
        if (refused < 0 || (refused = Decode(holder, taskSlot, ObjectKind.Task, Rights.Control, out var server)) < 0) return refused;
        gate!.Server = server;
        Collect();
        return 0;
    }

    public long Call(ModelObject task, int slot, long word, bool oneWay = false)
    {
        if (!task.Space.Alive) return AbiError.Cancelled;
        Takes(task);
        long refused = Decode(task.Space, slot, ObjectKind.Gate, Rights.Call, out var gate);
        if (refused < 0) return refused;
        var server = gate!.Server!;
        if (!server.Alive || server == task.Space) return AbiError.Cancelled;
        var receiver = server.Receivers.FirstOrDefault();
        if ((refused = Carries(task)) < 0 || (receiver is not null && (refused = Room(task, receiver)) < 0)) return refused;
        (task.Called, task.CalledThrough, task.Sent, task.OneWay) = (server, gate.Label, word, oneWay);
        if (receiver is not null)
        {
            server.Receivers.RemoveAt(0);
            receiver.Waiting = Waiting.No;
            Deliver(task, receiver);
            Resumed.Add((receiver, 0));
            return oneWay ? 0 : long.MinValue;
        }
        task.Waiting = Waiting.Queued;
        server.Queue.Add(task);
        return long.MinValue;
    }

    /// <summary>It asks for something else: it has what came before.</summary>
    private void Takes(ModelObject thread)
    {
        foreach (var capability in Capabilities.Where(c => c.Brought == thread)) capability.Brought = null;
    }

    private long Carries(ModelObject sender)
    {
        if (sender.Carries.Count > MessageLayout.MaxCapabilities) return AbiError.InvalidArgument;
        foreach (var (slot, rights) in sender.Carries)
        {
            if (Find(sender.Space, slot) is not { } source) return AbiError.NoCapability;
            if (rights > Rights.All) return AbiError.InvalidArgument;
            if (!source.Rights.HasFlag(Rights.Map) || !source.Rights.HasFlag(rights)) return AbiError.MissingRights;
        }
        return 0;
    }

    private long Room(ModelObject sender, ModelObject receiver)
    {
        int needed = sender.Carries.Count;
        if (needed == 0) return 0;
        var (first, count) = receiver.Keeps;
        if (first < 0 || count < needed) return AbiError.NotTaken;
        for (int i = 0; i < needed; i++)
        {
            if (Find(receiver.Space, first + i) is not null) return AbiError.NotTaken;
            if (Capabilities.Count + i >= _maxCapabilities) return AbiError.TableFull;
        }
        return receiver.Space.Factory is { } payer && Used(payer) + needed * CapabilityCharge > payer.Bytes ? AbiError.NotTaken : 0;
    }

    private int Give(ModelObject sender, ModelObject receiver)
    {
        var carried = sender.Carries;
        for (int i = 0; i < carried.Count; i++)
        {
            var source = Find(sender.Space, carried[i].Slot)!;
            Capabilities.Add(new ModelCapability(receiver.Space, receiver.Keeps.First + i, source.Target, carried[i].Rights, source) { Brought = receiver });
        }
        sender.Carries = [];
        return carried.Count;
    }

    private void Deliver(ModelObject caller, ModelObject server)
    {
        Delivered.Add((server, caller, caller.Sent, caller.CalledThrough, Give(caller, server)));
        if (caller.OneWay)
        {
            (caller.Waiting, caller.Called) = (Waiting.No, null);
            return;
        }
        (caller.Waiting, caller.Called) = (Waiting.Reply, server);
        server.Owed.Add(caller);
    }

    public long Wait(ModelObject server)
    {
        if (!server.Space.Alive) return AbiError.Cancelled;
        Takes(server);
        var task = server.Space;
        while (task.Queue.Count > 0)
        {
            var caller = task.Queue[0];
            task.Queue.RemoveAt(0);
            long refused = Carries(caller) is var wrong and < 0 ? wrong : Room(caller, server);
            if (refused < 0)
            {
                Finish(caller, refused);
                continue;
            }
            Deliver(caller, server);
            if (caller.OneWay) Resumed.Add((caller, 0));
            return 0;
        }
        server.Waiting = Waiting.Receiving;
        task.Receivers.Insert(0, server);
        return long.MinValue;
    }

    /// <param name="words">From any thread of the server: words alone, and no sign that it has what came.</param>
    public long Reply(ModelObject server, ModelObject? caller, long word, bool words)
    {
        if (!words && !server.Space.Alive) return AbiError.Cancelled;
        if (!words) Takes(server);
        if (caller is null || !OwedBy(server.Space).Contains(caller)) return AbiError.NoCaller;
        if (!words && (Carries(server) is var refused and < 0 || (refused = Room(server, caller)) < 0)) return refused;
        caller.Called!.Owed.Remove(caller);
        Finish(caller, 0);
        Replied.Add((caller, word, words ? 0 : Give(server, caller)));
        return 0;
    }

    /// <summary>Who is owed a reply by a task: any of its threads may give it.</summary>
    public List<ModelObject> OwedBy(ModelObject task) => [.. Objects.Where(o => o.Kind is ObjectKind.Task or ObjectKind.Thread && o.Space == task).SelectMany(thread => thread.Owed)];

    public void Withdraw(ModelObject task)
    {
        task.Space.Receivers.Remove(task);
        task.Called?.Queue.Remove(task);
        task.Called?.Owed.Remove(task);
        (task.Waiting, task.Called) = (Waiting.No, null);
    }

    public void TimeOut(ModelObject task)
    {
        Withdraw(task);
        Resumed.Add((task, AbiError.TimedOut));
    }

    private void Finish(ModelObject caller, long result)
    {
        (caller.Waiting, caller.Called) = (Waiting.No, null);
        Resumed.Add((caller, result));
    }
}
