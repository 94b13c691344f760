using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

/// <summary>
/// The kernel's state: tables carved from one block of memory that the machine gives, so that nothing is allocated afterwards.
/// Index 0 of every table is "none".
/// </summary>
public unsafe partial struct Kernel<TMachine> where TMachine : IMachine<TMachine>
{
    /// <summary>What each object costs its factory beside its own size, in bytes.</summary>
    public const long ObjectCharge = 512, CapabilityCharge = 64;

    private const int Buckets = 1 << 14;

    public ObjectRecord* Objects;
    public CapabilityRecord* Capabilities;
    public TaskRecord* Tasks;
    private int* _buckets;
    public int ObjectCount, CapabilityCount;
    private int _freeObject, _freeCapability;
    /// <summary>Objects without references that are not yet buried, linked like free ones; and whether somebody is at it.</summary>
    private int _dying;
    private bool _burying;

    /// <summary>Bytes that <see cref="Initialize"/> needs for these table sizes.</summary>
    public static long MemoryFor(int objects, int capabilities) =>
        (long)objects * (sizeof(ObjectRecord) + sizeof(TaskRecord)) + (long)capabilities * sizeof(CapabilityRecord) + Buckets * sizeof(int);

    /// <summary>Takes zeroed memory of <see cref="MemoryFor"/> bytes.</summary>
    public void Initialize(byte* memory, int objects, int capabilities)
    {
        Objects = (ObjectRecord*)memory;
        memory += (long)objects * sizeof(ObjectRecord);
        Tasks = (TaskRecord*)memory;
        memory += (long)objects * sizeof(TaskRecord);
        Capabilities = (CapabilityRecord*)memory;
        memory += (long)capabilities * sizeof(CapabilityRecord);
        _buckets = (int*)memory;
        ObjectCount = objects;
        CapabilityCount = capabilities;
        for (int i = objects - 1; i > 0; i--) { Objects[i].NextFree = _freeObject; _freeObject = i; }
        for (int i = capabilities - 1; i > 0; i--) { Capabilities[i].NextFree = _freeCapability; _freeCapability = i; }
    }

    /// <summary>The first factory and the first task, charged to nobody: made once, by the port, at boot.</summary>
    public void Boot(long bytes, long processes, out int factory, out int task)
    {
        factory = TakeObject(ObjectKind.Factory, 0);
        Objects[factory].A = bytes;
        Objects[factory].C = processes;
        Objects[factory].References = 1;
        Objects[factory].Pinned = true;
        task = TakeObject(ObjectKind.Task, factory);
        Objects[task].References = 1;
        Objects[task].Pinned = true;
        Tasks[task].Alive = true;
    }


    private int TakeObject(ObjectKind kind, int factory)
    {
        int index = _freeObject;
        if (index == 0) return 0;
        _freeObject = Objects[index].NextFree;
        Objects[index] = default;
        Objects[index].Kind = kind;
        Objects[index].Factory = factory;
        uint sequence = Tasks[index].Sequence;
        Tasks[index] = default;
        Tasks[index].Sequence = sequence;
        if (factory != 0) Objects[factory].References++;
        return index;
    }

    /// <summary>How many objects and capabilities can still be made.</summary>
    public void Left(out int objects, out int capabilities)
    {
        objects = capabilities = 0;
        for (int o = _freeObject; o != 0; o = Objects[o].NextFree) objects++;
        for (int c = _freeCapability; c != 0; c = Capabilities[c].NextFree) capabilities++;
    }

    private static int Bucket(int task, int slot) => (int)(((uint)task * 2654435761u ^ (uint)slot * 40503u) % Buckets);

    /// <summary>The capability at a slot of a task; 0: none.</summary>
    public int Find(int task, int slot)
    {
        for (int c = _buckets[Bucket(task, slot)]; c != 0; c = Capabilities[c].NextInBucket)
            if (Capabilities[c].Task == task && Capabilities[c].Slot == slot) return c;
        return 0;
    }

    /// <summary>The object behind a slot when it is of the kind and the rights suffice; otherwise a negative <see cref="AbiError"/>.</summary>
    public int Decode(int task, int slot, ObjectKind kind, Rights needed)
    {
        int c = Find(task, slot);
        if (c == 0) return AbiError.NoCapability;
        int o = Capabilities[c].Object;
        if (Objects[o].Kind != kind) return AbiError.WrongKind;
        return (Capabilities[c].Rights & needed) == needed ? o : AbiError.MissingRights;
    }
}
