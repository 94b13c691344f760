using System;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What the filter does with a call: the values of SECCOMP_RET_* (linux/seccomp.h) with the errno in the low half.</summary>
public static class Verdict
{
    public const uint Allow = 0x7fff0000, Trap = 0x7fc00000, Kill = 0x80000000, Error = 0x00050000;
    public const uint Eperm = Error | 1, Enosys = Error | 38;
}

/// <summary>
/// The policy as data: which system calls (x86-64 numbers) run natively, which trap, and which are looked at by argument. Everything that is not here is
/// refused with EPERM. Source of the groups: what redis, nginx, busybox and a Go server were seen to use.
/// </summary>
public static class SystemCallPolicy
{
    /// <summary>Calls that act only on the caller's own memory, on descriptors it holds, or on names inside its own mount namespace.</summary>
    public static ReadOnlySpan<short> Native =>
    [
        // memory
        9, 10, 11, 12, 25, 26, 27, 28, 149, 150, 158, 273, 274, 319, 324, 325, 334,
        // held descriptors
        0, 1, 3, 5, 8, 17, 18, 19, 20, 32, 33, 40, 72, 73, 74, 75, 77, 78, 81, 91, 93, 138, 217, 221, 275, 276, 285, 292, 293, 295, 296, 326, 327, 328, 436,
        7, 23, 213, 232, 233, 253, 254, 255, 270, 271, 281, 282, 283, 284, 286, 287, 289, 290, 291, 294,
        43, 45, 47, 48, 51, 52, 53, 55, 288, 299,
        // names inside the mount namespace
        2, 4, 6, 21, 22, 76, 79, 80, 82, 83, 84, 85, 86, 87, 88, 89, 90, 92, 94, 95, 132, 137, 191, 192, 193, 194, 195, 196, 235, 257, 258, 260, 261, 262, 263,
        264, 265, 266, 267, 268, 269, 280, 316, 332, 439, 452,
        // own process, threads, time, signals
        57, 58, 59, 322, 60, 61, 231, 247, 202, 449, 24, 203, 204, 39, 186, 110, 109, 111, 112, 121, 124, 102, 104, 105, 106, 107, 108, 113, 114, 115, 116, 117, 118, 119, 120, 122, 123,
        97, 98, 160, 302, 100, 63, 99, 318, 228, 229, 230, 35, 218, 309, 222, 223, 224, 225, 226, 36, 37, 38, 96, 201, 125, 126, 140, 141, 142, 143, 144, 145, 146, 147,
        13, 14, 15, 34, 127, 128, 129, 130, 131, 219, 62, 200, 234, 297, 424, 434,
    ];

    /// <summary>Calls that would acquire authority: connect, bind, listen.</summary>
    public static ReadOnlySpan<short> Trapped => [42, 49, 50];

    /// <summary>clone3: its flags stand behind a pointer, so a filter cannot read them; libraries fall back to clone.</summary>
    public static ReadOnlySpan<short> Absent => [435];

    /// <summary>Rules by argument: see <see cref="ArgumentRule"/>.</summary>
    public static ReadOnlySpan<uint> Rules =>
    [
        // number, argument, kind, operand, verdict when it matches; rules of one number in order; the last line of a number is its default
        41, 0, ArgumentRule.Equal, 1, Verdict.Allow,               // socket(AF_UNIX)
        41, 0, ArgumentRule.Equal, 2, Verdict.Trap,                // socket(AF_INET)
        41, 0, ArgumentRule.Equal, 10, Verdict.Error | 97,         // socket(AF_INET6): EAFNOSUPPORT
        41, 0, ArgumentRule.Always, 0, Verdict.Eperm,
        56, 0, ArgumentRule.AnyBit, 0x7E020000, Verdict.Eperm,     // clone with a new namespace
        56, 0, ArgumentRule.Always, 0, Verdict.Allow,
        157, 0, ArgumentRule.Equal, 15, Verdict.Allow, 157, 0, ArgumentRule.Equal, 16, Verdict.Allow,   // prctl: names
        157, 0, ArgumentRule.Equal, 3, Verdict.Allow, 157, 0, ArgumentRule.Equal, 4, Verdict.Allow,     // dumpable
        157, 0, ArgumentRule.Equal, 1, Verdict.Allow, 157, 0, ArgumentRule.Equal, 2, Verdict.Allow,     // parent-death signal
        157, 0, ArgumentRule.Equal, 38, Verdict.Allow, 157, 0, ArgumentRule.Equal, 39, Verdict.Allow,   // no_new_privs
        157, 0, ArgumentRule.Equal, 41, Verdict.Allow, 157, 0, ArgumentRule.Equal, 42, Verdict.Allow,   // huge pages
        157, 0, ArgumentRule.Equal, 23, Verdict.Allow, 157, 0, ArgumentRule.Equal, 7, Verdict.Allow,    // read bounding set, keep-capabilities
        157, 0, ArgumentRule.Equal, 21, Verdict.Allow, 157, 0, ArgumentRule.Equal, 0x53564d41, Verdict.Allow, // seccomp mode, names of mappings
        157, 0, ArgumentRule.Always, 0, Verdict.Eperm,
        16, 1, ArgumentRule.Equal, 0x5401, Verdict.Allow, 16, 1, ArgumentRule.Equal, 0x5402, Verdict.Allow,   // ioctl: terminal attributes
        16, 1, ArgumentRule.Equal, 0x5403, Verdict.Allow, 16, 1, ArgumentRule.Equal, 0x5404, Verdict.Allow,
        16, 1, ArgumentRule.Equal, 0x540f, Verdict.Allow, 16, 1, ArgumentRule.Equal, 0x5410, Verdict.Allow,   // foreground group
        16, 1, ArgumentRule.Equal, 0x5413, Verdict.Allow, 16, 1, ArgumentRule.Equal, 0x5414, Verdict.Allow,   // window size
        16, 1, ArgumentRule.Equal, 0x541b, Verdict.Allow, 16, 1, ArgumentRule.Equal, 0x5421, Verdict.Allow,   // FIONREAD, FIONBIO
        16, 1, ArgumentRule.Equal, 0x5450, Verdict.Allow, 16, 1, ArgumentRule.Equal, 0x5451, Verdict.Allow,   // FIONCLEX, FIOCLEX
        16, 1, ArgumentRule.Equal, 0x5452, Verdict.Allow,          // FIOASYNC, which fcntl can do as well
        16, 1, ArgumentRule.Always, 0, Verdict.Eperm,
        44, 3, ArgumentRule.AnyBit, 0x20000000, Verdict.Eperm,     // sendto: MSG_FASTOPEN
        44, 4, ArgumentRule.Equal, 0, Verdict.Allow,               // no address
        44, 4, ArgumentRule.Always, 0, Verdict.Trap,
        46, 2, ArgumentRule.AnyBit, 0x20000000, Verdict.Eperm,     // sendmsg; a container holds no unconnected datagram socket of the host
        46, 2, ArgumentRule.Always, 0, Verdict.Allow,
        307, 3, ArgumentRule.AnyBit, 0x20000000, Verdict.Eperm,    // sendmmsg
        307, 3, ArgumentRule.Always, 0, Verdict.Allow,
        54, 2, ArgumentRule.Equal, 30, Verdict.Eperm,              // setsockopt: 30 is TCP_FASTOPEN_CONNECT
        54, 2, ArgumentRule.Always, 0, Verdict.Allow,
    ];
}

public static class ArgumentRule
{
    public const uint Equal = 0, AnyBit = 1, Always = 2;
    public const int Width = 5;
}
