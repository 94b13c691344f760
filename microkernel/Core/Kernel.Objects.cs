using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

// Creating and destroying objects, and who pays for them.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>
    /// create: a new object, charged to the factory behind a slot, its capability with all rights in the destination slot.
    /// Factory: a = bytes, b = processes, both taken out of the parent's. Dataspace: a = bytes. Scheduling context: a = shares, b = thousandths of a CPU.
    /// Gate: a = label, b = slot of the task that serves it. Thread: b = slot of its task.
    /// </summary>
    public int Create(int holder, int factorySlot, ObjectKind kind, int destination, long a, long b, byte* name, int nameLength)
    {
        int factory = Decode(holder, factorySlot, ObjectKind.Factory, Rights.Write);
        if (factory < 0) return factory;
        if (nameLength < 0 || nameLength > ObjectRecord.MaxName || a < 0 || b < 0 || destination < 0) return AbiError.InvalidArgument;
        if (Find(holder, destination) != 0) return AbiError.SlotTaken;
        int server = 0;
        switch (kind)
        {
            case ObjectKind.Task or ObjectKind.Notification or ObjectKind.SchedulingContext or ObjectKind.Log: break;
            case ObjectKind.Factory:
                if (a > Objects[factory].A || b > Objects[factory].C - Objects[factory].D) return AbiError.QuotaExhausted; // and no sum with a can overflow
                break;
            case ObjectKind.Dataspace:
                if (a > Objects[factory].A) return AbiError.QuotaExhausted;
                break;
            case ObjectKind.Gate:
                server = Decode(holder, (int)b, ObjectKind.Task, Rights.Control);
                if (server < 0) return server;
                break;
            case ObjectKind.Thread:
                server = Decode(holder, (int)b, ObjectKind.Task, Rights.Control);
                if (server < 0) return server;
                if (!Tasks[server].Alive) return AbiError.WrongState;
                if (Objects[factory].C - Objects[factory].D < 1) return AbiError.QuotaExhausted;
                a = MessageLayout.Size;
                break;
            default: return AbiError.InvalidArgument;
        }
        if (_freeObject == 0 || _freeCapability == 0) return AbiError.TableFull;
        long charge = ObjectCharge + (HasBytes(kind) ? a : 0);
        int payer = Objects[holder].Factory; // of the slot
        if (!Affords(factory, payer == factory ? charge + CapabilityCharge : charge) || !Affords(payer, CapabilityCharge)) return AbiError.QuotaExhausted;
        // Everything is checked; from here on nothing can fail.
        Charge(factory, charge);
        int o = TakeObject(kind, factory);
        ref var record = ref Objects[o];
        record.Link = server;
        if (server != 0) Objects[server].References++; // a gate keeps its server's index from being used again, a thread its task's
        // Of the other kinds these are the port's: host handles, which no task may choose.
        if (HasBytes(kind) || kind is ObjectKind.Gate or ObjectKind.SchedulingContext) record.A = a;
        if (kind == ObjectKind.Factory) { record.C = b; Objects[factory].D += b; }
        if (kind == ObjectKind.SchedulingContext) record.B = b;
        record.NameLength = nameLength;
        for (int i = 0; i < nameLength; i++) record.Name[i] = name[i];
        if (kind == ObjectKind.Thread) { Objects[factory].D++; Enter(o, server); }
        if (kind == ObjectKind.Task) Tasks[o].Alive = true;
        Insert(holder, destination, o, Rights.All, 0);
        return 0;
    }

    /// <summary>A descriptor object made by the port for a host handle, charged to a factory. Returns the object or a negative error.</summary>
    public int CreateDescriptor(int factory, long handle, byte* name, int nameLength)
    {
        if (nameLength > ObjectRecord.MaxName) return AbiError.InvalidArgument;
        if (_freeObject == 0) return AbiError.TableFull;
        if (!Charge(factory, ObjectCharge)) return AbiError.QuotaExhausted;
        int o = TakeObject(ObjectKind.Descriptor, factory);
        Objects[o].A = handle;
        Objects[o].NameLength = nameLength;
        for (int i = 0; i < nameLength; i++) Objects[o].Name[i] = name[i];
        return o;
    }

    /// <summary>redirect: a gate has another server from now on. Calls in flight are those of their server still; the port withdraws them.</summary>
    /// <returns>The gate, or a negative error.</returns>
    public int Redirect(int holder, int gateSlot, int taskSlot)
    {
        int gate = Decode(holder, gateSlot, ObjectKind.Gate, Rights.Control);
        if (gate < 0) return gate;
        int server = Decode(holder, taskSlot, ObjectKind.Task, Rights.Control);
        if (server < 0) return server;
        int before = Objects[gate].Link;
        Objects[server].References++;
        Objects[gate].Link = server;
        Drop(before);
        return gate;
    }

    /// <summary>Ends a task: its IPC is cancelled, every capability it holds and everything derived from those is revoked.</summary>
    public void DestroyTask(int task)
    {
        Hold(task); // it may hold the last capability to itself
        Empty(task);
        Drop(task);
    }

    private void Empty(int task)
    {
        if (!Tasks[task].Alive) return;
        Tasks[task].Alive = false;
        CancelIpc(task);
        while (Tasks[task].FirstThread != 0) Unlink(Tasks[task].FirstThread);
        Strip(task);
    }

    private void Strip(int task)
    {
        while (Tasks[task].FirstCapability != 0)
        {
            int c = Tasks[task].FirstCapability;
            RevokeChildren(c);
            Remove(c);
        }
    }

    /// <summary>Kinds that take memory beside the kernel's own record: it is charged with them.</summary>
    private static bool HasBytes(ObjectKind kind) => kind is ObjectKind.Factory or ObjectKind.Dataspace or ObjectKind.Thread;

    /// <summary>The port keeps an object beyond its capabilities (a handler, a notification) until <see cref="Release"/>.</summary>
    public void Hold(int o) => Objects[o].References++;

    public void Release(int o) => Drop(o);

    private bool Affords(int factory, long bytes) => factory == 0 || bytes <= Objects[factory].A - Objects[factory].B;

    /// <summary>Takes bytes from a factory's quota; false and no change when it has too few.</summary>
    private bool Charge(int factory, long bytes)
    {
        if (!Affords(factory, bytes)) return false;
        if (factory != 0) Objects[factory].B += bytes;
        return true;
    }

    private void Discharge(int factory, long bytes)
    {
        if (factory != 0) Objects[factory].B -= bytes;
    }

    /// <summary>
    /// Takes one reference away. Objects whose last one that was are buried one after the other, not one within the other: a chain of tasks that hold each other costs no stack.
    /// </summary>
    private void Drop(int o)
    {
        if (o == 0 || --Objects[o].References != 0) return;
        Objects[o].NextFree = _dying;
        _dying = o;
        if (_burying) return;
        _burying = true;
        while (_dying != 0)
        {
            int next = _dying;
            _dying = Objects[next].NextFree;
            Bury(next);
        }
        _burying = false;
    }

    private void Bury(int o)
    {
        ref var record = ref Objects[o];
        int factory = record.Factory;
        if (record.Kind == ObjectKind.Thread) End(o);
        if (record.Kind is ObjectKind.Gate or ObjectKind.Thread) Drop(record.Link);
        if (record.Kind == ObjectKind.Task) Empty(o);
        TMachine.Release(o, ref record);
        Discharge(factory, ObjectCharge + (HasBytes(record.Kind) ? record.A : 0));
        if (factory != 0 && record.Kind is ObjectKind.Factory or ObjectKind.Thread) Objects[factory].D -= record.Kind == ObjectKind.Thread ? 1 : record.C;
        record = default;
        record.NextFree = _freeObject;
        _freeObject = o;
        Drop(factory); // the object held a reference to the factory that pays for it
    }
}
