using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

/// <summary>Capabilities that a message carries, as they were read from the sender's buffer, once.</summary>
public unsafe struct CarriedCapabilities
{
    public int Count;
    /// <summary>The receiver's slot of the first.</summary>
    public int First;
    /// <summary>What each is derived from, an index of the table; and its rights.</summary>
    public fixed int Sources[MessageLayout.MaxCapabilities];
    public fixed byte Rights[MessageLayout.MaxCapabilities];
}

// Capabilities in a message: each is derived from one of the sender's into a slot that the receiver keeps for it. A message goes with all of them or not at all.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>Which capabilities the message in a thread's buffer carries: 0, or what is wrong with them.</summary>
    private int Carried(int sender, out CarriedCapabilities carried)
    {
        carried = default;
        byte* buffer = TMachine.MessageBuffer(sender);
        uint count = *(uint*)(buffer + MessageLayout.CapabilityCount);
        if (count > MessageLayout.MaxCapabilities) return AbiError.InvalidArgument;
        for (uint i = 0; i < count; i++)
        {
            ulong named = *(ulong*)(buffer + MessageLayout.Capabilities + 8 * i);
            var rights = (uint)(named >> 32);
            int source = Find(Space(sender), (int)(uint)named);
            if (source == 0) return AbiError.NoCapability;
            if (rights > (uint)Rights.All) return AbiError.InvalidArgument;
            if ((Capabilities[source].Rights & Rights.Map) == 0) return AbiError.MissingRights;
            if (((Rights)rights & ~Capabilities[source].Rights) != 0) return AbiError.MissingRights;
            carried.Sources[i] = source;
            carried.Rights[i] = (byte)rights;
        }
        carried.Count = (int)count;
        return 0;
    }

    /// <summary>Whether a thread takes as many capabilities and can hold them: 0, or an error of whoever sends them.</summary>
    private int Room(int receiver, ref CarriedCapabilities carried)
    {
        if (carried.Count == 0) return 0;
        byte* buffer = TMachine.MessageBuffer(receiver);
        int task = Space(receiver);
        int first = *(int*)(buffer + MessageLayout.TakeFirst);
        if (first < 0 || first > int.MaxValue - carried.Count || *(uint*)(buffer + MessageLayout.TakeCount) < carried.Count) return AbiError.NotTaken;
        int free = _freeCapability;
        for (int i = 0; i < carried.Count; i++)
        {
            if (Find(task, first + i) != 0) return AbiError.NotTaken;
            if (free == 0) return AbiError.TableFull;
            free = Capabilities[free].NextFree;
        }
        if (!Affords(Objects[task].Factory, carried.Count * CapabilityCharge)) return AbiError.NotTaken;
        carried.First = first;
        return 0;
    }

    /// <summary>Cannot fail, after <see cref="Room"/>.</summary>
    private void Give(int sender, int receiver, ref CarriedCapabilities carried)
    {
        *(uint*)(TMachine.MessageBuffer(receiver) + MessageLayout.TakenCount) = (uint)carried.Count;
        if (carried.Count == 0) return;
        *(uint*)(TMachine.MessageBuffer(sender) + MessageLayout.CapabilityCount) = 0;
        for (int i = 0; i < carried.Count; i++)
            Insert(Space(receiver), carried.First + i, Capabilities[carried.Sources[i]].Object, (Rights)carried.Rights[i], carried.Sources[i], brought: true);
        Tasks[receiver].BroughtFirst = carried.First;
        Tasks[receiver].BroughtCount = carried.Count;
    }

    /// <summary>A thread has taken its message: what came with it is its task's own.</summary>
    private void Confirm(int thread)
    {
        ref var record = ref Tasks[thread];
        for (; record.BroughtCount > 0; record.BroughtCount--)
            if (Find(Space(thread), record.BroughtFirst + record.BroughtCount - 1) is var c and not 0) Capabilities[c].Brought = false;
    }

    /// <summary>It has not, and will not: what came with the message and everything derived from that is revoked. No object ends of it: its sender has it still.</summary>
    private void Undo(int thread)
    {
        while (Tasks[thread].BroughtCount > 0)
        {
            int c = Find(Space(thread), Tasks[thread].BroughtFirst + --Tasks[thread].BroughtCount);
            if (c == 0 || !Capabilities[c].Brought) continue;
            RevokeChildren(c);
            Remove(c);
        }
    }
}
