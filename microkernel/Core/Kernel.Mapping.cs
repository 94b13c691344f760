using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

// The mapping database: which capability was derived from which, so that revoking one revokes everything derived from it.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>Puts a capability into an empty slot. The charge goes to the task's factory. Returns its index or a negative error.</summary>
    /// <param name="task">Who holds it.</param>
    /// <param name="slot">Where.</param>
    /// <param name="objectIndex">What it leads to.</param>
    /// <param name="rights">With which rights.</param>
    /// <param name="parent">The capability it is derived from; 0: none.</param>
    /// <param name="brought">It comes with a message that is not taken yet.</param>
    public int Insert(int task, int slot, int objectIndex, Rights rights, int parent, bool brought = false)
    {
        if (slot < 0) return AbiError.InvalidArgument;
        if (Find(task, slot) != 0) return AbiError.SlotTaken;
        if (_freeCapability == 0) return AbiError.TableFull;
        if (!Charge(Objects[task].Factory, CapabilityCharge)) return AbiError.QuotaExhausted;
        int c = _freeCapability;
        _freeCapability = Capabilities[c].NextFree;
        int bucket = Bucket(task, slot);
        ref var record = ref Capabilities[c];
        record = default;
        record.Task = task;
        record.Slot = slot;
        record.Rights = rights;
        record.Parent = parent;
        record.Brought = brought;
        record.NextInBucket = _buckets[bucket];
        _buckets[bucket] = c;
        record.NextInTask = Tasks[task].FirstCapability;
        if (record.NextInTask != 0) Capabilities[record.NextInTask].PreviousInTask = c;
        Tasks[task].FirstCapability = c;
        Objects[objectIndex].References++;
        if (parent != 0) Adopt(parent, c);
        record.Object = objectIndex; // last: from here on it is held, whatever becomes of whoever carries this out
        return c;
    }

    /// <summary>map: derives a capability of <paramref name="holder"/> into a slot of the task behind another slot.</summary>
    public int Map(int holder, int sourceSlot, int targetTaskSlot, int destinationSlot, Rights rights)
    {
        int source = Find(holder, sourceSlot);
        if (source == 0) return AbiError.NoCapability;
        if ((Capabilities[source].Rights & Rights.Map) == 0) return AbiError.MissingRights;
        if ((rights & ~Capabilities[source].Rights) != 0) return AbiError.MissingRights;
        int target = Decode(holder, targetTaskSlot, ObjectKind.Task, Rights.Control);
        if (target < 0) return target;
        if (!Tasks[target].Alive) return AbiError.WrongState;
        int c = Insert(target, destinationSlot, Capabilities[source].Object, rights, source);
        return c < 0 ? c : 0;
    }

    /// <summary>unmap: removes a capability (self) or everything derived from it (derived) from a task that the holder controls.</summary>
    public int Unmap(int holder, int taskSlot, int slot, UnmapMode mode)
    {
        int task = holder;
        if (taskSlot >= 0)
        {
            task = Decode(holder, taskSlot, ObjectKind.Task, Rights.Control);
            if (task < 0) return task;
        }
        int c = Find(task, slot);
        if (c == 0) return AbiError.NoCapability;
        if (mode == UnmapMode.Derived) RevokeChildren(c);
        else { RevokeChildren(c); Remove(c); }
        return 0;
    }

    /// <summary>Removes every capability derived from one, deepest first; the one itself stays, and with it the object, so nothing else is destroyed on the way.</summary>
    public void RevokeChildren(int c)
    {
        // Down to a leaf, remove it, on from its parent: every capability is visited twice, and depth costs no stack.
        for (int at = c; ;)
        {
            if (Capabilities[at].FirstChild != 0) { at = Capabilities[at].FirstChild; continue; }
            if (at == c) return;
            int parent = Capabilities[at].Parent;
            Remove(at);
            at = parent;
        }
    }

    /// <summary>Removes one capability that has no children.</summary>
    public void Remove(int c)
    {
        ref var record = ref Capabilities[c];
        int objectIndex = record.Object, task = record.Task, slot = record.Slot;
        record.Object = 0; // first: from here on it is not held
        Orphan(c);
        int bucket = Bucket(record.Task, record.Slot);
        int* link = &_buckets[bucket];
        while (*link != c) link = &Capabilities[*link].NextInBucket;
        *link = record.NextInBucket;
        if (record.NextInTask != 0) Capabilities[record.NextInTask].PreviousInTask = record.PreviousInTask;
        if (record.PreviousInTask != 0) Capabilities[record.PreviousInTask].NextInTask = record.NextInTask;
        else Tasks[record.Task].FirstCapability = record.NextInTask;
        Discharge(Objects[record.Task].Factory, CapabilityCharge);
        record = default;
        record.NextFree = _freeCapability;
        _freeCapability = c;
        TMachine.Revoked(task, slot);
        Drop(objectIndex);
    }

    private void Adopt(int parent, int child)
    {
        int first = Capabilities[parent].FirstChild;
        Capabilities[child].Parent = parent;
        Capabilities[child].NextSibling = first;
        if (first != 0) Capabilities[first].PreviousSibling = child;
        Capabilities[parent].FirstChild = child;
    }

    private void Orphan(int c)
    {
        ref var record = ref Capabilities[c];
        if (record.NextSibling != 0) Capabilities[record.NextSibling].PreviousSibling = record.PreviousSibling;
        if (record.PreviousSibling != 0) Capabilities[record.PreviousSibling].NextSibling = record.NextSibling;
        else if (record.Parent != 0) Capabilities[record.Parent].FirstChild = record.NextSibling;
    }
}
