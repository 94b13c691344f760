using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Tests.Checker;

/// <summary>The kernel did something else than the model. The message gives the seed and step that show it again, and the operations before it.</summary>
public sealed class DiffersException(string message) : Exception(message);

/// <summary>One random history of kernel operations, each done by the kernel and by the model and compared.</summary>
public sealed unsafe class World : IDisposable
{
    private const int MaxObjects = 40, MaxCapabilities = 140, Slots = 16, CompareEvery = 8;

    private readonly Random _random;
    private readonly int _seed;
    private readonly void* _memory;
    private readonly Model _model = new(MaxObjects - 1, MaxCapabilities - 1);
    private readonly ModelObject _boot;
    private readonly Queue<string> _history = new();
    private Kernel<TestMachine> _kernel;
    private readonly Dictionary<string, int> _done;
    private readonly List<long> _handles = [];
    private readonly HashSet<long> _given = [];
    private long _word;
    private int _step;

    private World(int seed, Dictionary<string, int> done)
    {
        (_seed, _random, _done) = (seed, new Random(seed), done);
        _memory = NativeMemory.AllocZeroed((nuint)Kernel<TestMachine>.MemoryFor(MaxObjects, MaxCapabilities));
        TestMachine.Begin(MaxObjects);
        _kernel.Initialize((byte*)_memory, MaxObjects, MaxCapabilities);
        const long Bytes = 300_000, Processes = 100;
        _kernel.Boot(Bytes, Processes, out int factory, out int task);
        var paying = new ModelObject(ObjectKind.Factory, null) { Booted = true, Index = factory, Bytes = Bytes, Processes = Processes };
        _boot = new ModelObject(ObjectKind.Task, paying) { Booted = true, Index = task };
        _model.Objects.AddRange([paying, _boot]);
        foreach (var (slot, target) in new[] { (0, paying), (1, _boot) })
        {
            Expect("boot", _kernel.Insert(task, slot, target.Index, Rights.All, 0) > 0, true);
            _model.Capabilities.Add(new ModelCapability(_boot, slot, target, Rights.All, null));
        }
    }

    /// <summary>Runs histories of <paramref name="length"/> steps from consecutive seeds.</summary>
    /// <returns>How often each operation was done and with which kind of end, so that a run that tries nothing is seen.</returns>
    /// <exception cref="DiffersException"/>
    public static Dictionary<string, int> Run(int firstSeed, int histories, int length)
    {
        var done = new Dictionary<string, int>();
        for (int seed = firstSeed; seed < firstSeed + histories; seed++)
        {
            using var world = new World(seed, done);
            for (world._step = 0; world._step < length; world._step++) world.Step();
            world.Compare();
        }
        return done;
    }

    public void Dispose() => NativeMemory.Free(_memory);

    private int Slot() => _random.Next(40) == 0 ? -1 : _random.Next(Slots);

    /// <summary>Mostly a slot of the task that holds what is wanted, so that histories get somewhere; else any.</summary>
    private int Slot(ModelObject task, Func<ModelCapability, bool> wanted)
    {
        var fitting = _random.Next(6) == 0 ? [] : _model.Capabilities.Where(c => c.Holder == task && wanted(c)).ToList();
        return fitting.Count == 0 ? Slot() : fitting[_random.Next(fitting.Count)].Slot;
    }

    /// <summary>Mostly an empty slot.</summary>
    private int Free(ModelObject? task)
    {
        int slot = Slot();
        for (int tries = 0; tries < 4 && task is not null && _model.Find(task, slot) is not null && _random.Next(6) > 0; tries++) slot = _random.Next(Slots);
        return slot;
    }

    private Rights SomeRights() => _random.Next(3) == 0 ? (Rights)_random.Next(64) : Rights.All;

    private void Step()
    {
        _model.Begin();
        TestMachine.Resumed.Clear();
        TestMachine.Released.Clear();
        TestMachine.Lost.Clear();
        // A task that waits does nothing; the first task never waits, as nobody could wake it.
        if (_random.Next(150) == 0) TidyUp();
        if (_random.Next(300) == 0) TakeOver();
        var able = _model.Objects.Where(o => o is { Kind: ObjectKind.Task, Alive: true, Waiting: Waiting.No }).ToList();
        var actor = _random.Next(3) == 0 ? _boot : able[_random.Next(able.Count)];
        switch (_random.Next(20))
        {
            case < 5: Create(actor); break;
            case < 10: Map(actor); break;
            case 10 when _random.Next(3) == 0: Redirect(actor); break;
            case < 11: Unmap(actor); break;
            case < 14: if (Able(task => _model.Capabilities.Any(c => c.Holder == task.Space && c.Target is { Kind: ObjectKind.Gate, Server.Alive: true })) is { } caller) Call(caller); break;
            case < 16: if (Able(task => _model.Objects.Any(o => o.Kind == ObjectKind.Gate && o.Server == task.Space)) is { } server) WaitFor(server); break;
            case < 18: if (Able(task => _model.OwedBy(task.Space).Count > 0) is { } owing) ReplyTo(owing); break;
            case 18: Withdraw(); break;
            case 19: Destroy(); break;
        }
        CompareEffects();
        if (_step % CompareEvery == 0) Compare();
    }

