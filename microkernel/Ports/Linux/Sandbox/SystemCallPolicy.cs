using System;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What the filter does with a call: the values of SECCOMP_RET_* (linux/seccomp.h) with the errno in the low half.</summary>
public static class Verdict
{
    public const uint Allow = 0x7fff0000, Trap = 0x7fc00000, Kill = 0x80000000, Error = 0x00050000;
    public const uint Eperm = Error | 1, Enosys = Error | 38;
}

/// <summary>
/// The policy as data: which system calls (x86-64 numbers) run natively, which trap, and which are looked at by argument, each for the classes that a capability set brings
/// (<see cref="CallClasses"/>). Everything that is not here is refused with EPERM. Source of the groups: what redis, nginx, busybox, PostgreSQL, .NET and Go were seen to use.
/// </summary>
public static class SystemCallPolicy
{
    public const int Groups = 7;

    /// <summary>One group of calls that run natively: they act only on the caller's own memory, on descriptors it holds, or on names inside its own mount namespace.</summary>
    /// <param name="index">From 0 to <see cref="Groups"/> - 1.</param>
    /// <param name="classes">A set that brings one of these has the group; None: every set has it.</param>
    public static ReadOnlySpan<short> Native(int index, out CallClass classes)
    {
        classes = index switch { 0 => CallClass.None, 1 => CallClass.All, 2 => CallClass.Network, 3 => CallClass.Processes, 4 => CallClass.Files, 5 => CallClass.SharedMemory, _ => CallClass.Processes | CallClass.Threads };
        return index switch { 0 => Least, 1 => Common, 2 => Network, 3 => Processes, 4 => Files, 5 => SharedMemory, _ => Scheduling };
    }

    /// <summary>What one process needs that reads, computes and says what came of it.</summary>
    private static ReadOnlySpan<short> Least =>
    [
        9, 10, 11, 12, 28,                          // memory: mmap mprotect munmap brk madvise
        0, 1, 3, 5, 7, 8, 17, 19, 20,               // held descriptors: read write close fstat poll lseek pread64 readv writev; fcntl by rule
        2, 4, 79, 89, 217, 257, 262, 332,           // names, to read: open stat getcwd readlink getdents64 openat newfstatat statx
        59, 158, 218, 60, 231,                      // beginning and end: execve arch_prctl set_tid_address exit exit_group
        13, 14, 15, 234, 39, 186, 102, 107,         // signals to itself, who it is: rt_sigaction rt_sigprocmask rt_sigreturn tgkill getpid gettid getuid geteuid
        228, 230, 219, 202, 318,                    // clock_gettime clock_nanosleep restart_syscall futex getrandom
    ];

    /// <summary>What programs of any size expect of a system and what gains them nothing: more of memory, descriptors, waiting, time and looking at themselves.</summary>
    private static ReadOnlySpan<short> Common =>
    [
        25, 26, 27, 149, 150, 273, 274, 319, 324, 325, 334,
        18, 22, 32, 33, 40, 73, 74, 75, 77, 78, 80, 81, 137, 138, 221, 275, 276, 285, 292, 293, 295, 296, 326, 327, 328, 436,
        23, 213, 232, 233, 253, 254, 255, 270, 271, 281, 282, 283, 284, 286, 287, 289, 290, 291, 294,
        6, 21, 95, 191, 192, 193, 194, 195, 196, 267, 269, 439,
        24, 34, 35, 36, 37, 38, 62, 63, 96, 97, 98, 100, 104, 108, 110, 111, 115, 118, 120, 121, 124, 125, 127, 128, 130, 131, 160, 200, 201, 203, 204, 222, 223, 224, 225, 226, 229, 302, 309,
    ];

    /// <summary>On sockets that are held: accept recvfrom recvmsg shutdown getsockname getpeername socketpair getsockopt accept4 recvmmsg.</summary>
    private static ReadOnlySpan<short> Network => [43, 45, 47, 48, 51, 52, 53, 55, 288, 299];

    /// <summary>Further processes, waiting for them, groups and sessions, identities.</summary>
    private static ReadOnlySpan<short> Processes =>
    [
        57, 58, 61, 247, 322, 109, 112, 105, 106, 113, 114, 116, 117, 119, 122, 123, 126, 129, 424, 434,
    ];

    /// <summary>Priorities and policies of threads, waiting for several futexes, rt_tgsigqueueinfo.</summary>
    private static ReadOnlySpan<short> Scheduling => [140, 141, 142, 143, 144, 145, 146, 147, 297, 449];

