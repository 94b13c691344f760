using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What a container sees: its image, its mounts, a /proc of its own processes, six devices, terminals of its own, and nothing else of the host.</summary>
public static unsafe class World
{
    /// <summary>What needs no description, and what of the description every container says that names no fact of the host: mounts, a file system in memory, /proc with what covers it, /dev.</summary>
    /// <param name="child">The container.</param>
    /// <param name="facts">What it is told of the host.</param>
    /// <param name="root">It may be root.</param>
    /// <param name="stage">Where it failed.</param>
    public static nint Begin(ref Launcher.Child child, HostFact facts, bool root, ref int stage)
    {
        nint result;
        stage = (int)LaunchStage.Private;
        if ((result = Template.Enter(Node.Template)) < 0) return result;
        child.Memory = (int)Memory();
        if (child.Memory < 0) return child.Memory;
        stage = (int)LaunchStage.Proc;
        nint proc = Template.Open(Template.Proc);
        if (proc < 0) return proc;
        if ((result = Mounting.Over(proc, "proc"u8, Mounting.NoSuid | Mounting.NoDev | Mounting.NoExec, "hidepid=2"u8)) < 0) return result;
        Host.Call(Sys.Close, proc);
        if ((result = HostFacts.Replace(child.Memory, facts)) < 0) return result;
        stage = (int)LaunchStage.Devices;
        if ((result = DeviceFiles.Make(child.Memory)) < 0) return result;
        stage = (int)LaunchStage.Proc;
        return Covers.Make(facts, root);
    }

    /// <summary>The rest, once it is begun: the image, its mounts, its name.</summary>
    public static nint Build(ref Launcher.Child child, ref int stage)
    {
        nint result;
        stage = (int)LaunchStage.Mount;
        nint* trees = stackalloc nint[Volumes.Most];
        if ((result = Volumes.Take(ref child, trees)) < 0) return result;
        // Opened here: a descriptor from before belongs to the kernel's mount namespace, and overlayfs takes only mounts of its own.
        nint own = Template.Open(Template.NodeRoot);
        if (own < 0) return own;
        child.Root = (int)own;
        nint root = Overlay.Make(ref child, child.Memory, ref stage);
        if (root < 0) return root;
        stage = (int)LaunchStage.Proc;
        if ((result = Move(Template.Proc, root, "proc"u8)) < 0 || (result = HostFacts.ReplaceMemory(ref child, root)) < 0) return result;
        stage = (int)LaunchStage.Devices;
        if ((result = GrantedDevices.Make(ref child, Beneath.Open(child.Memory, "dev"u8, Sys.OPath | Sys.Directory))) < 0) return result;
        if ((result = Move(Template.Dev, root, "dev"u8)) < 0) return result;
        stage = (int)LaunchStage.Mount;
        if ((result = Volumes.Put(ref child, root, trees)) < 0 || (result = DeviceFiles.Freeze(root)) < 0) return result;
        stage = (int)LaunchStage.Hostname;
        var name = child.Description.Bytes(StartTag.Hostname);
        if (name.Length > 0)
            fixed (byte* p = name)
                if ((result = Host.Call(Sys.Sethostname, (nint)p, name.Length)) < 0) return result;
        stage = (int)LaunchStage.ReadOnly;
        if (child.Description.Number(StartTag.ReadOnlyRoot, 1) != 0 && (result = Freeze(ref child, root)) < 0) return result;
        if ((result = Executables.Limit(ref child, root)) < 0) return result;
        stage = (int)LaunchStage.Pivot;
        if ((result = Become(root)) < 0) return result;
        return Covers.Freeze(HostFacts.Named(child.Description));
    }

    /// <summary>What is mounted on a place of the template, with all that is mounted on it, goes to a directory of the root, made when it is missing.</summary>
    private static nint Move(ReadOnlySpan<byte> place, nint root, ReadOnlySpan<byte> target)
    {
        nint from = Template.Open(place), point = Mounting.Point(root, target, true);
        return from < 0 ? from : point < 0 ? point : Mounting.Put(from, point);
    }

    /// <summary>Makes an empty directory the root of a native task: there is no file it could name.</summary>
    public static nint Confine(int emptyDirectory)
    {
        nint result = Host.Call(Sys.Fchdir, emptyDirectory);
        if (result < 0) return result;
        fixed (byte* dot = "."u8) return Host.Call(Sys.Chroot, (nint)dot);
    }

    /// <summary>
    /// Of a root that nobody writes, the layer on top holds mount points that the image lacks, and nothing else: it is in memory and goes with the container. Such a layer is made some
    /// ten times faster than one on disk. The same file system holds the container's /dev and /dev/shm, each mounted by itself: one is made and taken down in place of three.
    /// </summary>
    private static nint Memory()
    {
        const int Mode = 0x1ED, Everybody = 0x3FF;
        nint place = Template.Open(Template.Memory);
        if (place < 0) return place;
        nint mounted = Mounting.Over(place, "tmpfs"u8, Mounting.NoSuid, "size=66560k,mode=755"u8);
        if (mounted < 0) return mounted;
        nint scratch = Template.Open(Template.Memory); // what is mounted there now
        if (scratch < 0) return scratch;
        fixed (byte* upper = "upper"u8)
        fixed (byte* work = "work"u8)
        fixed (byte* devices = "dev"u8)
        fixed (byte* shared = "shm"u8)
        {
            nint made = Host.Call(Sys.Mkdirat, scratch, (nint)upper, Mode);
            if (made >= 0) made = Host.Call(Sys.Mkdirat, scratch, (nint)devices, Mode);
            if (made >= 0) made = Host.Call(Sys.Mkdirat, scratch, (nint)shared, Everybody);
            if (made >= 0) made = Host.Call(Sys.Mkdirat, scratch, (nint)work, Mode);
            return made < 0 ? made : scratch;
        }
    }

    /// <summary>Makes the root read-only, but for the directories that the set lets the container write.</summary>
    private static nint Freeze(ref Launcher.Child child, nint root)
    {
        int at = 0;
        while (child.Description.Next(StartTag.WritablePath, ref at, out byte* value, out int size))
        {
            nint point = Mounting.Point(root, new ReadOnlySpan<byte>(value, size), true);
            if (point < 0) return point;
            nint result = Mounting.Attach(point, point, Mounting.NoSuid | Mounting.NoDev, below: true);
            if (result < 0) return result;
        }
        return Mounting.Set(root, Mounting.ReadOnly);
    }

    /// <summary>
    /// The root becomes that of the process. The template's root stays where it is, covered by it: taking it out of the namespace would have the process wait for every processor of the host (synchronize_rcu_expedited). It
    /// cannot be reached: whoever could change its root or its mounts back would need a capability that no container has.
    /// </summary>
    private static nint Become(nint root)
    {
        nint result = Host.Call(Sys.Fchdir, root);
        if (result < 0) return result;
        fixed (byte* dot = "."u8) return Host.Call(Sys.Chroot, (nint)dot);
    }
}
