using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What a container sees: its image, its mounts, a /proc of its own processes, six devices, terminals of its own, and nothing else of the host.</summary>
public static unsafe class World
{
    private const nint NoSuid = 2, NoDev = 4, NoExec = 8, ReadOnly = 1;
    private const int MaxMounts = 256;
    public const ulong Beneath = 0x08 | 0x02; // RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
    public const ulong InRoot = 0x10; // RESOLVE_IN_ROOT
    public const ulong NoLinks = 0x04; // RESOLVE_NO_SYMLINKS

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
        if ((result = MountOver(proc, "proc"u8, NoSuid | NoDev | NoExec, "hidepid=2"u8)) < 0) return result;
        Host.Call(Sys.Close, proc);
        if ((result = HostFacts.Replace(child.Memory, facts)) < 0) return result;
        stage = (int)LaunchStage.Devices;
        if ((result = Devices(child.Memory)) < 0) return result;
        stage = (int)LaunchStage.Proc;
        return Mask(facts, root);
    }

    /// <summary>The rest, once it is begun: the image, its mounts, its name.</summary>
    public static nint Build(ref Launcher.Child child, ref int stage)
    {
        nint result;
        stage = (int)LaunchStage.Mount;
        if (child.Description.Count(StartTag.Mount) > MaxMounts) return -Sys.Einval;
        nint* trees = stackalloc nint[MaxMounts];
        if ((result = Taken(ref child, trees)) < 0) return result;
        // Opened here: a descriptor from before belongs to the kernel's mount namespace, and overlayfs takes only mounts of its own.
        nint own = Template.Open(Template.NodeRoot);
        if (own < 0) return own;
        child.Root = (int)own;
        nint root = Overlay(ref child, child.Memory, ref stage);
        if (root < 0) return root;
        stage = (int)LaunchStage.Proc;
        if ((result = Move(Template.Proc, root, "proc"u8)) < 0 || (result = HostFacts.ReplaceMemory(ref child, root)) < 0) return result;
        stage = (int)LaunchStage.Devices;
        if ((result = GrantedDevices.Make(ref child, OpenBeneath(child.Memory, "dev"u8, Sys.OPath | Sys.Directory))) < 0) return result;
        if ((result = Move(Template.Dev, root, "dev"u8)) < 0) return result;
        stage = (int)LaunchStage.Mount;
        if ((result = Mounts(ref child, root, trees)) < 0 || (result = FreezeDevices(root)) < 0) return result;
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
        if ((result = FreezePath("/proc/sys"u8)) < 0) return result;
        if ((HostFacts.Named(child.Description) & HostFact.Drivers) != 0) { FreezePath("/proc/irq"u8); FreezePath("/proc/bus"u8); FreezePath("/proc/fs"u8); } // otherwise nothing is in them
        return 0;
    }

    /// <summary>What is mounted on a place of the template, with all that is mounted on it, goes to a directory of the root, made when it is missing.</summary>
    private static nint Move(ReadOnlySpan<byte> place, nint root, ReadOnlySpan<byte> target)
    {
        nint from = Template.Open(place), point = Point(root, target, true);
        return from < 0 ? from : point < 0 ? point : Put(from, point);
    }

    /// <summary>Makes an empty directory the root of a native task: there is no file it could name.</summary>
    public static nint Confine(int emptyDirectory)
    {
        nint result = Host.Call(Sys.Fchdir, emptyDirectory);
        if (result < 0) return result;
        fixed (byte* dot = "."u8) return Host.Call(Sys.Chroot, (nint)dot);
    }

    /// <summary>Opens a path beneath a directory; links may not lead out of it. Of a path with <c>..</c> Linux may say that something on the machine was mounted or renamed meanwhile (EAGAIN, openat2(2)): it is asked again.</summary>
    public static nint OpenBeneath(nint directory, ReadOnlySpan<byte> path, nint flags, ulong resolve = Beneath)
    {
        ulong* how = stackalloc ulong[3];
        how[0] = (ulong)(flags | Sys.Cloexec);
        how[1] = (flags & Sys.Create) != 0 ? 0x1A0u : 0;
        how[2] = resolve;
        byte* text = stackalloc byte[1024];
        if (path.Length is 0 or > 1000) return -Sys.Einval;
        path.CopyTo(new Span<byte>(text, 1024));
        text[path.Length] = 0;
        nint result = -Sys.Eagain;
        for (int tries = 0; result == -Sys.Eagain && tries < 128; tries++) result = Host.Call(Sys.Openat2, directory, (nint)text, (nint)how, 24);
        return result;
    }

    /// <summary>
    /// The image's layers with the container's own on top, mounted over the root of the template. Gives a descriptor of the root. Every directory is named from inside it: a way through /proc/self/fd would make, and take
    /// down, inodes of the host's /proc for every child.
    /// </summary>
    private static nint Overlay(ref Launcher.Child child, nint memory, ref int stage)
    {
        stage = (int)LaunchStage.Overlay;
        nint result, context;
        fixed (byte* overlay = "overlay"u8) context = Host.Call(Sys.Fsopen, (nint)overlay, 1);
        if (context < 0) return context;
        stage = (int)LaunchStage.Layers;
        int count = child.Description.Count(StartTag.Layer);
        if (count is 0 or > 64) return -Sys.Einval;
        for (int index = count - 1; index >= 0; index--)
        {
            int at = 0, size = 0;
            byte* path = null;
            for (int i = 0; i <= index; i++) child.Description.Next(StartTag.Layer, ref at, out path, out size);
            nint layer = OpenBeneath(child.Root, new ReadOnlySpan<byte>(path, size), Sys.OPath | Sys.Directory);
            if (layer < 0) return layer;
            result = Option(context, "lowerdir+"u8, layer, "."u8);
            Host.Call(Sys.Close, layer);
            if (result < 0) return result;
        }
        stage = (int)LaunchStage.Overlay;
        bool keeps = child.Description.Number(StartTag.ReadOnlyRoot, 1) == 0 || child.Description.Count(StartTag.WritablePath) > 0;
        nint scratch = keeps ? OpenBeneath(child.Root, child.Description.Bytes(StartTag.Scratch), Sys.OPath | Sys.Directory) : memory;
        if (scratch < 0) return scratch;
        if ((result = Option(context, "upperdir"u8, scratch, "upper"u8)) < 0 || (result = Option(context, "workdir"u8, scratch, "work"u8)) < 0) return result;
        return Mounted(context, NoDev | NoSuid);
    }

    /// <summary>An option of a file system that is being made, whose value is a path inside a directory.</summary>
    private static nint Option(nint context, ReadOnlySpan<byte> key, nint directory, ReadOnlySpan<byte> value)
    {
        const int SetString = 1;
        nint result = Host.Call(Sys.Fchdir, directory);
        if (result < 0) return result;
        fixed (byte* k = key)
        fixed (byte* v = value) return Host.Call(Sys.Fsconfig, context, SetString, (nint)k, (nint)v, 0);
    }

    /// <summary>Makes the file system and mounts it over the root; a descriptor of its own root.</summary>
    private static nint Mounted(nint context, nint attributes)
    {
        const int Create = 6, EmptyPath = 4;
        nint result = Host.Call(Sys.Fsconfig, context, Create, 0, 0, 0);
        if (result < 0) return result;
        nint root = Host.Call(Sys.Fsmount, context, 1, attributes);
        if (root < 0) return root;
        fixed (byte* empty = "\0"u8)
        fixed (byte* slash = "/"u8) result = Host.Call(Sys.MoveMount, root, (nint)empty, -100, (nint)slash, EmptyPath);
        return result < 0 ? result : root;
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
        nint mounted = MountOver(place, "tmpfs"u8, NoSuid, "size=66560k,mode=755"u8);
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

    private static nint Devices(nint memory)
    {
        nint dev = OpenBeneath(memory, "dev"u8, Sys.OPath | Sys.Directory), result;
        if (dev < 0) return dev;
        if ((result = Device(dev, "null"u8, 1, 3)) < 0) return result;
        if ((result = Device(dev, "zero"u8, 1, 5)) < 0) return result;
        if ((result = Device(dev, "full"u8, 1, 7)) < 0) return result;
        if ((result = Device(dev, "random"u8, 1, 8)) < 0) return result;
        if ((result = Device(dev, "urandom"u8, 1, 9)) < 0) return result;
        if ((result = Device(dev, "tty"u8, 5, 0)) < 0) return result;
        Link(dev, "ptmx"u8, "pts/ptmx"u8);
        Link(dev, "fd"u8, "/proc/self/fd"u8);
        Link(dev, "stdin"u8, "/proc/self/fd/0"u8);
        Link(dev, "stdout"u8, "/proc/self/fd/1"u8);
        Link(dev, "stderr"u8, "/proc/self/fd/2"u8);
        if ((result = Attach(dev, Template.Open(Template.Cover), NoSuid | NoExec | ReadOnly)) < 0) return result;
        if ((result = Attach(dev, Template.Open(Template.Dev), NoSuid | NoExec)) < 0) return result;
        nint mounted = Template.Open(Template.Dev); // what is mounted there now
        if (mounted < 0) return mounted;
        if ((result = MountFile(mounted, "pts"u8, "devpts"u8, NoSuid | NoExec, "newinstance,ptmxmode=0666,mode=620,gid=5"u8)) < 0) return result;
        return Part(memory, "shm"u8, mounted, "shm"u8, NoSuid | NoDev | NoExec);
    }

    /// <summary>A directory of the container's file system in memory, mounted by itself on one of a root.</summary>
    private static nint Part(nint memory, ReadOnlySpan<byte> directory, nint root, ReadOnlySpan<byte> target, nint attributes)
    {
        nint from = OpenBeneath(memory, directory, Sys.OPath | Sys.Directory), point = Point(root, target, true);
        return from < 0 ? from : point < 0 ? point : Attach(from, point, attributes);
    }

    /// <summary>Nothing is made or removed in /dev any more; what is mounted inside it stays as it is.</summary>
    private static nint FreezeDevices(nint root)
    {
        nint dev = OpenBeneath(root, "dev"u8, Sys.OPath | Sys.Directory, InRoot);
        if (dev < 0) return dev;
        ulong* change = stackalloc ulong[4];
        change[0] = (ulong)ReadOnly;
        change[1] = change[2] = change[3] = 0;
        fixed (byte* empty = "\0"u8) return Host.Call(Sys.MountSetattr, dev, (nint)empty, 0x1000, (nint)change, 32);
    }

    private static nint Device(nint directory, ReadOnlySpan<byte> name, int major, int minor)
    {
        fixed (byte* p = name) return Host.Call(Sys.Mknodat, directory, (nint)p, 0x2000 | 0x1B6, major << 8 | minor);
    }

    private static void Link(nint directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        fixed (byte* n = name)
        fixed (byte* t = target) Host.Call(Sys.Symlinkat, (nint)t, directory, (nint)n);
    }

    /// <summary>A file system of a type on a directory of the root, made when it is missing; links in the image cannot lead the mount out.</summary>
    private static nint MountFile(nint root, ReadOnlySpan<byte> directory, ReadOnlySpan<byte> type, nint flags, ReadOnlySpan<byte> options)
    {
        nint target = Point(root, directory, true);
        return target < 0 ? target : MountOver(target, type, flags, options);
    }

    /// <summary>A file system of a type on a directory, which is the working directory then.</summary>
    public static nint MountOver(nint directory, ReadOnlySpan<byte> type, nint flags, ReadOnlySpan<byte> options)
    {
        nint result = Host.Call(Sys.Fchdir, directory);
        if (result < 0) return result;
        fixed (byte* dot = "."u8)
        fixed (byte* t = type)
        fixed (byte* o = options) return Host.Call(Sys.Mount, (nint)t, (nint)dot, (nint)t, flags, (nint)o);
    }

    /// <summary>A mount point inside the root: opened there, or made with its parents.</summary>
    private static nint Point(nint root, ReadOnlySpan<byte> path, bool directory)
    {
        while (path.Length > 0 && path[0] == '/') path = path.Slice(1);
        if (path.Length == 0) return -Sys.Einval;
        nint found = OpenBeneath(root, path, Sys.OPath, InRoot);
        if (found != -Sys.Enoent) return found;
        nint parent = root;
        int begin = 0;
        while (true)
        {
            int slash = path.Slice(begin).IndexOf((byte)'/');
            var name = slash < 0 ? path.Slice(begin) : path.Slice(begin, slash);
            byte* text = stackalloc byte[256];
            if (name.Length > 255) return -Sys.Einval;
            name.CopyTo(new Span<byte>(text, 256));
            text[name.Length] = 0;
            bool last = slash < 0;
            nint made = last && !directory ? Host.Call(Sys.Mknodat, parent, (nint)text, 0x8000 | 0x1A4, 0) : Host.Call(Sys.Mkdirat, parent, (nint)text, 0x1ED);
            if (made < 0 && made != -Sys.Eexist) return made;
            nint next = OpenBeneath(root, path.Slice(0, begin + name.Length), Sys.OPath, InRoot); // from the root, which links such as /var/run begin at
            if (next < 0 || last) return next;
            parent = next;
            begin += slash + 1;
        }
    }

    /// <summary>A mount of the description: whether it is read only, the bytes of one in memory, where it comes from (empty: it is in memory) and its place. False: it is none.</summary>
    private static bool Mount(byte* value, int size, out bool readOnly, out long bytes, out ReadOnlySpan<byte> source, out ReadOnlySpan<byte> target)
    {
        readOnly = size > 0 && *value != 0;
        bytes = size < 11 ? 0 : *(long*)(value + 1);
        var names = size < 11 ? default : new ReadOnlySpan<byte>(value + 9, size - 9);
        int end = names.IndexOf((byte)0);
        source = end < 0 ? default : names.Slice(0, end);
        target = end < 0 ? default : names.Slice(end + 1);
        return end >= 0;
    }

    /// <summary>Detached copies of what is mounted into the container, one for each mount that has a source, taken in the mount namespace of the kernel: of another one's mounts there are no copies.</summary>
    private static nint Taken(ref Launcher.Child child, nint* trees)
    {
        nint own = 0;
        int at = 0;
        for (int i = 0; child.Description.Next(StartTag.Mount, ref at, out byte* value, out int size); i++)
        {
            if (!Mount(value, size, out bool readOnly, out _, out var source, out _)) return -Sys.Einval;
            trees[i] = 0;
            if (source.Length == 0) continue;
            nint result = own != 0 ? 0 : (own = Template.Current()) < 0 ? own : Template.Return(Node.HostMounts);
            if (result < 0) return result;
            if ((trees[i] = Source(Node.Root, source, readOnly)) < 0) return trees[i];
        }
        return own == 0 ? 0 : Template.Return(own);
    }

    private static nint Source(nint nodeRoot, ReadOnlySpan<byte> source, bool readOnly)
    {
        // A volume's content is a container's: a link in it must not choose what is mounted.
        bool onlyRead = false;
        nint from = source[0] == '/' ? HostPaths.Open(source, out onlyRead) : OpenBeneath(nodeRoot, source, Sys.OPath, Beneath | NoLinks);
        if (from < 0) return from;
        nint tree = Copy(from, NoSuid | NoDev | (readOnly || onlyRead ? ReadOnly : 0));
        Host.Call(Sys.Close, from);
        return tree;
    }

    private static nint Mounts(ref Launcher.Child child, nint root, nint* trees)
    {
        int at = 0;
        for (int i = 0; child.Description.Next(StartTag.Mount, ref at, out byte* value, out int size); i++)
        {
            Mount(value, size, out _, out long bytes, out var source, out var target);
            nint result = source.Length == 0 ? Temporary(root, target, bytes) : Bind(root, trees[i], target);
            if (result < 0) return result;
        }
        return 0;
    }

    private static nint Temporary(nint root, ReadOnlySpan<byte> target, long bytes)
    {
        Span<byte> text = stackalloc byte[64];
        var options = new TextWriter(text.Slice(0, 63));
        options.Add("mode=1777"u8);
        if (bytes > 0) { options.Add(",size="u8); options.Add(bytes); }
        text[options.Length] = 0;
        return MountFile(root, target, "tmpfs"u8, NoSuid | NoDev, text.Slice(0, options.Length + 1));
    }

    private static nint Bind(nint root, nint tree, ReadOnlySpan<byte> target)
    {
        nint directory = OpenBeneath(tree, "."u8, Sys.OPath | Sys.Directory, Beneath | NoLinks);
        nint point = Point(root, target, directory >= 0);
        if (directory >= 0) Host.Call(Sys.Close, directory);
        return point < 0 ? point : Put(tree, point);
    }

    /// <summary>A detached copy of one mount, with attributes, moved onto a point: at no moment is it attached without them.</summary>
    /// <param name="below">With what is mounted beneath it, as that is.</param>
    public static nint Attach(nint from, nint point, nint attributes, bool below = false)
    {
        nint tree = Copy(from, attributes, below);
        return tree < 0 ? tree : Put(tree, point);
    }

    /// <summary>A detached copy of one mount of this namespace, with attributes; a descriptor, or a negative errno.</summary>
    private static nint Copy(nint from, nint attributes, bool below = false)
    {
        fixed (byte* empty = "\0"u8)
        {
            nint tree = Host.Call(Sys.OpenTree, from, (nint)empty, 0x1000 | 1 | (below ? 0x8000 : 0) | Sys.Cloexec); // AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE
            if (tree < 0) return tree;
            ulong* change = stackalloc ulong[4];
            change[0] = (ulong)attributes;
            change[1] = change[2] = change[3] = 0;
            nint result = Host.Call(Sys.MountSetattr, tree, (nint)empty, 0x1000, (nint)change, 32);
            if (result >= 0) return tree;
            Host.Call(Sys.Close, tree);
            return result;
        }
    }

    /// <summary>A detached tree becomes what is mounted on a point.</summary>
    private static nint Put(nint tree, nint point)
    {
        nint result;
        fixed (byte* empty = "\0"u8) result = Host.Call(Sys.MoveMount, tree, (nint)empty, point, (nint)empty, 4 | 0x40); // both paths empty
        Host.Call(Sys.Close, tree);
        return result;
    }

    /// <summary>Makes the root read-only, but for the directories that the set lets the container write.</summary>
    private static nint Freeze(ref Launcher.Child child, nint root)
    {
        int at = 0;
        while (child.Description.Next(StartTag.WritablePath, ref at, out byte* value, out int size))
        {
            nint point = Point(root, new ReadOnlySpan<byte>(value, size), true);
            if (point < 0) return point;
            nint result = Attach(point, point, NoSuid | NoDev, below: true);
            if (result < 0) return result;
        }
        fixed (byte* empty = "\0"u8)
        {
            ulong* change = stackalloc ulong[4];
            change[0] = (ulong)ReadOnly;
            change[1] = change[2] = change[3] = 0;
            return Host.Call(Sys.MountSetattr, root, (nint)empty, 0x1000, (nint)change, 32);
        }
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

    /// <summary>Files of /proc that tell of the host are covered.</summary>
    private static nint Mask(HostFact facts, bool root)
    {
        nint worst = Cover("/proc/kallsyms"u8);
        Cover("/proc/kcore"u8); Cover("/proc/keys"u8); Cover("/proc/timer_list"u8); Cover("/proc/sched_debug"u8); Cover("/proc/config.gz"u8);
        Cover("/proc/sysrq-trigger"u8); Cover("/proc/kmsg"u8); Cover("/proc/key-users"u8); Cover("/proc/latency_stats"u8);
        Cover("/proc/cmdline"u8); Cover("/proc/iomem"u8); Cover("/proc/ioports"u8); Cover("/proc/interrupts"u8); Cover("/proc/diskstats"u8); Cover("/proc/partitions"u8);
        for (int part = 0; HostFacts.Silent(facts, root, part) is { Length: > 0 } names; part++)
        {
            nint covered = CoverEach(names, "/cover/null"u8);
            if (covered < 0) return covered;
        }
        nint hollow = CoverEach(HostFacts.Hollow(facts), "/proc/fs"u8); // a copy of that mount is as read-only
        if (hollow < 0) return hollow;
        return worst == -Sys.Enoent ? 0 : worst;
    }

    private static nint Cover(ReadOnlySpan<byte> path) => Cover(path, "/cover/null"u8);

    private static nint Cover(ReadOnlySpan<byte> path, ReadOnlySpan<byte> with)
    {
        fixed (byte* p = path)
        fixed (byte* source = with) return Host.Call(Sys.Mount, (nint)source, (nint)p, 0, 0x1000);
    }

    /// <summary>Files and directories of /proc, separated by spaces; what this host has not is none to cover.</summary>
    private static nint CoverEach(ReadOnlySpan<byte> names, ReadOnlySpan<byte> with)
    {
        Span<byte> path = stackalloc byte[64];
        var fields = new FieldReader(names);
        for (var name = fields.Next(); name.Length > 0; name = fields.Next())
        {
            path.Clear();
            var text = new TextWriter(path);
            text.Add("/proc/"u8); text.Add(name);
            nint covered = Cover(path, with);
            if (covered < 0 && covered != -Sys.Enoent) return covered;
        }
        return 0;
    }

    private static nint FreezePath(ReadOnlySpan<byte> path)
    {
        fixed (byte* p = path)
        {
            nint result = Host.Call(Sys.Mount, (nint)p, (nint)p, 0, 0x1000);
            return result < 0 ? result : Host.Call(Sys.Mount, 0, (nint)p, 0, 0x1000 | 0x20 | ReadOnly | NoSuid | NoDev | NoExec);
        }
    }
}