    /// <summary>A thread that can act, mostly one that fits; never the first of the first task, which must not wait.</summary>
    private ModelObject? Able(Func<ModelObject, bool> fits)
    {
        var able = _model.Objects.Where(o => o is { Kind: ObjectKind.Task, Alive: true, Booted: false } or { Kind: ObjectKind.Thread } && o.Waiting == Waiting.No).ToList();
        var fitting = _random.Next(10) == 0 ? able : able.Where(fits).ToList();
        return fitting.Count == 0 ? null : fitting[_random.Next(fitting.Count)];
    }

    private void Note(string word)
    {
        _history.Enqueue($"{_step}: {word}");
        if (_history.Count > 25) _history.Dequeue();
    }

    private void Expect<T>(string what, T kernel, T model)
    {
        if (!EqualityComparer<T>.Default.Equals(kernel, model)) throw new DiffersException($"seed {_seed}, step {_step}: {what}: kernel {kernel}, model {model}\n{string.Join('\n', _history)}");
    }

    /// <summary>Compares the results of an operation and counts how it ended.</summary>
    private void Result(string operation, long kernel, long model)
    {
        Expect(operation, kernel, model);
        var end = operation + (model == long.MinValue ? " blocked" : model < 0 ? $" refused {model}" : " done");
        _done[end] = _done.GetValueOrDefault(end) + 1;
    }

    /// <summary>The kernel is killed: of everything that follows from its objects and capabilities nothing can be relied on, and a successor makes it anew. Nobody waits any more.</summary>
    private void TakeOver()
    {
        Note("a successor takes over");
        for (int c = 1; c < MaxCapabilities; c++)
        {
            ref var record = ref _kernel.Capabilities[c];
            record.FirstChild = record.NextSibling = record.PreviousSibling = record.NextInBucket = record.NextInTask = record.PreviousInTask = record.NextFree = _random.Next(MaxCapabilities);
        }
        for (int o = 1; o < MaxObjects; o++)
        {
            ref var record = ref _kernel.Objects[o];
            record.References = record.NextFree = _random.Next(MaxObjects);
            if (record.Kind == ObjectKind.Factory) record.B = record.D = _random.Next(10_000);
            ref var task = ref _kernel.Tasks[o];
            task.FirstCapability = task.QueueHead = task.QueueTail = task.QueueNext = task.FirstReceiver = task.FirstThread = task.NextThread = task.FirstOwed = task.NextOwed = _random.Next(MaxObjects);
        }
        _kernel.Rebuild();
        _kernel.Settle();
        _model.NobodyWaits();
        Count("taken over", 1);
    }

    private void Count(string end, int times) => _done[end] = _done.GetValueOrDefault(end) + times;

    private void Create(ModelObject actor)
    {
        int from = Slot(actor, c => c.Target.Kind == ObjectKind.Factory), to = Free(actor);
        var kind = _random.Next(3) == 0 ? (ObjectKind)_random.Next(1, 10) : _random.Next(5) switch { 0 => ObjectKind.Thread, < 3 => ObjectKind.Gate, _ => ObjectKind.Task };
        long a = kind is ObjectKind.Factory or ObjectKind.Dataspace ? (_random.Next(20) == 0 ? long.MaxValue - _random.Next(600) : _random.Next(_random.Next(4) == 0 ? 150_000 : 12_000)) : _random.Next(-1, 1000), b = kind is ObjectKind.Gate or ObjectKind.Thread ? Slot(actor, c => c.Target is { Kind: ObjectKind.Task, Alive: true, Booted: false }) : kind == ObjectKind.Factory ? _random.Next(80) : _random.Next(-1, 40);
        Note($"task {actor.Index} creates {kind} by factory {from} in {to} ({a}, {b})");
        long expected = _model.Create(actor, from, kind, to, a, b, out var made);
        Result($"create {kind}", _kernel.Create(actor.Index, from, kind, to, a, b, null, 0), expected);
        if (made is null) return;
        made.Index = _kernel.Capabilities[_kernel.Find(actor.Index, to)].Object;
        TestMachine.Keep(made.Index, 0, 0); // its place was another task's
        if (kind is ObjectKind.Notification or ObjectKind.Task or ObjectKind.Log or ObjectKind.Thread) Expect($"what the port keeps for {kind} {made.Index}", (_kernel.Objects[made.Index].A, _kernel.Objects[made.Index].B), (kind == ObjectKind.Thread ? Model.ThreadBytes : 0L, 0L));
    }