    /// <summary>What changes names and attributes in a file system; writing to what is held open needs no class. And sync_file_range, whose refusal databases take for a broken disk.</summary>
    private static ReadOnlySpan<short> Files =>
    [
        76, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 132, 235, 258, 260, 261, 263, 264, 265, 266, 268, 277, 280, 316, 452,
    ];

    /// <summary>shmget shmat shmctl shmdt.</summary>
    private static ReadOnlySpan<short> SharedMemory => [29, 30, 31, 67];

    /// <summary>
    /// Calls that would acquire authority: connect, bind, listen; and sysinfo, which tells of the host (<see cref="HostFacts"/>). Without the network class they trap to be recorded and refused, with what the program wanted to reach; what it holds
    /// for a socket then is none.
    /// </summary>
    public static ReadOnlySpan<short> Trapped(CallClass classes) => (classes & CallClass.Network) != 0 ? [42, 49, 50, 99] : classes != 0 ? [42, 49, 99] : [42, 49];

    /// <summary>clone3: its flags stand behind a pointer, so a filter cannot read them; libraries fall back to clone.</summary>
    public static ReadOnlySpan<short> Absent => [435];

    private const uint Every = 0, Networked = (uint)CallClass.Network, Processed = (uint)CallClass.Processes, Threaded = (uint)CallClass.Threads, Further = Processed | Threaded, Any = (uint)CallClass.All;

