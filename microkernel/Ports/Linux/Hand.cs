using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>A call about a Unix socket that has, or is to get, a path: everything that the process which makes it needs, on the stack that it is born with.</summary>
public unsafe struct PathCall
{
    public const int MaxAddress = 110, MaxPlaces = 8192; // of a struct sockaddr_un

    /// <summary>bind, listen or connect; the thread of the container, and its socket and listener as the kernel holds them.</summary>
    public int Number, Thread, Socket, Listener, Backlog;
    public ulong Notification;
    /// <summary>The address as it was copied once, and zeros behind it.</summary>
    public int Length;
    public fixed byte Address[MaxAddress + 2];
    /// <summary>Whether names are made in some places only, and those: paths, each with a zero.</summary>
    public bool Limited;
    public int PlacesLength;
    public fixed byte Places[MaxPlaces];
}

/// <summary>
/// Makes a container's call about a path for it: a process that lives for this one call, with the caller's root, working directory, user, groups and umask, no capability, and the caller's limits for names. So the host resolves
/// the path as it would have for the caller, at the moment of the call, and the other end sees the caller's user and group. The socket is the kernel's copy and the address was copied once: whatever the container exchanges
/// meanwhile, nothing is reached that the container could not open by itself. It executes nothing, and no process of the container can see it.
/// </summary>
public static unsafe class Hand
{
    /// <summary>Exit code: the name was made, in a file system in memory that holds many. Others are 0 and errnos.</summary>
    public const int Crowded = 255;

    private const int NetAdmin = 12, KeepCapabilities = 8, DeathSignal = 1, Dumpable = 4, NoNewPrivileges = 38;

    /// <summary>What the call came to: 0, an errno, or <see cref="Crowded"/>.</summary>
    public static int Run(ref PathCall call)
    {
        // Nothing else of the kernel's stays open here: a connection would not end, however its owner closed it.
        Host.Call(Sys.Dup2, call.Socket, 0);
        Host.Call(Sys.Dup2, call.Listener, 1);
        Host.Call(Sys.Dup2, Node.HostRoot, 2);
        Host.Call(Sys.CloseRange, 3, -1, 0);
        Node.HostRoot = 2; // of this process alone, which has a copy of the kernel's memory
        int became = Become(ref call, out int own);
        Host.Call(Sys.Close, 2);
        if (became != 0) return became;
        nint result;
        fixed (byte* address = call.Address)
            result = call.Number switch
            {
                Sys.Bind => Host.Call(Sys.Bind, 0, (nint)address, call.Length),
                Sys.Listen => Host.Call(Sys.Listen, 0, call.Backlog),
                _ => Connect(address, own),
            };
        if (result < 0) return (int)-result;
        return call.Number == Sys.Bind && IsCrowded() ? Crowded : 0;
    }

    /// <summary>The caller's place in the file system and its identity. The caller must wait still when all of it has been read, or it is another's.</summary>
    private static int Become(ref PathCall call, out int own)
    {
        Span<byte> name = stackalloc byte[24];
        var number = new TextWriter(name);
        number.Add(call.Thread);
        nint root = ControlGroupFiles.Open("/proc"u8, number.Written, "root"u8, Sys.OPath | Sys.Directory), place = ControlGroupFiles.Open("/proc"u8, number.Written, "cwd"u8, Sys.OPath | Sys.Directory);
        own = (int)ControlGroupFiles.Open("/proc/self/fd"u8, default, default, Sys.OPath | Sys.Directory);
        bool known = CallerIdentity.Of(call.Thread, out var identity);
        if (!Seccomp.Valid(1, call.Notification)) return Sys.Eintr;
        if (!known || root < 0 || place < 0 || own < 0) return Sys.Eacces;
        fixed (byte* dot = "."u8)
            if (Host.Call(Sys.Fchdir, root) < 0 || Host.Call(Sys.Chroot, (nint)dot) < 0 || Host.Call(Sys.Fchdir, place) < 0) return Sys.Eacces;
        if (call.Limited && !Limit(ref call)) return Sys.Eacces;
        Host.Call(Sys.Umask, (nint)identity.Mask);
        bool changed = Host.Call(Sys.Prctl, KeepCapabilities, 1) >= 0 && Host.Call(Sys.Setgroups, identity.GroupCount, (nint)identity.Groups) >= 0
            && Host.Call(Sys.Setresgid, (nint)identity.Group, (nint)identity.Group, (nint)identity.Group) >= 0 && Host.Call(Sys.Setresuid, (nint)identity.User, (nint)identity.User, (nint)identity.User) >= 0
            && Capabilities(effective: false) && Host.Call(Sys.Prctl, NoNewPrivileges, 1) >= 0 && Host.Call(Sys.Prctl, Dumpable, 0) >= 0 && Host.Call(Sys.Prctl, DeathSignal, 9) >= 0;
        return changed ? 0 : Sys.Eacces;
    }

