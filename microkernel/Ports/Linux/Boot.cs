using System;
using System.Runtime;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>eyrie-kernel: reads its arguments, makes the first objects, starts the servers and runs the event loop.</summary>
public static unsafe class Boot
{
    /// <summary>Memory of the root factory: what all containers of a node may be given together.</summary>
    private const long RootQuota = 1L << 50, RootProcesses = 1L << 20;

    /// <summary>The Landlock ABI from which on abstract Unix sockets have a scope.</summary>
    private const int ScopedSockets = 6;

    private static ReadOnlySpan<byte> Usage => "usage: eyrie-kernel --root DIR --socket PATH --servers DIR --cgroup NAME [--owner PROCESS] [--host PATH[:ro]]... [--task PROGRAM:ARGUMENT]...\n"u8;
    private static ReadOnlySpan<short> MettEagleCalls => [0, 1, 3, 7, 9, 11, 15, 17, 20, 39, 44, 46, 47, 60, 72, 202, 228, 231, 232, 233, 291, 288, 293, 322];
    private static ReadOnlySpan<short> NetworkCalls => [0, 1, 3, 7, 9, 11, 15, 39, 41, 42, 48, 49, 50, 51, 52, 54, 55, 56, 60, 72, 202, 228, 231, 322];

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        byte* root = null, socket = null, servers = null, owner = null;
        byte** arguments = (byte**)(stack + 1);
        for (int i = 1; i + 1 < stack[0]; i += 2)
        {
            var name = Text(arguments[i]);
            if (name.SequenceEqual("--root"u8)) root = arguments[i + 1];
            else if (name.SequenceEqual("--socket"u8)) socket = arguments[i + 1];
            else if (name.SequenceEqual("--servers"u8)) servers = arguments[i + 1];
            else if (name.SequenceEqual("--cgroup"u8)) Node.GroupPrefix = arguments[i + 1];
            else if (name.SequenceEqual("--owner"u8)) owner = arguments[i + 1];
            else if (name.SequenceEqual("--host"u8)) continue;
            else if (!name.SequenceEqual("--task"u8) || !FurtherTasks.Name(arguments[i + 1])) return Fail(Usage);
        }
        HostPaths.Named(arguments, (int)stack[0]);
        if (root == null || socket == null || servers == null || Node.GroupPrefix == null)
            return Fail(Usage);
        nint directory = Host.Call(Sys.Openat, -100, (nint)root, Sys.Directory | Sys.Cloexec);
        if (directory < 0 || root[0] != '/') return Fail("eyrie-kernel: --root: not an absolute path of a directory that can be opened\n"u8);
        Node.Root = (int)directory;
        Node.HostRoot = (int)Template.Open("/"u8);
        if (Node.HostRoot < 0) return Fail("eyrie-kernel: the root directory cannot be opened\n"u8);
        if (Privileges.ScopeVersion() < ScopedSockets) return Fail("eyrie-kernel: the host has no Landlock of ABI 6 (Linux 6.12, with landlock among its security modules), without which containers would reach each other's abstract sockets\n"u8);
        Privileges.Bound();
        if (!Prepare(root)) return Fail("eyrie-kernel: the host refused memory or namespaces; it must run as root\n"u8);
        if (!LiveSockets.Claim()) return Fail("eyrie-kernel: no mark for sockets is left: 63 kernels run on this host (their unix socket names are @eyrie-mark-192 to 254); end one\n"u8);
        if (owner != null && !EndWith(Text(owner))) return Fail("eyrie-kernel: --owner: there is no such process\n"u8);
        nint listening = Listen(socket);
        if (listening < 0) return Fail("eyrie-kernel: --socket: cannot listen there\n"u8);
        ServerRestart.Directory = servers;
        ServerRestart.Listening = (int)listening;
        return Keeper.Run();
    }

    /// <summary>The first kernel.</summary>
    public static bool Begin()
    {
        if (Servers()) { Takeover.Remember(); Blanks.Fill(); return true; }
        Fail("eyrie-kernel: a server could not be started\n"u8);
        return false;
    }

    public static int Fail(ReadOnlySpan<byte> message)
    {
        fixed (byte* text = message) Host.Call(Sys.Write, 2, (nint)text, message.Length);
        return 1;
    }

    public static ReadOnlySpan<byte> Text(byte* text)
    {
        int length = 0;
        while (text[length] != 0) length++;
        return new ReadOnlySpan<byte>(text, length);
    }

    private static bool Prepare(byte* root)
    {
        Node.Tasks = (PortTask*)Node.Allocate((long)Node.MaxObjects * sizeof(PortTask));
        byte* tables = Node.Allocate(Kernel<LinuxMachine>.MemoryFor(Node.MaxObjects, Node.MaxCapabilities));
        Node.StartCopy = Node.Allocate(MessageLayout.Size, born: true);
        Node.Received = (SeccompNotification*)Node.Allocate(4096);
        Node.MakingGroup = (byte*)Node.Received + 2048;
        Node.Natives = (int*)Node.Allocate(Node.MaxNatives * sizeof(int));
        byte* filters = Node.Allocate(3 * FilterCompiler.MaxInstructions * 8, born: true);
        if (Node.Tasks == null || tables == null || filters == null || Node.StartCopy == null || Node.Received == null || !ContainerFilters.Initialize() || !HostFacts.Initialize() || !SpareGroups.Initialize() || !Blanks.Initialize()) return false;
        Node.Kernel.Initialize(tables, Node.MaxObjects, Node.MaxCapabilities);
        var compiler = new FilterCompiler();
        Node.MettEagleFilter = (ulong*)filters;
        Node.MettEagleFilterLength = compiler.CompileNative(Node.MettEagleFilter, MettEagleCalls);
        Node.NetworkFilter = Node.MettEagleFilter + FilterCompiler.MaxInstructions;
        Node.NetworkFilterLength = compiler.CompileNative(Node.NetworkFilter, NetworkCalls);
        Node.TaskFilter = Node.NetworkFilter + FilterCompiler.MaxInstructions;
        Node.TaskFilterLength = compiler.CompileNative(Node.TaskFilter, FurtherTasks.Calls);
        Node.Epoll = (int)Host.Call(Sys.EpollCreate1, Sys.Cloexec);
        Node.FavouredMoves = (int)FavouredMoves.Ask();
        ControlGroup.Open(Text(Node.GroupPrefix));
        return WatchedLimits.Initialize() && Node.Epoll >= 0 && EmptyPlaces(root) && Keeper.Initialize() && Takeover.Watch();
    }

    /// <summary>One network namespace and, for those that share no memory with others, one IPC namespace with nothing in it for all containers, and one directory with nothing in it for the servers' root; and the template of all containers' mounts.</summary>
    private static bool EmptyPlaces(byte* root)
    {
        fixed (byte* processes = "/proc/self/ns/pid"u8) Node.OwnProcesses = (int)Host.Call(Sys.Openat, -100, (nint)processes, Sys.Cloexec);
        if (Node.OwnProcesses < 0 || Host.Call(Sys.Unshare, 0x08000000) < 0) return false; // CLONE_NEWIPC
        fixed (byte* self = "/proc/self/ns/net"u8)
        fixed (byte* empty = "empty"u8)
        {
            nint own = Host.Call(Sys.Openat, -100, (nint)self, Sys.Cloexec);
            if (own < 0 || Host.Call(Sys.Unshare, 0x40000000) < 0) return false;
            nint made = Host.Call(Sys.Openat, -100, (nint)self, Sys.Cloexec);
            if (made < 0 || Host.Call(Sys.Unshare, 0x40000000) < 0) return false;
            nint unseen = Host.Call(Sys.Openat, -100, (nint)self, Sys.Cloexec);
            if (unseen < 0 || Host.Call(Sys.Setns, own, 0x40000000) < 0) return false;
            Node.OwnNetwork = (int)own;
            Node.EmptyNetwork = (int)made;
            Node.UnseenNetwork = (int)unseen;
            Host.Call(Sys.Mkdirat, Node.Root, (nint)empty, 0x16D);
            nint directory = Host.Call(Sys.Openat, Node.Root, (nint)empty, Sys.Directory | Sys.Cloexec);
            Node.EmptyDirectory = (int)directory;
            Node.HostMounts = (int)Template.Current();
            Node.Template = (int)Template.Make(root);
            return directory >= 0 && Node.HostMounts >= 0 && Node.Template >= 0;
        }
    }

    /// <summary>The end of the process that started the kernel is the kernel's: nobody else could end what it runs.</summary>
    private static bool EndWith(ReadOnlySpan<byte> process)
    {
        nint number = 0;
        for (int i = 0; i < process.Length; i++) number = process[i] is >= (byte)'0' and <= (byte)'9' && number >= 0 ? number * 10 + process[i] - '0' : -1;
        nint owner = number <= 0 ? -1 : Host.Call(Sys.PidfdOpen, number, 0);
        Node.Owner = (int)owner;
        return owner >= 0 && Node.Watch((int)owner, Node.Signal, 0) >= 0;
    }

    private static nint Listen(byte* path)
    {
        byte* address = stackalloc byte[110];
        int length = Text(path).Length;
        if (length > 107) return -Sys.Einval;
        *(ushort*)address = Sys.AfUnix;
        for (int i = 0; i <= length; i++) address[2 + i] = path[i];
        Host.Call(Sys.Unlink, (nint)path);
        nint socket = Host.Call(Sys.Socket, Sys.AfUnix, 1 | Sys.Cloexec | Sys.NonBlock, 0);
        if (socket < 0) return socket;
        Host.Call(Sys.Umask, 0x3F);
        nint result = Host.Call(Sys.Bind, socket, (nint)address, length + 3);
        Host.Call(Sys.Umask, 0x12);
        if (result >= 0) result = Host.Call(Sys.Listen, socket, 16);
        return result < 0 ? result : socket;
    }

    /// <summary>The first objects, and who gets which: a server holds what its job needs and no more.</summary>
    private static bool Servers()
    {
        ref var kernel = ref Node.Kernel;
        kernel.Boot(RootQuota, RootProcesses, out int factory, out int self);
        Node.Self = self;
        if (kernel.Insert(self, 1, factory, Rights.All, 0) < 0) return false;
        if (kernel.Create(self, 1, ObjectKind.Task, 2, 0, 0, null, 0) < 0) return false;
        if (kernel.Create(self, 1, ObjectKind.Task, 3, 0, 0, null, 0) < 0) return false;
        Node.MettEagle = kernel.Decode(self, 2, ObjectKind.Task, Rights.Control);
        Node.Network = kernel.Decode(self, 3, ObjectKind.Task, Rights.Control);
        if (kernel.Create(self, 1, ObjectKind.Log, 4, 0, 0, null, 0) < 0) return false;
        if (kernel.Create(self, 1, ObjectKind.Gate, 5, 0, 3, null, 0) < 0) return false; // label 0: the network server's control gate
        fixed (byte* name = "node root"u8)
        {
            int root = kernel.CreateDescriptor(factory, Node.Root, name, 9);
            if (root < 0 || kernel.Insert(self, 6, root, Rights.All, 0) < 0) return false;
        }
        if (kernel.Map(self, 1, 2, BootSlot.Factory, Rights.All) < 0 || kernel.Map(self, 6, 2, BootSlot.NodeRoot, Rights.Read | Rights.Write) < 0
            || kernel.Map(self, 3, 2, BootSlot.NetworkTask, Rights.Control) < 0 || kernel.Map(self, 2, 2, BootSlot.SelfTask, Rights.Control) < 0
            || kernel.Map(self, 5, 2, BootSlot.NetworkControl, Rights.Call) < 0 || kernel.Map(self, 4, 2, BootSlot.Log, Rights.Write | Rights.Map) < 0
            || kernel.Map(self, 4, 3, BootSlot.Log, Rights.Write) < 0) return false;
        if (!Traps.Initialize(factory) || !GateCalls.Initialize(factory) || !Deadlines.Initialize() || !LiveSockets.Initialize() || !StandingAnswers.Initialize()) return false;
        return StartNetwork() && StartMettEagle() && FurtherTasks.Start(ServerRestart.Directory);
    }

    public static bool StartNetwork() => Server(Node.Network, ServerRestart.Directory, "network"u8, Node.GroupPrefix, 0, true, Node.NetworkFilter, Node.NetworkFilterLength);

    public static bool StartMettEagle() => Server(Node.MettEagle, ServerRestart.Directory, "metteagle"u8, Node.GroupPrefix, ServerRestart.Listening, false, Node.MettEagleFilter, Node.MettEagleFilterLength);

    public static bool Server(int task, byte* directory, ReadOnlySpan<byte> program, byte* argument, int listening, bool network, ulong* filter, int filterLength)
    {
        ref var port = ref Node.Tasks[task];
        fixed (byte* name = program)
        {
            nint memory = Host.Call(Sys.MemfdCreate, (nint)name, 1), size = SharedSize(task);
            if (memory < 0 || Host.Call(Sys.Ftruncate, memory, size) < 0) return false;
            port.Buffer = (byte*)Host.Call(Sys.Mmap, 0, size, 3, 1, memory);
            nint servers = Host.Call(Sys.Openat, -100, (nint)directory, Sys.Directory | Sys.Cloexec);
            nint file = Host.Call(Sys.Openat, servers, (nint)name, Sys.Cloexec);
            if (servers < 0 || file < 0 || (nint)port.Buffer < 0) return false;
            if (network) StandingAnswers.Shared = port.Buffer + MessageLayout.Size;
            var child = new Launcher.Child
            {
                Root = Node.Root, Output = 1, Error = 2, Filter = filter, FilterLength = filterLength, Task = task, NativeProgram = name, NativeArgument = argument,
                NativeDescriptor = (int)file, MessageBuffer = (int)memory, Listening = listening, KeepNetworkBind = network ? 1 : 0, EmptyDirectory = Node.EmptyDirectory,
            };
            var launched = new Launch();
            launched.Result = Launcher.Begin(ref child, ref launched);
            int* poll = stackalloc int[2];
            poll[0] = launched.From;
            poll[1] = Sys.EpollIn;
            // Before the loop begins, so that nobody else waits; when a server is started anew those who wait are those who need it.
            do Host.Call(Sys.Poll, (nint)poll, launched.Result < 0 ? 0 : 1, launched.Result < 0 ? 0 : -1);
            while (launched.Result == 0 && Launcher.Step(ref launched) == LaunchProgress.Waiting);
            if (launched.ProcessId > 0) Launcher.ClosePipes(ref launched);
            Host.Call(Sys.Close, memory);
            Host.Call(Sys.Close, servers);
            Host.Call(Sys.Close, file);
            if (launched.Result < 0)
            {
                Span<byte> line = stackalloc byte[128];
                var text = new TextWriter(line);
                text.Add("eyrie-kernel: "u8); text.Add(program); text.Add(": stage "u8); text.Add((int)launched.Stage); text.Add(", errno "u8); text.Add(-launched.Result); text.Add((byte)'\n');
                Fail(text.Written);
                return false;
            }
            port.Kind = PortKind.Native;
            port.Listener = launched.Listener;
            port.PidDescriptor = launched.PidDescriptor;
            port.Launch = launched;
            port.ProcessId = launched.ProcessId;
            port.State = TaskState.Running;
            Node.AddNative(task);
            Seccomp.WakeOnSameCore(port.Listener);
            Children.Tell(); // it may have ended already
            return Node.Watch(port.Listener, Node.Listener, task) >= 0;
        }
    }

    /// <summary>Bytes that a native task shares with the kernel: its message buffer, and what the network server has behind that.</summary>
    public static nint SharedSize(int task) => task == Node.Network ? MessageLayout.Size + StandingAnswer.Size : MessageLayout.Size;

    /// <summary>A server ended and is started anew. One that ends again and again takes the kernel along, and with it every container; the node then starts that anew.</summary>
    public static void ServerEnded(int task)
    {
        if (Node.Stopping || FurtherTasks.Ended(task) || ServerRestart.Again(task)) return;
        Fail(task == Node.Network ? "eyrie-kernel: the network server ended\n"u8 : "eyrie-kernel: metteagle ended\n"u8);
        Node.Stopping = true;
    }
}
