using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>From entry lines to kernel objects in a container's capability space, and back.</summary>
public static unsafe class CapabilitySet
{
    /// <summary>Makes the factory and task, then one object an entry, mapped into the container at the entry's slot.</summary>
    public static int Make(int index)
    {
        var request = Containers.Request(index);
        long memory = 0, processes = 0;
        var scanner = new FieldScanner(request);
        while (scanner.Next(out int tag, out var value))
        {
            if (tag != ContainerProtocol.Capability) continue;
            if (!EntryLine.Parse(value, out var entry)) return ContainerErrorCode.InvalidCapability;
            if (entry.Kind == ObjectKind.Factory) { memory = entry.First; processes = entry.Second; }
        }
        if (scanner.Broken) return ContainerErrorCode.InvalidRequest;
        long made = Microkernel.Create(ObjectKind.Task, BootSlot.Factory, Containers.Slot(index, Container.TaskSlot), 0, 0, FieldScanner.Find(request, ContainerProtocol.Subject));
        if (made >= 0) made = Microkernel.Create(ObjectKind.Gate, BootSlot.Factory, Containers.Slot(index, Container.HandlerSlot), index, BootSlot.NetworkTask, default);
        if (made < 0) return ContainerErrorCode.QuotaExhausted;
        scanner = new FieldScanner(request);
        while (scanner.Next(out int tag, out var value))
        {
            if (tag != ContainerProtocol.Capability) continue;
            int error = Add(index, value);
            if (error != ContainerErrorCode.None) return error;
        }
        return Session(index);
    }

    public static int Add(int index, ReadOnlySpan<byte> line)
    {
        ref var container = ref Containers.Table[index];
        if (!EntryLine.Parse(line, out var entry)) return ContainerErrorCode.InvalidCapability;
        if (container.Entries == Container.MaxEntries) return ContainerErrorCode.QuotaExhausted;
        // What a process may ask of the host's kernel was settled when it began, and can only shrink.
        var classes = CallClasses.Of(line);
        if (container.State != TaskState.Created && (classes & ~container.Classes) != 0) return ContainerErrorCode.NeedsRestart;
        int relative = Container.EntrySlot + container.Entries, slot = Containers.Slot(index, relative);
        if (entry.Calls || entry.Serves)
        {
            int refused = Gates.Add(index, relative, line, entry);
            if (refused != ContainerErrorCode.None) return refused;
            container.Entries++;
            container.Classes |= classes;
            return ContainerErrorCode.None;
        }
        long first = entry.Kind == ObjectKind.Gate ? index : entry.First;
        long second = entry.Kind == ObjectKind.Gate ? (entry.Network ? BootSlot.NetworkTask : BootSlot.SelfTask) : entry.Second;
        if (Microkernel.Create(entry.Kind, BootSlot.Factory, slot, first, second, line) < 0) return ContainerErrorCode.QuotaExhausted;
        container.Entries++;
        container.Classes |= classes;
        var rights = entry.Kind switch { ObjectKind.Log => Rights.Write, _ => Rights.Read };
        return Microkernel.Map(slot, Containers.Slot(index, Container.TaskSlot), relative, rights) < 0 ? ContainerErrorCode.QuotaExhausted : ContainerErrorCode.None;
    }

    /// <summary>Revokes the entry's capability, whoever holds a copy; then the network server forgets the grant.</summary>
    public static int Revoke(int index, ReadOnlySpan<byte> line)
    {
        int count = Read(index);
        byte* at = Microkernel.Payload;
        for (int i = 0; i < count; i++)
        {
            int length = *(ushort*)(at + InspectLayout.NameLength), relative = *(int*)(at + InspectLayout.Slot);
            bool same = line.SequenceEqual(new ReadOnlySpan<byte>(at + InspectLayout.Header, length));
            at += InspectLayout.Header + length;
            if (!same) continue;
            Gates.Forget(index, relative); // first: a successor makes the gates of its sessions anew
            Microkernel.Unmap(-1, Containers.Slot(index, relative), UnmapMode.Self);
            return ContainerErrorCode.None;
        }
        return ContainerErrorCode.InvalidCapability;
    }

    /// <summary>Inspects the container's space into the payload; the number of records.</summary>
    public static int Read(int index)
    {
        long count = Microkernel.Inspect(Containers.Slot(index, Container.TaskSlot));
        return count < 0 ? 0 : (int)count;
    }

