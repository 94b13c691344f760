namespace Eyrie.Servers.Tests;

/// <summary>One attempt as a program makes it: a shell script that says GOT when it gets through.</summary>
/// <param name="What">What would be gained.</param>
/// <param name="Script">The script; <c>$MARKER</c> is a file of the host outside the container, <c>$PORT</c> a port on the host's localhost that answers, <c>$UDP</c> one that takes datagrams, <c>$DOORPATH</c> a Unix socket of the host at the end of a mount that may be read, <c>$DOOR</c> its path in hexadecimal, 108 bytes, <c>$PIPE</c> the pipe by which container <c>web</c> is signalled.</param>
/// <param name="KnownFrom">Published weaknesses that begin so.</param>
/// <param name="OnHost">Whether a plain process of root tries it as well, to show that it gets through where nothing forbids it; false where that would harm the host, or it lacks what the attempt needs.</param>
/// <param name="Entries">What the container is granted, besides its quota and log.</param>
public sealed record ProgramAttack(string What, string Script, string KnownFrom = "", bool OnHost = true, params string[] Entries)
{
    public override string ToString() => What;
}

/// <summary>The attempts, grouped by what they are after.</summary>
public static class ProgramAttacks
{
    private const string Listen = "listen tcp 8080", Connect = "connect tcp service default/one 80";

    /// <summary>Looks for the marker from everywhere that /proc leads to.</summary>
    private const string LookForMarker = "for at in / /proc/1/root /proc/self/root /proc/self/cwd /proc/1/cwd /proc/self/fd/* /proc/1/fd/*; do up=$at; for i in 1 2 3 4 5 6 7 8; do [ -e \"$up$MARKER\" ] && echo GOT; [ -e \"$up/$MARKER\" ] && echo GOT; up=$up/..; done; done";

