namespace Eyrie.Servers.Tests;

/// <summary>Programs made for Linux, as they are: one without any library (tests/SystemCalls) and one linked dynamically (Perl), by what they ask of the host.</summary>
public sealed class LinuxProgramTests : IAsyncLifetime
{
    private static readonly string Calls = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../SystemCalls/bin/systemcalls"));
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        File.Copy(Calls, Path.Combine(_kernel.Root, "images/busybox/bin/systemcalls"));
        _kernel.AddPerl();
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    /// <summary>Without a grant of the network a container has no sockets at all.</summary>
    private const string Sockets = "connect tcp service default/none 80";

    private const string In50Milliseconds = "x:00000000000000000000000000000000000000000000000080f0fa0200000000"; // struct itimerspec

    /// <summary>Calls one after the other, and what each gives; descriptors are numbered from 3.</summary>
    [Theory]
    // A timer, waited for with epoll: epoll_create1, timerfd_create, timerfd_settime, epoll_ctl, epoll_wait, read.
    [InlineData("291 0 , 283 1 0 , 286 $1 0 " + In50Milliseconds + " 0 , 233 $0 1 $1 x:010000002a00000000000000 , 232 $0 z:64 4 5000 , 0 $1 z:8 8", "3 4 0 0 1 8")]
    // An event counter, written, waited for and read: eventfd2, write, poll, read.
    [InlineData("290 0 0 , 1 $0 x:0500000000000000 8 , 7 x:0300000001000000 1 1000 , 0 $0 z:8 8", "3 8 1 8")]
    // A file in memory, filled, read again, sealed: memfd_create, ftruncate, pwrite64, pread64, fcntl, ftruncate.
    [InlineData("319 s:name 2 , 77 $0 8192 , 18 $0 s:text 4 8000 , 17 $0 z:4 4 8000 , 72 $0 1033 6 , 77 $0 1", "3 0 4 4 0 -1")]
    // Two ends of a Unix socket: socketpair, sendto, recvfrom, shutdown, recvfrom.
    [InlineData("53 1 1 0 z:8 , 44 3 s:text 4 0 0 0 , 45 4 z:8 8 0 0 0 , 48 3 1 , 45 4 z:8 8 0 0 0", "0 4 4 0 0")]
    // A signal, taken from a descriptor: rt_sigprocmask, signalfd4, getpid, and kill of the group.
    [InlineData("14 0 x:0002000000000000 0 8 , 289 -1 x:0002000000000000 8 0 , 62 0 10 , 0 $1 z:128 128", "0 3 0 128")]
    public async Task A_program_without_any_library_gets_of_the_host_what_it_asks(string calls, string results)
    {
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("", Sockets) with { Arguments = ["systemcalls", .. calls.Split(' ')] });
        Assert.Equal((0, results), (exit.ExitCode, output.Replace('\n', ' ')));
    }

    [Fact]
    public async Task Memory_is_mapped_protected_moved_and_given_back()
    {
        // mmap, mprotect, mremap (MREMAP_MAYMOVE), madvise, munmap.
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("") with { Arguments = ["systemcalls", .. "9 0 8192 3 34 -1 0 , 10 $0 8192 1 , 25 $0 8192 65536 1 , 28 $2 65536 4 , 11 $2 65536".Split(' ')] });
        var lines = output.Split('\n').Select(long.Parse).ToList();
        Assert.Equal(0, exit.ExitCode);
        Assert.True(lines[0] > 0 && lines[1] == 0 && lines[3] == 0 && lines[4] == 0, output);
    }

    [Fact]
    public async Task A_program_with_libraries_forks_executes_and_hears_its_children_its_alarm_and_its_other_end()
    {
        const string program = """
            use Socket; use POSIX; $| = 1;
            print `echo executed`;
            socketpair(A, B, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
            if (!($child = fork)) { syswrite(B, "said\n"); _exit(7) }
            sysread(A, $line, 99); print $line;
            waitpid($child, 0) == $child and print "ended with ", $? >> 8, "\n";
            $SIG{CHLD} = sub { $ended = 1; print "child\n" };
            $SIG{ALRM} = sub { $rung = 1; print "alarm\n" };
            if (!($child = fork)) { pause; _exit(0) }
            kill 'KILL', $child; sleep 1 until $ended; waitpid($child, 0);
            alarm 1; sleep 1 until $rung;
            open(F, '>', '/tmp/made') or die $!; print F "text"; close F; print -s '/tmp/made', "\n";
            """;
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("", Sockets, "dir / read", "dir /tmp read,write") with { Arguments = [RunningKernel.Perl, "-e", program] });
        Assert.Equal((0, "executed\nsaid\nended with 7\nchild\nalarm\n4"), (exit.ExitCode, output));
    }
}
