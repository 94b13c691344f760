namespace Eyrie.Freestanding;

/// <summary>Linux x86-64 system-call numbers and the constants that go with them (linux/include/uapi).</summary>
public static class Sys
{
    public const int Read = 0, Write = 1, Open = 2, Close = 3, Fstat = 5, Poll = 7, Lseek = 8, Mmap = 9, Munmap = 11, Madvise = 28, Ioctl = 16, Pread = 17, Dup2 = 33, Getpid = 39,
        Socket = 41, Connect = 42, Accept = 43, Sendto = 44, Sendmsg = 46, Recvmsg = 47, Shutdown = 48, Bind = 49, Listen = 50, Getsockname = 51, Getpeername = 52, Setsockopt = 54, Getsockopt = 55,
        Clone = 56, Fork = 57, Execve = 59, Exit = 60, Wait4 = 61, Kill = 62, Fcntl = 72, Getcwd = 79, Fchdir = 81, Chdir = 80, Fchown = 93, Fstatfs = 138, Umask = 95, Setsid = 112, Setgroups = 116,
        Setresuid = 117, Setresgid = 119, Capset = 126, PivotRoot = 155, Prctl = 157, Mount = 165, Umount2 = 166, Sethostname = 170, Gettid = 186, Sysinfo = 99, Getppid = 110, RtSigtimedwait = 128,
        ClockGettime = 228, ExitGroup = 231, EpollWait = 232, EpollCtl = 233, Waitid = 247, Openat = 257, Mkdirat = 258, Mknodat = 259, Newfstatat = 262, Unlinkat = 263, Symlinkat = 266, Readlinkat = 267, Renameat2 = 316, Unshare = 272,
        Accept4 = 288, Signalfd4 = 289, Eventfd2 = 290, EpollCreate1 = 291, Dup3 = 292, Pipe2 = 293, Prlimit = 302, Setns = 308, Seccomp = 317, MemfdCreate = 319,
        PidfdSendSignal = 424, OpenTree = 428, MoveMount = 429, Fsopen = 430, Fsconfig = 431, Fsmount = 432, PidfdOpen = 434, Clone3 = 435, CloseRange = 436, Openat2 = 437, PidfdGetfd = 438, MountSetattr = 442, LandlockCreate = 444, LandlockAddRule = 445, LandlockRestrict = 446,
        Ftruncate = 77, Chroot = 161, Execveat = 322, ProcessVmReadv = 310, ProcessVmWritev = 311, Kcmp = 312, Sendmmsg = 307, Tkill = 200, Mkdir = 83, Unlink = 87, Getdents64 = 217, Futex = 202, RtSigprocmask = 14, RtSigaction = 13, Writev = 20, Nanosleep = 35;

    public const int Cloexec = 0x80000, NonBlock = 0x800, Directory = 0x10000, OPath = 0x200000, WriteOnly = 1, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, Truncate = 0x200, Append = 0x400, NoFollow = 0x20000;
    public const int Eperm = 1, Enoent = 2, Eintr = 4, Eagain = 11, Enomem = 12, Eacces = 13, Ebusy = 16, Eexist = 17, Einval = 22, Enosys = 38, Eafnosupport = 97, Econnrefused = 111, Etimedout = 110, Einprogress = 115, Eaddrnotavail = 99, Enotsock = 88;
    public const int AfUnix = 1, AfInet = 2, AfInet6 = 10;
    public const int EpollIn = 1, EpollOut = 4, EpollHup = 16, EpollAdd = 1, EpollDelete = 2;
}