    /// <summary>One record as its entry line; quotas with the numbers that the host enforces.</summary>
    /// <param name="record">See <see cref="Read"/>.</param>
    /// <param name="into">Where the line goes.</param>
    /// <param name="most">So many processes are let be by an audit (<see cref="Most"/>): where the host enforces that, the quota is what it says.</param>
    public static int Line(byte* record, Span<byte> into, long most)
    {
        var text = new TextWriter(into);
        var name = new ReadOnlySpan<byte>(record + InspectLayout.Header, *(ushort*)(record + InspectLayout.NameLength));
        long first = *(long*)(record + InspectLayout.First), second = *(long*)(record + InspectLayout.Second);
        switch ((ObjectKind)record[InspectLayout.Kind])
        {
            case ObjectKind.Factory:
                EntryLine.Parse(name, out var quota);
                if (most > quota.Second && second == most) second = quota.Second;
                text.Add("quota memory="u8); text.Add(first); text.Add(" processes="u8); text.Add(quota.OnlyThreads ? 1 : second);
                if (quota.OnlyThreads) { text.Add(" threads="u8); text.Add(second); }
                if (quota.OnlyProcesses) text.Add(" threads=1"u8);
                break;
            case ObjectKind.SchedulingContext:
                text.Add("cpu shares="u8); text.Add(first);
                if (second > 0) { text.Add(" limit="u8); text.Add(second); text.Add((byte)'m'); }
                break;
            default:
                text.Add(name);
                break;
        }
        return text.Length;
    }

    /// <summary>Gives the network server the container's addresses and its grants, with the slot each stands in.</summary>
    /// <param name="index">The container.</param>
    /// <param name="again">Whether a server that ends meanwhile is asked again.</param>
    public static int Session(int index, bool again = true)
    {
        var request = Containers.Request(index);
        byte* space = Memory.Allocate(MessageLayout.Size);
        if (space == null) return ContainerErrorCode.HostFailure;
        var text = new TextWriter(new Span<byte>(space, 16000));
        text.Add(FieldScanner.Find(request, ContainerProtocol.PodAddress)); text.Add((byte)'\n');
        text.Add(FieldScanner.Find(request, ContainerProtocol.PodLoopback)); text.Add((byte)'\n');
        int count = Read(index);
        byte* at = Microkernel.Payload;
        for (int i = 0; i < count; i++)
        {
            var name = new ReadOnlySpan<byte>(at + InspectLayout.Header, *(ushort*)(at + InspectLayout.NameLength));
            if (name.StartsWith("connect "u8) || name.StartsWith("listen "u8) || name.StartsWith("audit "u8)) { text.Add(*(int*)(at + InspectLayout.Slot)); text.Add((byte)' '); text.Add(name); text.Add((byte)'\n'); }
            at += InspectLayout.Header + name.Length;
        }
        bool fits = !text.Overflowed;
        Microkernel.SetPayload(text.Written);
        Memory.Free(space, MessageLayout.Size);
        if (!fits) return ContainerErrorCode.QuotaExhausted;
        Microkernel.Words(NetworkControl.SetSession, index);
        if ((again ? NetworkSessions.Call() : Microkernel.Ipc(IpcOperation.Call, BootSlot.NetworkControl)) < 0) return ContainerErrorCode.HostFailure;
        return Microkernel.Word(0) < 0 ? ContainerErrorCode.InvalidRequest : ContainerErrorCode.None;
    }

    /// <summary>Bytes that the container was promised, 0: it has no quota.</summary>
    public static long MemoryQuota(int index)
    {
        var scanner = new FieldScanner(Containers.Request(index));
        while (scanner.Next(out int tag, out var value))
            if (tag == ContainerProtocol.Capability && EntryLine.Parse(value, out var entry) && entry.Kind == ObjectKind.Factory) return entry.First;
        return 0;
    }

    /// <summary>How many processes and threads an audit lets a container have, whatever its quota; 0: there is no such audit.</summary>
    public static long Most(int index)
    {
        var scanner = new FieldScanner(Containers.Request(index));
        while (scanner.Next(out int tag, out var value))
            if (tag == ContainerProtocol.Capability && EntryLine.Parse(value, out var entry) && entry.Most > 0) return entry.Most;
        return 0;
    }

    /// <summary>Limits, mounts and the root's protection as the set has them: what no entry allows is read-only or not there.</summary>
    public static void DescribeLimits(int index, ref FieldWriter writer)
    {
        var request = Containers.Request(index);
        byte readOnly = 1, classes = (byte)Containers.Table[index].Classes, facts = 0;
        long processes = 0, most = Most(index);
        var scanner = new FieldScanner(request);
        while (scanner.Next(out int tag, out var value))
        {
            if (tag == StartTag.Mount) Mount(request, value, ref writer);
            if (tag != ContainerProtocol.Capability || !EntryLine.Parse(value, out var entry)) continue;
            if (entry.Kind == ObjectKind.Factory) { writer.AddLong(StartTag.Memory, entry.First); processes = entry.Second; }
            if (entry.Kind == ObjectKind.SchedulingContext) { writer.AddLong(StartTag.CpuShares, entry.First); writer.AddLong(StartTag.CpuLimit, entry.Second); }
            if (entry.Device.Length > 0) Device(entry, ref writer);
            if (entry.Executable.Length > 0) writer.Add(StartTag.Executable, entry.Executable);
            facts |= (byte)entry.Fact;
            if (!entry.Writable) continue;
            if (entry.Path.Length == 1) readOnly = 0;
            else if (!HasMount(request, entry.Path)) writer.Add(StartTag.WritablePath, entry.Path);
        }
        if (processes > 0) writer.AddLong(StartTag.Processes, most > processes ? most : processes); // 0: no limit
        DescribeCreatable(index, ref writer);
        writer.Add(StartTag.ReadOnlyRoot, new ReadOnlySpan<byte>(&readOnly, 1));
        if (facts != 0) writer.Add(StartTag.HostFacts, new ReadOnlySpan<byte>(&facts, 1));
        writer.Add(StartTag.CallClasses, new ReadOnlySpan<byte>(&classes, 1));
    }

