using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Devices of the host that a container was granted and the node offers (<see cref="HostPaths"/>): made in its /dev with the number that the host's has. Whoever may only read finds a mode that says so, which holds for root too.</summary>
public static unsafe class GrantedDevices
{
    private const int StatSize = 144, StatMode = 24, StatNumber = 40, Longest = 255;
    private const uint TypeMask = 0xF000, Character = 0x2000, Block = 0x6000, ReadByAll = 0x124, WrittenByAll = 0x92;

    /// <param name="child">The container.</param>
    /// <param name="dev">Its /dev, not frozen yet.</param>
    public static nint Make(ref Launcher.Child child, nint dev)
    {
        byte* stat = stackalloc byte[StatSize];
        byte* name = stackalloc byte[Longest + 1];
        int at = 0;
        while (child.Description.Next(StartTag.Device, ref at, out byte* value, out int size))
        {
            var path = new ReadOnlySpan<byte>(value + 1, size > 1 ? size - 1 : 0);
            if (!path.StartsWith("/dev/"u8) || path.Length > Longest) return -Sys.Einval;
            nint node = HostPaths.Open(path, out bool onlyRead);
            if (node < 0) return node;
            nint result = Host.Call(Sys.Fstat, node, (nint)stat);
            Host.Call(Sys.Close, node);
            uint type = *(uint*)(stat + StatMode) & TypeMask;
            if (result < 0 || (type != Character && type != Block)) return -Sys.Einval;
            path = path.Slice(5);
            path.CopyTo(new Span<byte>(name, Longest));
            name[path.Length] = 0;
            for (int i = 0; i < path.Length; i++)
            {
                if (name[i] != '/') continue;
                name[i] = 0;
                result = Host.Call(Sys.Mkdirat, dev, (nint)name, 0x1ED);
                if (result < 0 && result != -Sys.Eexist) return result;
                name[i] = (byte)'/';
            }
            result = Host.Call(Sys.Mknodat, dev, (nint)name, (nint)(type | ReadByAll | (*value != 0 || onlyRead ? 0 : WrittenByAll)), (nint)(*(ulong*)(stat + StatNumber)));
            if (result < 0) return result;
        }
        return 0;
    }
}
