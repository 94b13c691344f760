using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

// After a kernel that ended in the middle of anything: what follows from the objects and capabilities themselves is made anew from them, and what they do not bear out goes.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>
    /// Makes lists, counts and charges anew. A capability is held when its object says so, which an operation writes last when it gives and first when it takes; one that does not hold together (an object or a
    /// holder that is not there, more rights than what it was derived from) is held no more, nor is one that came with a message which nobody is known to have taken. Nobody waits for anybody afterwards. The port adds what it holds (<see cref="Hold"/>) and then calls <see cref="Settle"/>.
    /// </summary>
    public void Rebuild()
    {
        for (int i = 0; i < Buckets; i++) _buckets[i] = 0;
        _freeObject = _freeCapability = _dying = 0;
        _burying = false;
        for (int o = 1; o < ObjectCount; o++)
        {
            ref var record = ref Objects[o];
            record.References = record.Pinned ? 1 : 0;
            if (record.Kind == ObjectKind.Factory) record.B = record.D = 0;
            Tasks[o] = new TaskRecord { Alive = Tasks[o].Alive && record.Kind == ObjectKind.Task, Sequence = Tasks[o].Sequence };
        }
        for (int c = 1; c < CapabilityCount; c++)
            if (Capabilities[c].Brought) Capabilities[c].Object = 0; // whoever sent it is told that nothing came of the message
        while (Dropped()) { }
        for (int c = CapabilityCount - 1; c > 0; c--) Link(c);
        for (int c = CapabilityCount - 1; c > 0; c--)
            if (Capabilities[c].Parent is var parent and not 0) Adopt(parent, c);
        for (int o = ObjectCount - 1; o > 0; o--) Account(o);
    }

    /// <summary>Capabilities that do not hold together are held no more; true: there were some, and others may have hung on them.</summary>
    private bool Dropped()
    {
        bool any = false;
        for (int c = 1; c < CapabilityCount; c++)
        {
            ref var record = ref Capabilities[c];
            if (record.Object == 0 || HoldsTogether(record)) continue;
            record.Object = 0;
            any = true;
        }
        return any;
    }

    private readonly bool HoldsTogether(in CapabilityRecord record)
    {
        if (record.Slot < 0 || !Is(record.Object, ObjectCount) || Objects[record.Object].Kind == ObjectKind.None || !Is(record.Task, ObjectCount) || Objects[record.Task].Kind != ObjectKind.Task) return false;
        if (record.Parent == 0) return true;
        if (!Is(record.Parent, CapabilityCount)) return false;
        ref var parent = ref Capabilities[record.Parent];
        return parent.Object == record.Object && (record.Rights & ~parent.Rights) == 0;
    }

    private static bool Is(int index, int count) => index > 0 && index < count;

    private void Link(int c)
    {
        ref var record = ref Capabilities[c];
        if (record.Object == 0)
        {
            record = default;
            record.NextFree = _freeCapability;
            _freeCapability = c;
            return;
        }
        record.PreviousInTask = record.NextFree = 0;
        int bucket = Bucket(record.Task, record.Slot);
        record.NextInBucket = _buckets[bucket];
        _buckets[bucket] = c;
        record.NextInTask = Tasks[record.Task].FirstCapability;
        if (record.NextInTask != 0) Capabilities[record.NextInTask].PreviousInTask = c;
        Tasks[record.Task].FirstCapability = c;
        Objects[record.Object].References++;
        if (Objects[record.Task].Factory is var payer and not 0) Objects[payer].B += CapabilityCharge;
        record.FirstChild = record.NextSibling = record.PreviousSibling = 0;
    }

    private void Account(int o)
    {
        ref var record = ref Objects[o];
        if (record.Kind == ObjectKind.None)
        {
            record = default;
            record.NextFree = _freeObject;
            _freeObject = o;
            return;
        }
        record.NextFree = 0;
        if (record.Kind == ObjectKind.Thread && record.Pinned) record.Link = 0; // the port's, which enters again what it goes on with
        if (record.Kind is ObjectKind.Gate or ObjectKind.Thread && record.Link != 0) Objects[record.Link].References++;
        if (record.Kind == ObjectKind.Thread && record.Link != 0 && Tasks[record.Link].Alive) Enter(o, record.Link);
        if (record.Factory == 0) return;
        ref var factory = ref Objects[record.Factory];
        factory.References++;
        if (record.Pinned) return; // charged to nobody
        factory.B += ObjectCharge + (HasBytes(record.Kind) ? record.A : 0);
        if (record.Kind is ObjectKind.Factory or ObjectKind.Thread) factory.D += record.Kind == ObjectKind.Thread ? 1 : record.C;
    }

    /// <summary>What was being destroyed is, with everything that it held; so is what nobody holds.</summary>
    public void Settle()
    {
        for (int o = 1; o < ObjectCount; o++)
        {
            if (Objects[o].Kind != ObjectKind.Task || Tasks[o].Alive || Tasks[o].FirstCapability == 0) continue;
            Hold(o);
            Strip(o);
            Drop(o);
        }
        for (int o = 1; o < ObjectCount; o++)
        {
            if (Objects[o].Kind == ObjectKind.None || Objects[o].References != 0) continue;
            Hold(o);
            Drop(o);
        }
    }
}
