namespace Eyrie.Servers.Tests;

/// <summary>One attempt by bare system calls (see tests/SystemCalls). It is denied when its last call is refused.</summary>
/// <param name="What">What would be gained.</param>
/// <param name="Calls">System calls for the program <c>systemcalls</c>, by number (x86-64).</param>
/// <param name="OnHost">Whether a plain process may try it as well, to show that the attempt gets through where nothing forbids it; false where that would harm the host, or needs what it may lack.</param>
public sealed record SystemCallAttack(string What, string Calls, bool OnHost = true)
{
    public override string ToString() => What;
}

/// <summary>Published weaknesses that begin with such an attempt.</summary>
public static class PublishedWeaknesses
{
    /// <summary>The attempt, by the start of its words; the weaknesses.</summary>
    public static IReadOnlyDictionary<string, string> ByAttempt { get; } = new Dictionary<string, string>
    {
        ["unshare: user namespace"] = "CVE-2022-0185, CVE-2022-0492, CVE-2021-22555, CVE-2023-0386", ["fsconfig"] = "CVE-2022-0185", ["bpf"] = "CVE-2020-8835, CVE-2021-3490, CVE-2022-23222",
        ["a socket of bare frames (packet)"] = "CVE-2017-7308, CVE-2020-14386", ["a socket of the kernel's configuration (netlink)"] = "CVE-2022-2588, CVE-2022-25636, CVE-2023-32233, CVE-2024-1086",
        ["io_uring_setup"] = "CVE-2022-29582, CVE-2023-2598", ["keyctl: the session's keyring"] = "CVE-2016-0728", ["userfaultfd"] = "used to win races of the kernel", ["open_by_handle_at"] = "the escape known as shocker",
        ["ptrace: attach to the first process"] = "CVE-2019-13272, CVE-2022-30594", ["perf_event_open"] = "CVE-2013-2094, CVE-2022-1729", ["connect: an abstract Unix socket of the host"] = "CVE-2020-15257",
        ["setns: join a namespace by file"] = "CVE-2016-9962", ["mount"] = "CVE-2021-30465", ["setxattr: file capabilities"] = "CVE-2021-3493, CVE-2023-0386", ["TIOCSTI: type into the terminal of whoever looks on"] = "CVE-2016-2568, CVE-2017-5226",
        ["a socket to the hypervisor (vsock)"] = "CVE-2021-26708", ["modify_ldt"] = "CVE-2015-3290, CVE-2017-17053", ["add_key"] = "CVE-2017-7472",
        ["msgctl: a queue found by number"] = "CVE-2021-22555 shapes its heap so",
    };
}