    private void Map(ModelObject actor)
    {
        bool gates = _random.Next(2) == 0; // without them nobody could call anybody
        int source = Slot(actor, c => (c.Rights & Rights.Map) != 0 && (!gates || c.Target is { Kind: ObjectKind.Gate, Server.Alive: true })), task = Slot(actor, c => c.Target is { Kind: ObjectKind.Task, Alive: true });
        int to = Free(_model.Find(actor, task)?.Target);
        var rights = SomeRights() & (_random.Next(6) > 0 && _model.Find(actor, source) is { } from ? from.Rights : Rights.All);
        Note($"task {actor.Index} maps {source} to {to} of task {task} with {rights}");
        Result("map", _kernel.Map(actor.Index, source, task, to, rights), _model.Map(actor, source, task, to, rights));
    }

    private void Unmap(ModelObject actor)
    {
        int task = _random.Next(2) == 0 ? -1 : Slot(actor, c => c.Target.Kind == ObjectKind.Task), slot = Slot(_model.Find(actor, task)?.Target ?? actor, _ => true);
        var mode = (UnmapMode)_random.Next(2);
        if (actor == _boot && _random.Next(4) > 0) mode = UnmapMode.Derived;
        if (actor == _boot && task < 0 && slot < 2 && mode == UnmapMode.Self) return; // without its factory nothing happens any more
        Note($"task {actor.Index} unmaps {slot} of task {task}, {mode}");
        Result("unmap", _kernel.Unmap(actor.Index, task, slot, mode), _model.Unmap(actor, task, slot, mode));
    }

    private void Redirect(ModelObject actor)
    {
        int gate = Slot(actor, c => c.Target.Kind == ObjectKind.Gate), task = Slot(actor, c => c.Target is { Kind: ObjectKind.Task, Booted: false });
        Note($"task {actor.Index} redirects {gate} to task {task}");
        Result("redirect", Math.Min(0, _kernel.Redirect(actor.Index, gate, task)), _model.Redirect(actor, gate, task));
    }

    private void Call(ModelObject actor)
    {
        int slot = Slot(actor.Space, c => c.Target.Kind == ObjectKind.Gate && c.Target.Server!.Alive);
        var operation = _random.Next(3) == 0 ? IpcOperation.Send : IpcOperation.Call;
        Keep(actor);
        Note($"task {actor.Index}: {operation} through {slot} with {++_word} and {Pack(actor)}");
        long called = _kernel.Ipc(actor.Index, operation, slot), expected = _model.Call(actor, slot, _word, operation == IpcOperation.Send);
        if (called == Kernel<TestMachine>.Blocked && operation == IpcOperation.Call)
        {
            actor.Handle = _kernel.HandleOf(actor.Index);
            if (!_given.Add(actor.Handle)) throw new DiffersException($"seed {_seed}, step {_step}: two calls have the handle {actor.Handle:x}");
            _handles.Add(actor.Handle);
        }
        Result(operation == IpcOperation.Send ? "send" : "call", called, expected);
    }

    /// <summary>A message with the word at hand and, in one of three, with capabilities: mostly such as may go along.</summary>
    private string Pack(ModelObject actor)
    {
        var carries = new List<(int Slot, Rights Rights)>();
        for (int i = _random.Next(3) > 0 ? 0 : _random.Next(20) == 0 ? MessageLayout.MaxCapabilities + 1 : _random.Next(1, 4); i > 0; i--)
        {
            int slot = Slot(actor.Space, c => (c.Rights & Rights.Map) != 0);
            var rights = _random.Next(6) > 0 && _model.Find(actor.Space, slot) is { } from ? from.Rights & SomeRights() : (Rights)_random.Next(70);
            carries.Add((slot, rights));
        }
        actor.Carries = carries;
        TestMachine.Put(actor.Index, _word, carries);
        return string.Join(" and ", carries.Select(pair => $"{pair.Slot} ({pair.Rights})").DefaultIfEmpty("nothing"));
    }