    /// <summary>Nothing but the right to ask where a socket stands (SIOCUNIXFILE), and that only once the call has been made.</summary>
    private static bool Capabilities(bool effective)
    {
        uint* header = stackalloc uint[2];
        uint* data = stackalloc uint[6]; // effective, permitted, inheritable; twice
        header[0] = 0x20080522;
        header[1] = 0;
        for (int i = 0; i < 6; i++) data[i] = 0;
        data[0] = effective ? 1u << NetAdmin : 0;
        data[1] = 1u << NetAdmin;
        return Host.Call(Sys.Capset, (nint)header, (nint)data) >= 0;
    }

    /// <summary>
    /// The limits that the container's own processes have for names (<see cref="Privileges.Scope"/>), for the one kind that is made here. Links are not followed: the container may have put them there since it began.
    /// </summary>
    private static bool Limit(ref PathCall call)
    {
        const ulong MakeSocket = 1 << 9;
        const int PathBeneath = 1;
        ulong* ruleset = stackalloc ulong[3];
        ulong* rule = stackalloc ulong[2];
        ruleset[0] = MakeSocket;
        ruleset[1] = ruleset[2] = 0;
        nint limits = Host.Call(Sys.LandlockCreate, (nint)ruleset, 24, 0);
        if (limits < 0) return false;
        fixed (byte* first = call.Places)
            for (var rest = new ReadOnlySpan<byte>(first, call.PlacesLength); rest.IndexOf((byte)0) is var end and > 0; rest = rest.Slice(end + 1))
            {
                nint place = Beneath.Open(-100, rest.Slice(0, end), Sys.OPath | Sys.Directory, Beneath.NoLinks);
                if (place < 0) continue; // holds no names
                rule[0] = MakeSocket;
                rule[1] = (uint)place;
                if (Host.Call(Sys.LandlockAddRule, limits, PathBeneath, (nint)rule, 0) < 0) return false;
            }
        return Host.Call(Sys.Prctl, NoNewPrivileges, 1) >= 0 && Host.Call(Sys.LandlockRestrict, limits, 0) >= 0;
    }

    /// <summary>To the very file that was looked at: who is reached from a place that may only be read would be reached without a grant, and the host does not ask that of a connect.</summary>
    private static nint Connect(byte* address, int own)
    {
        const int Family = 2;
        nint file = Host.Call(Sys.Openat, -100, (nint)(address + Family), Sys.OPath | Sys.Cloexec);
        if (file < 0) return file;
        if (!Facts((int)file, out _, out _, out bool readOnly) || readOnly) return -Sys.Eacces;
        nint result = Host.Call(Sys.Fchdir, own);
        if (result < 0) return result;
        byte* name = stackalloc byte[24];
        *(ushort*)name = Sys.AfUnix;
        var text = new TextWriter(new Span<byte>(name + Family, 21));
        text.Add(file);
        name[Family + text.Length] = 0;
        return Host.Call(Sys.Connect, 0, (nint)name, Family + text.Length + 1);
    }

    /// <summary>
    /// Whether the name that was made stands in a file system in memory that holds many already. What the host needs for it counts as the kernel's memory, not as the container's.
    /// </summary>
    private static bool IsCrowded()
    {
        const long InMemory = 0x01021994, Many = 4096; // TMPFS_MAGIC
        const int FileOf = 0x89E0; // SIOCUNIXFILE
        if (!Capabilities(effective: true)) return true;
        nint file = Host.Call(Sys.Ioctl, 0, FileOf, 0);
        return file < 0 || !Facts((int)file, out long type, out long names, out _) || (type == InMemory && names > Many);
    }

    /// <summary>struct statfs of a file's file system, and whether its mount is read only.</summary>
    private static bool Facts(int file, out long type, out long names, out bool readOnly)
    {
        const int Type = 0, Files = 5, Free = 6, Flags = 10, ReadOnly = 1;
        long* facts = stackalloc long[15];
        bool told = Host.Call(Sys.Fstatfs, file, (nint)facts) >= 0;
        type = told ? facts[Type] : 0;
        names = told ? facts[Files] - facts[Free] : 0;
        readOnly = told && (facts[Flags] & ReadOnly) != 0;
        return told;
    }
}