    /// <summary>Rules by argument: see <see cref="ArgumentRule"/>.</summary>
    public static ReadOnlySpan<uint> Rules =>
    [
        // classes (0: every set), number, argument, kind, operand, verdict when it matches; rules of one number in order; the last line of a number is its default
        Networked, 41, 0, ArgumentRule.Equal, 1, Verdict.Trap,                // socket(AF_UNIX)
        Every, 41, 0, ArgumentRule.Equal, 2, Verdict.Trap,                // socket(AF_INET)
        Every, 41, 0, ArgumentRule.Equal, 10, Verdict.Error | 97,         // socket(AF_INET6): EAFNOSUPPORT
        Every, 41, 0, ArgumentRule.Always, 0, Verdict.Eperm,
        Further, 56, 0, ArgumentRule.AnyBit, 0x7E020000, Verdict.Eperm,       // clone with a new namespace
        Threaded, 56, 0, ArgumentRule.AnyBit, 0x10000, Verdict.Allow,         // CLONE_THREAD
        Processed, 56, 0, ArgumentRule.AnyBit, 0x10000, Verdict.Error | 11,   // no threads: EAGAIN, as where there are too many
        Processed, 56, 0, ArgumentRule.Always, 0, Verdict.Allow,
        Threaded, 56, 0, ArgumentRule.Always, 0, Verdict.Eperm,
        Any, 157, 0, ArgumentRule.Equal, 15, Verdict.Allow, Any, 157, 0, ArgumentRule.Equal, 16, Verdict.Allow,   // prctl: names
        Any, 157, 0, ArgumentRule.Equal, 3, Verdict.Allow, Any, 157, 0, ArgumentRule.Equal, 4, Verdict.Allow,     // dumpable
        Any, 157, 0, ArgumentRule.Equal, 1, Verdict.Allow, Any, 157, 0, ArgumentRule.Equal, 2, Verdict.Allow,     // parent-death signal
        Any, 157, 0, ArgumentRule.Equal, 38, Verdict.Allow, Any, 157, 0, ArgumentRule.Equal, 39, Verdict.Allow,   // no_new_privs
        Any, 157, 0, ArgumentRule.Equal, 41, Verdict.Allow, Any, 157, 0, ArgumentRule.Equal, 42, Verdict.Allow,   // huge pages
        Any, 157, 0, ArgumentRule.Equal, 23, Verdict.Allow, Any, 157, 0, ArgumentRule.Equal, 7, Verdict.Allow,    // read bounding set, keep-capabilities
        Any, 157, 0, ArgumentRule.Equal, 21, Verdict.Allow, Any, 157, 0, ArgumentRule.Equal, 0x53564d41, Verdict.Allow, // seccomp mode, names of mappings
        Any, 157, 0, ArgumentRule.Always, 0, Verdict.Eperm,
        Every, 72, 1, ArgumentRule.Equal, 1026, Verdict.Eperm,                // fcntl: F_NOTIFY, which tells of what others do in a directory
        Any, 72, 1, ArgumentRule.Always, 0, Verdict.Allow,
        Every, 72, 1, ArgumentRule.Equal, 0, Verdict.Allow, Every, 72, 1, ArgumentRule.Equal, 1030, Verdict.Allow,          // copies of a descriptor
        Every, 72, 1, ArgumentRule.Equal, 1, Verdict.Allow, Every, 72, 1, ArgumentRule.Equal, 2, Verdict.Allow,             // close on exec
        Every, 72, 1, ArgumentRule.Equal, 3, Verdict.Allow, Every, 72, 1, ArgumentRule.Equal, 4, Verdict.Allow,             // status
        Every, 72, 1, ArgumentRule.Equal, 5, Verdict.Allow, Every, 72, 1, ArgumentRule.Equal, 6, Verdict.Allow,             // locks
        Every, 72, 1, ArgumentRule.Equal, 7, Verdict.Allow,
        Every, 72, 1, ArgumentRule.Always, 0, Verdict.Eperm,
        Every, 16, 1, ArgumentRule.Equal, 0x5401, Verdict.Allow, Every, 16, 1, ArgumentRule.Equal, 0x5402, Verdict.Allow,   // ioctl: terminal attributes
        Every, 16, 1, ArgumentRule.Equal, 0x5403, Verdict.Allow, Every, 16, 1, ArgumentRule.Equal, 0x5404, Verdict.Allow,
        Every, 16, 1, ArgumentRule.Equal, 0x540f, Verdict.Allow, Every, 16, 1, ArgumentRule.Equal, 0x5410, Verdict.Allow,   // foreground group
        Every, 16, 1, ArgumentRule.Equal, 0x5413, Verdict.Allow, Every, 16, 1, ArgumentRule.Equal, 0x5414, Verdict.Allow,   // window size
        Every, 16, 1, ArgumentRule.Equal, 0x541b, Verdict.Allow, Every, 16, 1, ArgumentRule.Equal, 0x5421, Verdict.Allow,   // FIONREAD, FIONBIO
        Every, 16, 1, ArgumentRule.Equal, 0x5452, Verdict.Allow,                                              // FIOASYNC, which fcntl can do as well
        Every, 16, 1, ArgumentRule.Equal, 0x5450, Verdict.Allow, Every, 16, 1, ArgumentRule.Equal, 0x5451, Verdict.Allow,   // FIONCLEX, FIOCLEX
        Every, 16, 1, ArgumentRule.Always, 0, Verdict.Eperm,
        Networked, 44, 3, ArgumentRule.AnyBit, 0x20000000, Verdict.Eperm,     // sendto: MSG_FASTOPEN
        Networked, 44, 4, ArgumentRule.Equal, 0, Verdict.Allow,               // no address
        Networked, 44, 4, ArgumentRule.Always, 0, Verdict.Trap,
        Networked, 46, 2, ArgumentRule.AnyBit, 0x20000000, Verdict.Eperm,     // sendmsg: where it goes stands behind a pointer
        Networked, 46, 2, ArgumentRule.Always, 0, Verdict.Trap,
        Networked, 307, 3, ArgumentRule.AnyBit, 0x20000000, Verdict.Eperm,    // sendmmsg
        Networked, 307, 3, ArgumentRule.Always, 0, Verdict.Trap,
        Networked, 54, 2, ArgumentRule.Equal, 30, Verdict.Eperm,              // setsockopt: TCP_FASTOPEN_CONNECT
        Networked, 54, 2, ArgumentRule.Equal, 31, Verdict.Eperm,              // TCP_ULP: TLS, espintcp and their like in the host's kernel
        Networked, 54, 2, ArgumentRule.Equal, 26, Verdict.Eperm,              // SO_ATTACH_FILTER, _BPF, _REUSEPORT_CBPF, _REUSEPORT_EBPF: programs for the host's kernel
        Networked, 54, 2, ArgumentRule.Equal, 50, Verdict.Eperm, Networked, 54, 2, ArgumentRule.Equal, 51, Verdict.Eperm,
        Networked, 54, 2, ArgumentRule.Equal, 52, Verdict.Eperm,
        Networked, 54, 2, ArgumentRule.Equal, 64, Verdict.Eperm,              // IPT_SO_SET_REPLACE, IPT_SO_SET_ADD_COUNTERS: netfilter's tables
        Networked, 54, 2, ArgumentRule.Equal, 65, Verdict.Eperm,
        Networked, 54, 2, ArgumentRule.Always, 0, Verdict.Allow,
    ];
}

public static class ArgumentRule
{
    public const uint Equal = 0, AnyBit = 1, Always = 2;
    public const int Width = 6;
}