    public static IReadOnlyList<ProgramAttack> All { get; } =
    [
        // out of the root
        new("reach a file of the host through /proc", LookForMarker, "CVE-2024-21626, CVE-2016-9962"),
        new("leave by a second chroot", "mkdir /tmp/jail 2>/dev/null; chroot /tmp sh -c true 2>/dev/null; chroot / sh -c true && echo GOT"),
        new("write the running executable", "(echo x >> /proc/self/exe) 2>/dev/null && echo GOT", "CVE-2019-5736", OnHost: false),
        new("write the executable of the first process", "(echo x >> /proc/1/exe) 2>/dev/null && echo GOT", "CVE-2019-5736", OnHost: false),
        new("find an executable that is not of the image", "for exe in /proc/[0-9]*/exe; do case $(readlink $exe) in /bin/*|'') ;; *) echo GOT;; esac; done", "CVE-2019-5736"),
        new("write a file of the image", "(echo x >> /etc/passwd) 2>/dev/null && echo GOT", OnHost: false),
        new("write memory that a file of the image lies in", "before=$(cat /bin/busybox | wc -c); dd if=/dev/zero of=/proc/self/mem bs=1 count=1 seek=4194304 2>/dev/null; (echo x >> /bin/busybox) 2>/dev/null && echo GOT", "CVE-2016-5195, CVE-2022-0847", OnHost: false),
        new("mount a file system", "mount -t tmpfs none /tmp && echo GOT", "CVE-2022-0492", OnHost: false),
        new("mount a control group to set its release_agent", "mount -t cgroup -o rdma none /tmp && echo GOT", "CVE-2022-0492", OnHost: false),
        new("remount the root writable", "mount -o remount,rw / && echo GOT", OnHost: false),
        new("bind a directory over another", "mount --bind /bin /etc && echo GOT", "CVE-2021-30465", OnHost: false),
        new("take a cover off /proc", "umount /proc/kcore && echo GOT", OnHost: false),
        new("enter namespaces of its own", "unshare -m true && echo GOT", "CVE-2022-0185, CVE-2022-0492"),
        new("enter a user namespace of its own", "unshare -U true && echo GOT", "CVE-2022-0185, CVE-2023-0386"),
        new("enter the namespaces of the first process", "nsenter -t 1 -m true && echo GOT", "", OnHost: false),
        // what /proc and /sys tell and do
        new("set the program that takes core dumps", "[ -w /proc/sys/kernel/core_pattern ] && cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern && echo GOT", "CVE-2025-31133, CVE-2025-52881"),
        new("set the program that loads modules", "[ -w /proc/sys/kernel/modprobe ] && cat /proc/sys/kernel/modprobe > /proc/sys/kernel/modprobe && echo GOT", "", OnHost: false),
        new("press the kernel's keys (sysrq-trigger)", "[ -c /proc/sysrq-trigger ] || { [ -w /proc/sysrq-trigger ] && echo GOT; }", "CVE-2025-31133, CVE-2025-52881", OnHost: false),
        new("read the kernel's memory (kcore)", "dd if=/proc/kcore bs=4 count=1 2>/dev/null | grep -q ELF && echo GOT", "", OnHost: false),
        new("read the kernel's addresses (kallsyms)", "grep -v '^0000000000000000' /proc/kallsyms | head -1 | grep -q . && echo GOT"),
        new("read the kernel's timers and interrupts", "grep -q . /proc/interrupts && echo GOT"),
        new("read the host's disks", "grep -q . /proc/partitions && echo GOT"),
        new("read the kernel's keys", "cat /proc/key-users | grep -q . && echo GOT"),
        new("read the host's command line", "grep -q . /proc/cmdline && echo GOT"),
        new("read the kernel's messages", "dmesg 2>/dev/null | grep -q . && echo GOT"),
        new("read the size of the host's memory", "[ $(head -1 /proc/meminfo | tr -dc 0-9) -gt 500000 ] && echo GOT"),
        new("ask the host's kernel for it (sysinfo)", "[ $(busybox free | sed -n 2p | awk '{print $2}') -gt 500000 ] && echo GOT"),
        new("read how busy the host is", "grep -q '^cpu  *[1-9]' /proc/stat && echo GOT; grep -q . /proc/schedstat /proc/softirqs /proc/pressure/cpu 2>/dev/null && echo GOT"),
        new("read what the host's kernel drives", "grep -q . /proc/devices /proc/filesystems /proc/misc 2>/dev/null && echo GOT"),
        new("see the host's devices in /sys", "[ -e /sys/class ] && echo GOT"),
        new("see processes of the host", "ls /proc | grep -q '^[0-9]*$' && [ $(ls -d /proc/[0-9]* | wc -l) -gt 12 ] && echo GOT"),
        new("write a control group", "ls /sys/fs/cgroup 2>/dev/null | grep -q . && echo GOT", "CVE-2022-0492"),
        // devices
        new("open a device beyond the six", "for name in mem kmsg kvm fuse loop-control loop0 vda sda net/tun hwrng; do [ -e /dev/$name ] && echo GOT; done"),
        new("make a device", "(mknod /tmp/memory c 1 1) 2>/dev/null && echo GOT", OnHost: false, Entries: ["dir /tmp read,write"]),
        new("write a device that was granted to be read", "(: >> /dev/net/tun) 2>/dev/null && echo GOT", Entries: ["device /dev/net/tun read"]),
        new("have a granted device do more than read and write (ioctl)", "systemcalls 257 -100 s:/dev/net/tun 2 , 16 \\$0 0x800454cf z:8 | tail -1 | grep -q '^0$' && echo GOT", Entries: ["device /dev/net/tun read,write"]),
        new("find another device beside the one that was granted", "[ -e /dev/kmsg ] && echo GOT", Entries: ["device /dev/net/tun read,write"]),
        // files
        new("make a file where only those that are there may be changed", "(echo x > /tmp/eyrie.new) 2>/dev/null && echo GOT; rm -f /tmp/eyrie.new", Entries: ["dir /tmp read,change"]),
        new("make a directory where only files that are there may be changed", "mkdir /tmp/eyrie.new 2>/dev/null && echo GOT; rmdir /tmp/eyrie.new", Entries: ["dir /tmp read,change"]),
        new("bring a file there by a link from a place that may be written", "echo x > /dev/shm/eyrie.new; ln -s /dev/shm/eyrie.new /tmp/eyrie.new 2>/dev/null && echo GOT; rm -f /tmp/eyrie.new /dev/shm/eyrie.new", Entries: ["dir /tmp read,change"]),
        new("make a file in /dev", "(echo x > /dev/attack) 2>/dev/null && echo GOT", OnHost: false),
        // rights
        new("hold a capability of Linux", "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | grep -v 0000000000000000 | grep -q . && echo GOT", "CVE-2022-29162"),
        new("gain rights by executing", "grep NoNewPrivs /proc/self/status | grep -q 0 && echo GOT"),
        new("run without a filter of system calls", "grep '^Seccomp:' /proc/self/status | grep -q 0 && echo GOT"),
        new("become root by a setuid program", "[ \"$(/bin/rooted 107)\" = 0 ] && echo GOT", "CVE-2021-4034", OnHost: false),
        new("run a program that was not named, with a list of those that may be", "systemcalls 39 >/dev/null && echo GOT", "", true, "exec /bin/busybox"),
        new("run it from a file in memory", "exe=$(busybox which systemcalls); systemcalls 319 s:m 0 , 257 -100 s:$exe 0 , 40 \\$0 \\$1 0 1000000 , 322 \\$0 s: 0 0 4096 | tail -1 | grep -q '^-' || echo GOT", "", true, "exec /bin/busybox", "exec /bin/systemcalls"),
        // what is shared
        new("use up the host's processes", "i=0; while [ $i -lt 100 ]; do sleep 3 & i=$((i+1)); done; [ $(ls -d /proc/[0-9]* | wc -l) -ge 100 ] && echo GOT"),
        new("use up the host's memory", "x=$(dd if=/dev/zero bs=1000000 count=100 2>/dev/null | tr '\\0' x) && echo GOT"),
        new("fill shared memory", "(dd if=/dev/zero of=/dev/shm/fill bs=1000000 count=80 2>/dev/null) && [ $(cat /dev/shm/fill | wc -c) -ge 80000000 ] && echo GOT", OnHost: false),
        new("signal a container that the grant does not name", "[ -p $PIPE ] && echo HUP > $PIPE && echo GOT", "", true, "signal db HUP,TERM,KILL"),
        new("signal a container without a grant", "[ -p $PIPE ] && echo HUP > $PIPE && echo GOT"),
        new("signal every process there is with a grant for one container", "kill -0 $HOST && echo GOT", "", true, "signal web KILL"),
        new("end every process of the host", "kill -0 $HOST && echo GOT"),
        // the network, with grants of it
        new("look a name up outside: data leaves in it (DNS)", "systemcalls 41 2 2 0 , 44 \\$0 s:data 4 0 x:02000035{udp}0000000000000000 16 | tail -1 | grep -q '^4$' && echo GOT", "", true, Connect),
        new("serve at a Service's address", "systemcalls 41 2 1 0 , 49 \\$0 x:02001f907f4f000a0000000000000000 16 | tail -1 | grep -q '^0$' && echo GOT", "CVE-2020-8554", true, Connect, Listen),
        new("serve at another pod's address", "systemcalls 41 2 1 0 , 49 \\$0 x:02001f907f4f10070000000000000000 16 | tail -1 | grep -q '^0$' && echo GOT", "", true, Connect, Listen),
        new("connect from another pod's address", "systemcalls 41 2 1 0 , 49 \\$0 x:020000007f4f10070000000000000000 16 | tail -1 | grep -q '^0$' && echo GOT", "", true, Connect),
        new("serve on all of the host's addresses at a port without a grant", "systemcalls 41 2 1 0 , 49 \\$0 x:02001f91000000000000000000000000 16 , 50 \\$0 1 | tail -1 | grep -q '^0$' && echo GOT", "", true, Connect, Listen),
        new("reach a service on the host's localhost", "echo | nc -w 2 127.0.0.1 $PORT && echo GOT", "CVE-2020-8558", true, Connect),
        new("reach a service on the host's localhost by another of its names", "echo | nc -w 2 127.1.2.3 $PORT && echo GOT", "CVE-2020-8558", true, Connect),
        new("reach a datagram service of the host at the pod's own localhost", "systemcalls 41 2 2 0 , 44 \\$0 s:data 4 0 x:0200{udp-port}7f0000010000000000000000 16 | tail -1 | grep -q '^4$' && echo GOT", "", true, "connect udp cidr 10.9.0.0/16 53"),
        new("reach the cloud's metadata", "systemcalls 41 2 1 0 , 42 \\$0 x:02000050a9fea9fe0000000000000000 16 | tail -1 | grep -q '^0$' && echo GOT", "", false, Connect),
        new("open a raw socket with a grant of TCP", "systemcalls 41 2 3 1 | grep -q '^[0-9]' && echo GOT", "CVE-2020-14386", true, Connect),
        new("open a socket of the kernel's configuration with a grant of TCP", "systemcalls 41 16 3 0 | grep -q '^[0-9]' && echo GOT", "CVE-2022-2588, CVE-2024-1086", true, Connect),
        new("open a vsock, a cipher's or a Bluetooth socket with a grant of TCP", "systemcalls 41 40 1 0 , 41 38 5 0 , 41 31 3 0 | grep -q '^[0-9]' && echo GOT", "CVE-2021-26708", true, Connect),
        // the host's kernel says that nothing is connected (-107), or has no TLS; the filter says no
        new("have the host's kernel speak TLS on a socket (TCP_ULP)", "systemcalls 41 2 1 0 , 54 \\$0 6 31 s:tls 3 | tail -1 | grep -qv '^-1$' && echo GOT", "CVE-2023-0461", true, Connect),
        new("attach a program to a socket (SO_ATTACH_FILTER)", "systemcalls 41 2 1 0 , 54 \\$0 1 26 x:01000000000000000000000000000000 16 | tail -1 | grep -qv '^-1$' && echo GOT", "", true, Connect),
        new("replace the tables of netfilter (IPT_SO_SET_REPLACE)", "systemcalls 41 2 1 0 , 54 \\$0 0 64 z:96 96 | tail -1 | grep -q '^0$' && echo GOT", "CVE-2021-22555, CVE-2016-4997", false, Connect),
        new("connect to a Unix socket of the host in a place that may be read", "systemcalls 41 1 1 0 , 42 \\$0 x:0100$DOOR 110 | tail -1 | grep -q '^0$' && echo GOT", "CVE-2020-15257", true, Connect, "dir /tmp read,write"),
        new("connect to a Unix socket of the host by a link to it", "/bin/busybox rm -f /tmp/eyrie.link; /bin/busybox ln -s \"$DOORPATH\" /tmp/eyrie.link; systemcalls 41 1 1 0 , 42 \\$0 x:01002f746d702f65797269652e6c696e6b00 18 | tail -1 | grep -q '^0$' && echo GOT; /bin/busybox rm -f /tmp/eyrie.link", "CVE-2020-15257", true, Connect, "dir /tmp read,write"),
        new("read the paths of others' Unix sockets", "grep -q door.sock /proc/net/unix && echo GOT", "", true, Connect),
        new("send a descriptor's worth of authority over an abstract Unix socket", "systemcalls 41 1 1 0 , 49 \\$0 x:010000657972696561747461636b 14 | tail -1 | grep -q '^0$' && echo GOT", "CVE-2020-15257", true, Connect),
    ];
}