    /// <summary>The slots for what comes; mostly a row of empty ones.</summary>
    private void Keep(ModelObject actor)
    {
        actor.Keeps = _random.Next(5) switch { 0 => (_random.Next(-1, Slots), _random.Next(4)), 1 => (0, 0), _ => (Free(actor.Space), 1 + _random.Next(3)) };
        TestMachine.Keep(actor.Index, actor.Keeps.First, actor.Keeps.Count);
    }

    private void WaitFor(ModelObject actor)
    {
        Keep(actor);
        Note($"task {actor.Index} waits and keeps {actor.Keeps}");
        Result("wait", _kernel.Ipc(actor.Index, IpcOperation.Wait, 0), _model.Wait(actor));
    }

    private void ReplyTo(ModelObject actor)
    {
        // Mostly somebody who is owed a reply; else anything, as a hostile server would.
        var owed = _model.OwedBy(actor.Space);
        var caller = owed.Count > 0 && _random.Next(4) > 0 ? owed[_random.Next(owed.Count)] : null;
        long handle = caller?.Handle ?? (_random.Next(2) == 0 && _handles.Count > 0 ? _handles[_random.Next(_handles.Count)] : _random.Next(-2, MaxObjects + 2));
        caller ??= _model.Objects.FirstOrDefault(o => o.Kind is ObjectKind.Task or ObjectKind.Thread && o.Handle == handle && handle != 0);
        var operation = _random.Next(3) switch { 0 => IpcOperation.Reply, 1 => IpcOperation.ReplyWait, _ => IpcOperation.ReplyValue };
        Note($"task {actor.Index}: {operation} to {handle} with {++_word} and {(operation == IpcOperation.ReplyValue ? "words" : Pack(actor))}");
        long replied = _model.Reply(actor, caller, _word, operation == IpcOperation.ReplyValue);
        if (operation == IpcOperation.ReplyValue)
        {
            Expect("reply value", _kernel.ReplyValue(actor.Index, handle, _word, 0), replied == 0);
            if (replied == 0) Expect("the value", ((long*)(TestMachine.MessageBuffer(caller!.Index) + MessageLayout.Words))[1], _word);
            if (replied == 0) Expect("what came with it", TestMachine.Carried(caller!.Index).Came, 0);
            _model.Replied.Clear();
            return;
        }
        long expected = operation == IpcOperation.ReplyWait && replied is 0 or AbiError.NoCaller ? _model.Wait(actor) : replied;
        Result("reply", _kernel.Ipc(actor.Index, operation, handle), operation == IpcOperation.Reply ? replied : expected);
    }

    private void Withdraw()
    {
        var waiting = _model.Objects.Where(o => o.Waiting is Waiting.Queued or Waiting.Reply || (o.Waiting == Waiting.Receiving && _random.Next(8) == 0)).ToList();
        if (waiting.Count == 0 || _random.Next(4) > 0) return;
        var task = waiting[_random.Next(waiting.Count)];
        bool late = _random.Next(2) == 0;
        Note($"task {task.Index} {(late ? "runs out of time" : "gives up its call")}");
        if (late) _kernel.TimeOut(task.Index); else _kernel.Withdraw(task.Index);
        if (late) _model.TimeOut(task); else _model.Withdraw(task);
    }

    private void Destroy()
    {
        var tasks = _model.Objects.Where(o => o.Kind == ObjectKind.Task && o != _boot).ToList();
        if (tasks.Count == 0 || _random.Next(5) > 0) return;
        var task = tasks[_random.Next(tasks.Count)];
        if (_random.Next(4) == 0)
        {
            // The process behind it is another now: who waits for the old one is told, and it holds what it held.
            Note($"task {task.Index} begins anew");
            _kernel.CancelIpc(task.Index);
            _model.BeginAnew(task);
            return;
        }
        Note($"task {task.Index} is destroyed");
        _kernel.DestroyTask(task.Index);
        _model.Destroy(task);
    }

    /// <summary>Now and then the first task lets go of most of what it holds, so that a history is not stuck in full tables.</summary>
    private void TidyUp()
    {
        foreach (var capability in _model.Capabilities.Where(c => c.Holder == _boot && c.Slot > 1 && _random.Next(3) > 0).ToList())
        {
            if (_model.Find(_boot, capability.Slot) is null) continue;
            Note($"task {_boot.Index} lets go of {capability.Slot}");
            Result("unmap", _kernel.Unmap(_boot.Index, -1, capability.Slot, UnmapMode.Self), _model.Unmap(_boot, -1, capability.Slot, UnmapMode.Self));
        }
    }