/// <summary>The attempts, grouped by what they are after.</summary>
public static class SystemCallAttacks
{
    public static IReadOnlyList<SystemCallAttack> All { get; } =
    [
        // other processes
        new("ptrace: be traced", "101 0 0 0 0"),
        new("ptrace: attach to the first process", "101 16 1 0 0", OnHost: false),
        new("process_vm_readv: read another's memory", "310 1 0 0 0 0 0"),
        new("process_vm_writev: write another's memory", "311 1 0 0 0 0 0"),
        new("pidfd_getfd: take a process's descriptor", "39 , 434 $0 0 , 438 $1 0 0"),
        new("process_madvise", "434 1 0 , 440 $0 0 0 0 0", OnHost: false),
        new("kcmp: compare kernel objects", "39 , 312 $0 $0 0 0 0"),
        new("move_pages of another", "279 1 0 0 0 0 0", OnHost: false),
        new("migrate_pages of another", "39 , 256 $0 0 0 0"),
        // namespaces and mounts
        new("unshare: mount namespace", "272 0x20000"),
        new("unshare: user namespace", "272 0x10000000"),
        new("unshare: network namespace", "272 0x40000000"),
        new("unshare: process namespace", "272 0x20000000"),
        new("unshare: host name namespace", "272 0x4000000"),
        new("unshare: IPC namespace", "272 0x8000000"),
        new("unshare: control group namespace", "272 0x2000000"),
        new("setns: join a namespace by file", "257 -100 s:/proc/self/ns/uts 0 , 308 $0 0"),
        new("setns: join by process", "39 , 434 $0 0 , 308 $1 0x4000000"),
        new("clone: with a new user namespace", "56 0x10010000 0 0 0 0"),
        new("clone3", "435 0 0"),
        new("mount", "165 s:none s:/tmp s:nosuchfilesystem 0 0"),
        new("umount2", "166 s:/nosuchplace 0"),
        new("pivot_root", "155 s:/nosuchplace s:/nosuchplace"),
        new("chroot", "161 s:/"),
        new("open_tree: clone a mount", "428 -100 s:/ 1"),
        new("open_tree: look at a mount", "428 -100 s:/ 0"),
        new("move_mount", "429 -1 s: -1 s: 0"),
        new("fsopen", "430 s:tmpfs 0"),
        new("fsconfig", "431 -1 0 0 0 0"),
        new("fsmount", "432 -1 0 0"),
        new("fspick", "433 -100 s:/ 0"),
        new("mount_setattr", "442 -1 s: 0 z:32 32"),
        new("statmount", "457 z:32 z:64 64 0", OnHost: false),
        new("listmount", "458 z:32 z:64 1 0", OnHost: false),
        // the kernel's own machinery
        new("bpf", "321 0 z:128 128"),
        new("perf_event_open", "298 z:128 0 -1 -1 0"),
        new("io_uring_setup", "425 8 z:120"),
        new("io_uring_enter", "426 -1 0 0 0 0 0"),
        new("io_uring_register", "427 -1 0 0 0"),
        new("userfaultfd", "323 0"),
        new("keyctl: the session's keyring", "250 0 -3 0"),
        new("add_key", "248 s:user s:a s:b 1 -2"),
        new("request_key", "249 s:user s:nosuchkey 0 0"),
        new("kexec_load", "246 0 0 0 0xffffffff", OnHost: false),
        new("kexec_file_load", "320 -1 -1 0 0 0xffffffff", OnHost: false),
        new("init_module", "175 z:8 8 s:", OnHost: false),
        new("finit_module", "313 -1 s: 0", OnHost: false),
        new("delete_module", "176 s:nosuchmodule 0", OnHost: false),
        new("reboot", "169 0 0 0 0"),
        new("swapon", "167 s:/nosuchplace 0"),
        new("swapoff", "168 s:/nosuchplace"),
        new("acct: process accounting", "163 s:/nosuchplace"),
        new("syslog: the kernel's messages", "103 10 0 0"),
        new("iopl", "172 3", OnHost: false),
        new("ioperm", "173 0 1 1", OnHost: false),
        new("quotactl", "179 0 s:/nosuchplace 0 0", OnHost: false),
        new("settimeofday", "164 0 0", OnHost: false),
        new("clock_settime", "227 0 0", OnHost: false),
        new("clock_adjtime", "305 0 z:208"),
        new("adjtimex", "159 z:208"),
        new("sethostname", "170 s:a 1", OnHost: false),
        new("setdomainname", "171 s:a 1", OnHost: false),
        new("vhangup", "153", OnHost: false),
        new("fanotify_init", "300 0 0"),
        new("name_to_handle_at", "303 -100 s:/ z:200 z:8 0"),
        new("open_by_handle_at", "304 -100 z:20 0"),
        new("memfd_secret", "447 0", OnHost: false),
        new("personality: executable data", "135 0x400000"),
        new("modify_ldt", "154 0 z:16 16"),
        new("seccomp: a filter of its own", "317 2 0 z:4"),
        new("landlock_create_ruleset", "444 0 0 1"),
        new("shmget: memory shared by number", "29 0x1234567 0 0"),
        new("msgctl: a queue found by number", "71 -1 0 z:8"),
        new("semctl: semaphores found by number", "66 -1 0 0"),
        new("mq_open: a named queue", "240 s:nosuchqueue 0 0 0"),
        new("a call of the x32 table", "0x40000027", OnHost: false),
        new("a call that no kernel has", "999", OnHost: false),
        new("a call of the microkernel's own table", "1001 1 1 9 0 0", OnHost: false),
        // sockets
        new("a socket of the kernel's configuration (netlink)", "41 16 3 0"),
        new("a socket of bare frames (packet)", "41 17 3 0"),
        new("a socket to the hypervisor (vsock)", "41 40 1 0", OnHost: false),
        new("a socket to the kernel's ciphers (alg)", "41 38 5 0", OnHost: false),
        new("a raw IPv4 socket", "41 2 3 1"),
        new("an IPv6 socket", "41 10 1 0"),
        new("TCP fast open by sendto", "41 1 1 0 , 44 $0 z:1 1 0x20000000 z:16 16"),
        new("a datagram socket: names as a way out (DNS)", "41 2 2 0"),
        new("a ping socket", "41 2 2 1", OnHost: false),
        new("an SCTP socket", "41 2 1 132", OnHost: false),
        new("a multipath TCP socket", "41 2 1 262", OnHost: false),
        new("connect: a cloud's metadata service", "41 2 1 0 , 42 $0 x:02000050a9fea9fe0000000000000000 16", OnHost: false),
        new("connect: another pod's private localhost", "41 2 1 0 , 42 $0 x:020000507f5f10c80000000000000000 16", OnHost: false),
        new("bind: a port without a grant", "41 2 1 0 , 49 $0 x:0200e5e7000000000000000000000000 16"),
        new("bind: a Unix socket by path", "87 s:/tmp/eyrie.attack , 41 1 1 0 , 49 $1 x:01002f746d702f65797269652e61747461636b00 20"),
        new("bind: an abstract Unix socket", "41 1 1 0 , 49 $0 x:010000657972696561747461636b 14"),
        new("connect: an abstract Unix socket of the host", "41 1 1 0 , 42 $0 x:010000657972696561747461636b 14", OnHost: false),
        // terminals and files
        new("TIOCSTI: type into the terminal of whoever looks on", "16 1 0x5412 s:x"),
        new("TIOCLINUX: the console", "16 1 0x541c z:8"),
        new("mknod: a memory device", "133 s:/tmp/memory 0x2180 0x101", OnHost: false),
        new("mknodat: a disk", "259 -100 s:/tmp/disk 0x6180 0x800", OnHost: false),
        new("setxattr: an overlay's own attribute", "188 s:/tmp s:trusted.overlay.opaque s:y 1 0", OnHost: false),
        new("setxattr: file capabilities", "188 s:/tmp s:security.capability x:0100000201000000000000000000000000000000 20 0", OnHost: false),
        new("capset: every capability", "126 x:2205082000000000 x:ffffffffffffffff00000000ffffffffffffffff00000000", OnHost: false),
        new("setuid: another user", "105 12345", OnHost: false),
    ];
}
