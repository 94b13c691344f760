using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Where a container may make names, by the entries that it holds: everywhere on mounts that it may write, or, with a <c>dir PATH read,change</c>, only beneath its <c>dir PATH read,write</c> and in its shared memory. It is what its
/// processes were limited to when they began, without places inside other ones: a path through such a place leads where the container wants it to.
/// </summary>
public static unsafe class NamePlaces
{
    private static ReadOnlySpan<byte> Shared => "/dev/shm"u8;

    /// <summary>False: there are more places than a call carries.</summary>
    public static bool Describe(int container, ref PathCall call)
    {
        call.Limited = false;
        call.PlacesLength = 0;
        for (int c = First(container); c != 0; c = Node.Kernel.Capabilities[c].NextInTask) call.Limited |= Of(c, out _, out bool changes) && changes;
        if (!call.Limited) return true;
        fixed (byte* places = call.Places)
        {
            var text = new TextWriter(new Span<byte>(places, PathCall.MaxPlaces));
            for (int c = First(container); c != 0; c = Node.Kernel.Capabilities[c].NextInTask)
            {
                if (!Of(c, out var place, out bool changes) || changes || IsInside(container, place)) continue;
                text.Add(place); text.Add((byte)0);
            }
            text.Add(Shared); text.Add((byte)0);
            call.PlacesLength = text.Length;
            return !text.Overflowed;
        }
    }

    private static int First(int container) => Node.Kernel.Tasks[container].FirstCapability;

    /// <summary>Whether another place has this one in it.</summary>
    private static bool IsInside(int container, ReadOnlySpan<byte> place)
    {
        for (int c = First(container); c != 0; c = Node.Kernel.Capabilities[c].NextInTask)
            if (Of(c, out var other, out bool changes) && !changes && other.Length < place.Length && place.StartsWith(other) && (other.Length == 1 || place[other.Length] == '/')) return true;
        return false;
    }

    /// <summary>The place of an entry that lets it be written. An audited one does as well.</summary>
    private static bool Of(int capability, out ReadOnlySpan<byte> place, out bool changes)
    {
        ref var record = ref Node.Kernel.Objects[Node.Kernel.Capabilities[capability].Object];
        fixed (byte* name = record.Name)
        {
            var fields = new FieldReader(new ReadOnlySpan<byte>(name, record.NameLength));
            var verb = fields.Next();
            if (verb.SequenceEqual("audit"u8)) verb = fields.Next();
            bool directory = verb.SequenceEqual("dir"u8);
            place = fields.Next();
            var access = fields.Next();
            changes = access.SequenceEqual("read,change"u8);
            return directory && (changes || access.SequenceEqual("read,write"u8));
        }
    }
}