    /// <summary>Whom the operation woke, what it delivered and what it destroyed: each exactly once.</summary>
    private void CompareEffects()
    {
        Count("resumed", _model.Resumed.Count);
        Count("thread cancelled", _model.Resumed.Count(pair => pair is { Task.Kind: ObjectKind.Thread, Result: AbiError.Cancelled }));
        Count("delivered to a thread", _model.Delivered.Count(message => message.Server.Kind == ObjectKind.Thread));
        Count("destroyed", _model.Released.Count);
        Count("delivered", _model.Delivered.Count);
        Count("replied", _model.Replied.Count);
        static string Words(IEnumerable<(int, long)> pairs) => string.Join(", ", pairs.Order());
        // Whether a task that dies in the same operation was woken before depends on the order of the deaths, which nobody can tell.
        // A thread is told of its own death too.
        bool Lives(int index) => !_model.Objects.Concat(_model.Released).Any(o => o.Index == index && o is { Kind: ObjectKind.Task, Alive: false });
        Expect("resumed", Words(TestMachine.Resumed.Where(pair => Lives(pair.Task))), Words(_model.Resumed.Select(pair => (pair.Task.Index, pair.Result)).Where(pair => Lives(pair.Index))));
        Expect("destroyed", string.Join(", ", TestMachine.Released.Order()), string.Join(", ", _model.Released.Select(o => o.Index).Order()));
        Expect("revoked", string.Join(", ", TestMachine.Lost.Order()), string.Join(", ", _model.Revoked.Order()));
        foreach (var (server, caller, word, label, carried) in _model.Delivered)
        {
            if (_model.Replied.All(reply => reply.Caller != server)) Expect($"message of task {server.Index}", TestMachine.Get(server.Index), (word, label, caller.OneWay ? 0 : caller.Handle));
            Expect($"what came with the message of task {server.Index}", TestMachine.Carried(server.Index).Came, carried);
            Expect($"what task {caller.Index} has to send yet", TestMachine.Carried(caller.Index).ToGo, 0);
        }
        foreach (var (caller, word, carried) in _model.Replied)
        {
            Expect($"reply to task {caller.Index}", TestMachine.Get(caller.Index).Word, word);
            Expect($"what came with the reply to task {caller.Index}", TestMachine.Carried(caller.Index).Came, carried);
        }
        Count("carried", _model.Delivered.Sum(message => message.Carried) + _model.Replied.Sum(reply => reply.Carried));
    }

    /// <summary>The whole state.</summary>
    private void Compare()
    {
        var held = new List<string>();
        for (int c = 1; c < MaxCapabilities; c++)
            if (_kernel.Capabilities[c] is { Task: not 0 } record)
            {
                var parent = _kernel.Capabilities[record.Parent];
                held.Add(Line(record.Task, record.Slot, record.Object, record.Rights, record.Parent == 0 ? null : (parent.Task, parent.Slot)));
                if (record.Parent != 0 && (record.Rights & ~parent.Rights) != 0) throw new DiffersException($"seed {_seed}, step {_step}: slot {record.Slot} of task {record.Task} has more rights than what it was derived from");
            }
        var meant = _model.Capabilities.Select(c => Line(c.Holder.Index, c.Slot, c.Target.Index, c.Rights, c.Parent is null ? null : (c.Parent.Holder.Index, c.Parent.Slot)));
        Expect("capabilities", string.Join('\n', held.Order(StringComparer.Ordinal)), string.Join('\n', meant.Order(StringComparer.Ordinal)));
        foreach (var factory in _model.Objects.Where(o => o.Kind == ObjectKind.Factory)) Expect($"bytes used of factory {factory.Index}", _kernel.Objects[factory.Index].B, _model.Used(factory));
        foreach (var factory in _model.Objects.Where(o => o.Kind == ObjectKind.Factory)) Expect($"processes taken from factory {factory.Index}", _kernel.Objects[factory.Index].D, _model.Promised(factory));
        foreach (var task in _model.Objects.Where(o => o.Kind is ObjectKind.Task or ObjectKind.Thread))
        {
            Expect($"life of task {task.Index}", _kernel.Tasks[task.Space.Index].Alive, task.Space.Alive);
            Expect($"state of task {task.Index}", (int)_kernel.Tasks[task.Index].Ipc, (int)task.Waiting);
        }
        int there = Enumerable.Range(1, MaxObjects - 1).Count(index => _kernel.Objects[index].Kind != ObjectKind.None);
        Expect("objects", there, _model.Objects.Count);
    }

    private static string Line(int task, int slot, int target, Rights rights, (int Task, int Slot)? parent) => $"{task}/{slot} {target} {(int)rights} from {parent}";
}
