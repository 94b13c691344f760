using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

// Creating and destroying objects, and who pays for them.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>
    /// create: a new object, charged to the factory behind a slot, its capability with all rights in the destination slot.
    /// Factory: a = bytes, b = processes, both taken out of the parent's. Scheduling context: a = shares, b = thousandths of a CPU.
    /// Gate: a = label, b = slot of the task that serves it.
    /// </summary>
    public int Create(int holder, int factorySlot, ObjectKind kind, int destination, long a, long b, byte* name, int nameLength)
    {
        int factory = Decode(holder, factorySlot, ObjectKind.Factory, Rights.Write);
        if (factory < 0) return factory;
        if (nameLength < 0 || nameLength > ObjectRecord.MaxName || a < 0 || b < 0) return AbiError.InvalidArgument;
        if (Find(holder, destination) != 0) return AbiError.SlotTaken;
        int server = 0;
        switch (kind)
        {
            case ObjectKind.Task or ObjectKind.Notification or ObjectKind.SchedulingContext or ObjectKind.Log: break;
            case ObjectKind.Factory:
                if (b > Objects[factory].C) return AbiError.QuotaExhausted;
                break;
            case ObjectKind.Gate:
                server = Decode(holder, (int)b, ObjectKind.Task, Rights.Control);
                if (server < 0) return server;
                break;
            default: return AbiError.InvalidArgument;
        }
        if (_freeObject == 0 || _freeCapability == 0) return AbiError.TableFull;
        long charge = ObjectCharge + (kind == ObjectKind.Factory ? a : 0);
        if (!Charge(factory, charge)) return AbiError.QuotaExhausted;
        // Everything is checked but the slot's own charge; from here on a refusal gives all back.
        int o = TakeObject(kind, factory);
        ref var record = ref Objects[o];
        record.Link = server;
        if (server != 0) Objects[server].References++; // a gate keeps its server's index from being used again
        record.A = a;
        if (kind == ObjectKind.Factory) record.C = b;
        else if (kind != ObjectKind.Gate) record.B = b;
        record.NameLength = nameLength;
        for (int i = 0; i < nameLength; i++) record.Name[i] = name[i];
        if (kind == ObjectKind.Task) Tasks[o].Alive = true;
        int c = Insert(holder, destination, o, Rights.All, 0);
        if (c >= 0) return 0;
        Objects[o].References = 1;
        Drop(o);
        return c;
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

    /// <summary>Ends a task: its IPC is cancelled, every capability it holds and everything derived from those is revoked.</summary>
    public void DestroyTask(int task)
    {
        if (!Tasks[task].Alive) return;
        Tasks[task].Alive = false;
        CancelIpc(task);
        while (Tasks[task].FirstCapability != 0)
        {
            int c = Tasks[task].FirstCapability;
            RevokeChildren(c);
            Remove(c);
        }
    }

    /// <summary>The port keeps an object beyond its capabilities (a handler, a notification) until <see cref="Release"/>.</summary>
    public void Hold(int o) => Objects[o].References++;

    public void Release(int o) => Drop(o);

    /// <summary>Takes bytes from a factory's quota; false and no change when it has too few.</summary>
    private bool Charge(int factory, long bytes)
    {
        if (factory == 0) return true;
        ref var record = ref Objects[factory];
        if (bytes > record.A - record.B) return false;
        record.B += bytes;
        return true;
    }

    private void Discharge(int factory, long bytes)
    {
        if (factory != 0) Objects[factory].B -= bytes;
    }

    private void Drop(int o)
    {
        while (o != 0 && --Objects[o].References == 0)
        {
            ref var record = ref Objects[o];
            int factory = record.Factory;
            if (record.Kind == ObjectKind.Gate) { int server = record.Link; record.Link = 0; Drop(server); }
            if (record.Kind == ObjectKind.Task) DestroyTask(o);
            TMachine.Release(o, ref record);
            Discharge(factory, ObjectCharge + (record.Kind == ObjectKind.Factory ? record.A : 0));
            record = default;
            record.NextFree = _freeObject;
            _freeObject = o;
            o = factory; // the object held a reference to the factory that pays for it
        }
    }
}
