using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>How a process takes authority away from itself, for good.</summary>
public static unsafe class Privileges
{
    private const int NetBindService = 10, LastCapability = 40;

    /// <summary>
    /// Of the kernel itself, before it has children: what is not in the bounding set can come back to none of them through exec. The kernel's own capabilities stay, since it executes nothing. Done
    /// here, once, because every child would need some forty calls for it.
    /// </summary>
    public static void Bound()
    {
        for (int capability = 0; capability <= LastCapability; capability++)
            if (capability != NetBindService) DropBounding(capability);
    }

    private static void DropBounding(int capability) => Host.Call(Sys.Prctl, 24, capability); // PR_CAPBSET_DROP; EINVAL for one this kernel does not know

    /// <summary>Root is nobody special any more (securebits NOROOT and its kin, locked), and nothing can come back through exec.</summary>
    public static nint Drop(bool keepNetworkBind)
    {
        if (!keepNetworkBind) DropBounding(NetBindService);
        nint result = Host.Call(Sys.Prctl, 28, 0x0F | 0x20 | (keepNetworkBind ? 0 : 0xC0)); // NOROOT, NO_SETUID_FIXUP with locks, KEEP_CAPS locked off
        if (result < 0) return result;
        return Host.Call(Sys.Prctl, 38, 1); // no_new_privs
    }

    public static nint Become(StartDescription description)
    {
        uint* groups = stackalloc uint[32];
        int count = 0, at = 0;
        while (description.Next(StartTag.Group, ref at, out byte* value, out int size))
            if (size == 4 && count < 32) groups[count++] = *(uint*)value;
        nint gid = (nint)description.Number(StartTag.GroupId, 65534), uid = (nint)description.Number(StartTag.UserId, 65534);
        nint result = Host.Call(Sys.Setgroups, count, (nint)groups);
        if (result < 0) return result;
        if ((result = Host.Call(Sys.Setresgid, gid, gid, gid)) < 0) return result;
        if ((result = Host.Call(Sys.Setresuid, uid, uid, uid)) < 0) return result;
        Host.Call(Sys.Umask, 0x12);
        return 0;
    }

    /// <summary>Empty capability sets; the network server keeps the right to bind low ports, also over exec (ambient).</summary>
    public static nint Empty(bool keepNetworkBind)
    {
        uint* header = stackalloc uint[2];
        uint* data = stackalloc uint[6];
        header[0] = 0x20080522;
        header[1] = 0;
        for (int i = 0; i < 6; i++) data[i] = 0;
        if (keepNetworkBind) data[0] = data[1] = data[2] = 1u << NetBindService;
        nint result = Host.Call(Sys.Capset, (nint)header, (nint)data);
        if (result < 0 || !keepNetworkBind) return result;
        return Host.Call(Sys.Prctl, 47, 2, NetBindService); // PR_CAP_AMBIENT_RAISE
    }

    /// <summary>
    /// Landlock scoping: abstract Unix sockets and signals reach only what is in the same scope, since all containers share one empty network
    /// namespace. A host without Landlock ABI 6 has no such scope. And where the description names any place for it, names are made and removed in no other.
    /// </summary>
    /// <param name="description">Of a process whose root is the container's already.</param>
    /// <param name="signals">Also signals. Not for a process that joins a world: it may signal the processes it finds there, and its pid namespace holds no others.</param>
    public static nint Scope(StartDescription description, bool signals)
    {
        ulong* ruleset = stackalloc ulong[3];
        ruleset[0] = description.Count(StartTag.Creatable) == 0 ? 0 : Names;
        ruleset[1] = 0;
        ruleset[2] = signals ? 3u : 1u; // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL
        nint fd = Host.Call(Sys.LandlockCreate, (nint)ruleset, 24, 0);
        if (fd < 0) return fd;
        nint result = AllowNames(fd, description);
        if (result >= 0) result = Host.Call(Sys.Prctl, 38, 1);
        if (result >= 0) result = Host.Call(Sys.LandlockRestrict, fd, 0);
        Host.Call(Sys.Close, fd);
        return result;
    }

    /// <summary>LANDLOCK_ACCESS_FS_REMOVE_DIR to _REFER: everything that makes, moves or removes a name.</summary>
    private const ulong Names = 0x3FF0;

    /// <summary>A place that is not there, or is a file, holds no names.</summary>
    private static nint AllowNames(nint ruleset, StartDescription description)
    {
        const int Longest = 255, PathBeneath = 1, NoDirectory = 20;
        byte* path = stackalloc byte[Longest + 1];
        ulong* rule = stackalloc ulong[2]; // struct landlock_path_beneath_attr: rights (u64), descriptor (s32)
        int at = 0;
        while (description.Next(StartTag.Creatable, ref at, out byte* value, out int size))
        {
            if (size is 0 or > Longest) return -Sys.Einval;
            new ReadOnlySpan<byte>(value, size).CopyTo(new Span<byte>(path, Longest));
            path[size] = 0;
            nint place = Host.Call(Sys.Openat, -100, (nint)path, Sys.OPath | Sys.Directory | Sys.Cloexec);
            if (place == -Sys.Enoent || place == -NoDirectory) continue;
            if (place < 0) return place;
            rule[0] = Names;
            rule[1] = (uint)place;
            nint result = Host.Call(Sys.LandlockAddRule, ruleset, PathBeneath, (nint)rule, 0);
            Host.Call(Sys.Close, place);
            if (result < 0) return result;
        }
        return 0;
    }

    /// <summary>The host's Landlock ABI, or a negative errno: it has none.</summary>
    public static nint ScopeVersion() => Host.Call(Sys.LandlockCreate, 0, 0, 1); // LANDLOCK_CREATE_RULESET_VERSION

    /// <summary>Installs the filter and gives its listener, or a negative errno. A trapped call cannot be interrupted but by a fatal signal.</summary>
    public static nint InstallFilter(ulong* program, int length)
    {
        ulong* description = stackalloc ulong[2];
        description[0] = (ulong)length;
        description[1] = (ulong)program;
        return Host.Call(Sys.Seccomp, 1, 8 | 32, (nint)description); // SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE_RECV
    }
}