    /// <summary>Where names may be made and removed, of a set that lets some place only be changed: wherever else it may write, and in the shared memory that every container has.</summary>
    public static void DescribeCreatable(int index, ref FieldWriter writer)
    {
        bool some = false;
        var scanner = new FieldScanner(Containers.Request(index));
        while (scanner.Next(out int tag, out var value))
            some |= tag == ContainerProtocol.Capability && EntryLine.Parse(value, out var entry) && entry.Changes;
        if (!some) return;
        writer.Add(StartTag.Creatable, "/dev/shm"u8);
        scanner = new FieldScanner(Containers.Request(index));
        while (scanner.Next(out int tag, out var value))
            if (tag == ContainerProtocol.Capability && EntryLine.Parse(value, out var entry) && entry is { Writable: true, Changes: false }) writer.Add(StartTag.Creatable, entry.Path);
    }

    private static void Device(in EntryLine entry, ref FieldWriter writer)
    {
        Span<byte> field = stackalloc byte[256];
        if (entry.Device.Length > 255) return;
        field[0] = (byte)(entry.DeviceWritable ? 0 : 1);
        entry.Device.CopyTo(field.Slice(1));
        writer.Add(StartTag.Device, field.Slice(0, 1 + entry.Device.Length));
    }

    private static ReadOnlySpan<byte> Target(ReadOnlySpan<byte> mount)
    {
        var names = mount.Slice(9);
        return names.Slice(names.IndexOf((byte)0) + 1);
    }

    private static bool HasMount(ReadOnlySpan<byte> request, ReadOnlySpan<byte> path)
    {
        var scanner = new FieldScanner(request);
        while (scanner.Next(out int tag, out var value))
            if (tag == StartTag.Mount && value.Length > 10 && Target(value).SequenceEqual(path)) return true;
        return false;
    }

    private static bool Below(ReadOnlySpan<byte> directory, ReadOnlySpan<byte> path) =>
        directory.Length > 0 && path.StartsWith(directory) && (path.Length == directory.Length || directory[directory.Length - 1] == '/' || path[directory.Length] == '/');

    /// <summary>What of its root the node keeps apart for whoever holds an entry: of <c>pods/UID/KIND/...</c> what comes after the kind, or nothing where the source is of no such kind.</summary>
    private static ReadOnlySpan<byte> Kept(ReadOnlySpan<byte> source, ReadOnlySpan<byte> kind)
    {
        if (!source.StartsWith("pods/"u8)) return default;
        var below = source.Slice(5);
        int slash = below.IndexOf((byte)'/');
        return slash >= 0 && below.Slice(slash).StartsWith(kind) ? below.Slice(slash + kind.Length) : default;
    }

    /// <summary>A mount is writable only with an entry that says so for its target; one of the host's files, of tokens, or of a pipe for signals, is there only with an entry for it.</summary>
    private static void Mount(ReadOnlySpan<byte> request, ReadOnlySpan<byte> mount, ref FieldWriter writer)
    {
        if (mount.Length is < 11 or > 1024) return;
        bool writable = false, host = mount[9] == '/', hostGranted = false, hostWritable = false, granted = true;
        var source = mount.Slice(9, mount.Slice(9).IndexOf((byte)0));
        ReadOnlySpan<byte> token = Kept(source, "/tokens/"u8), pipe = Kept(source, "/signals/"u8);
        var signalled = pipe.Slice(pipe.IndexOf((byte)'/') + 1);
        if (token.Length + pipe.Length > 0) granted = false;
        var scanner = new FieldScanner(request);
        while (scanner.Next(out int tag, out var value))
        {
            if (tag != ContainerProtocol.Capability || !EntryLine.Parse(value, out var entry)) continue;
            granted |= (token.Length > 0 && entry.Token) || (pipe.Length > 0 && entry.Signalled.SequenceEqual(signalled));
            writable |= entry is { Writable: true, Audited: false } && entry.Path.SequenceEqual(Target(mount));
            if (!host || !Below(entry.HostPath, source)) continue;
            hostGranted = true;
            hostWritable |= entry.HostWritable;
        }
        if ((host && !hostGranted) || !granted) return;
        Span<byte> copy = stackalloc byte[1024];
        mount.CopyTo(copy);
        if (!writable || (host && !hostWritable)) copy[0] = 1;
        writer.Add(StartTag.Mount, copy.Slice(0, mount.Length));
    }
}
