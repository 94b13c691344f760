using System.Globalization;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Unix sockets by path, of containers that have nothing else in common than what is mounted into them: what the host says of a bind, a listen and a connect, and who stands at the other end.</summary>
public sealed class PathSocketTests : IAsyncLifetime
{
    private const string Network = "listen tcp 80";
    private const int UserSignal = 10, RoomSignal = 12;
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        _kernel.AddPerl();
        Directory.CreateDirectory(Volume);
        File.SetUnixFileMode(Volume, (UnixFileMode)0b111_111_111);
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private string Volume => Path.Combine(_kernel.Root, "volumes/shared");

    /// <summary>try gives 0 or the errno; peer gives process, user and group of the other end.</summary>
    private const string Prelude = """
        use Socket; use POSIX; $| = 1;
        sub un { socket(my $s, AF_UNIX, $_[0] || SOCK_STREAM, 0) or die "socket: $!"; $s }
        sub at { pack('S a*', 1, $_[0] . "\0") }
        sub try { $_[0] ? 0 : $!+0 }
        sub peer { join ' ', unpack('l L L', getsockopt($_[0], SOL_SOCKET, 17)) }
        sub serve { my $s = un(); bind($s, at($_[0])) or die "bind: $!"; listen($s, $_[1] // 5) or die "listen: $!"; $s }
        my ($at, $link) = ('/tmp/at', '/tmp/link');
        sub path { substr((split /\0/, substr($_[0], 2))[0] // '', 0) }

        """;

    /// <summary>A container that runs a program of Perl, with the shared volume at /v.</summary>
    private ContainerSpec Perl(string program, string[]? entries = null, bool readOnly = false, uint user = 0) => _kernel.Script("", [Network, .. entries ?? ["dir /v read,write", "dir /tmp read,write"]]) with
    {
        Arguments = [RunningKernel.Perl, "-e", Prelude + program], UserId = user, GroupId = user, Mounts = [new MountSpec("volumes/shared", "/v", readOnly), .. user == 0 ? [] : new[] { new MountSpec("", "/tmp", false) }],
    };

    private async Task<ContainerSpec> StartAsync(ContainerSpec spec, string says)
    {
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Contains(says, StringComparison.Ordinal), $"\"{says}\"; it said: {_kernel.Log(spec)}");
        return spec;
    }

    private async Task<string> OutputAsync(ContainerSpec spec)
    {
        var (_, output) = await _kernel.RunAsync(spec);
        return output;
    }

    [Fact]
    public async Task A_bind_says_what_Linux_says()
    {
        var output = await OutputAsync(Perl("""
            mkdir '/tmp/d'; symlink 'd', '/tmp/l'; mkdir '/tmp/shut'; chmod 0, '/tmp/shut'; open F, '>', '/tmp/file';
            for ('/tmp/a', '/tmp/a', '/tmp/none/a', '/tmp/file/a', '/tmp/l/b', '/tmp/l/../c', '/bin/a', '/etc/a', '/proc/a', '/tmp/shut/a', '/tmp/d', '/dev/shm/a', '/dev/a') { $s = un(); print "$_ ", try(bind($s, at($_))), "\n" }
            chdir '/tmp/d'; $s = un(); print 'relative ', try(bind($s, at('r'))), ' ', path(getsockname($s)), ' ', -S '/tmp/d/r' ? 'there' : 'not there', "\n";
            $s = un(); $long = '/tmp/' . 'x' x 103; print '108 ', try(bind($s, pack('S a108', 1, $long))), ' ', -S $long ? 'there' : 'not there', "\n";
            $s = un(); print '109 ', try(bind($s, pack('S a109', 1, $long))), "\n";
            $s = un(); bind($s, at('/tmp/twice')); print 'twice ', try(bind($s, at('/tmp/other'))), "\n";
            $s = un(); print 'abstract ', try(bind($s, pack('S a*', 1, "\0name"))), "\n"; print 'autobind ', try(bind($s, pack('S', 1))), "\n"; print 'family ', try(bind($s, pack('S a*', 2, '/tmp/f'))) ? 'refused' : 'bound', "\n";
            """, user: 1000));
        Assert.Equal("""
            /tmp/a 0
            /tmp/a 98
            /tmp/none/a 2
            /tmp/file/a 20
            /tmp/l/b 0
            /tmp/l/../c 0
            /bin/a 30
            /etc/a 30
            /proc/a 2
            /tmp/shut/a 13
            /tmp/d 98
            /dev/shm/a 0
            /dev/a 30
            relative 0 r there
            108 0 there
            109 22
            twice 22
            abstract 13
            autobind 13
            family refused
            """, output);
    }

    [Fact]
    public async Task A_connect_says_what_Linux_says()
    {
        var output = await OutputAsync(Perl("""
            mkdir '/tmp/d'; $l = serve('/tmp/d/a'); symlink 'd/a', '/tmp/link'; symlink '/tmp/d', '/tmp/dir'; symlink 'loop', '/tmp/loop'; open F, '>', '/tmp/file'; $gone = serve('/tmp/gone'); close $gone; $b = un(); bind($b, at('/tmp/deaf'));
            $shut = serve('/tmp/shut'); chmod 0, '/tmp/shut'; $dgram = un(SOCK_DGRAM); bind($dgram, at('/tmp/dgram'));
            for ('/tmp/d/a', '/tmp/link', '/tmp/dir/a', '/tmp/dir/../d/a', '/tmp/none', '/tmp/none/a', '/tmp/file/a', '/tmp/file', '/tmp/d', '/tmp/loop', '/tmp/gone', '/tmp/deaf', '/tmp/shut', '/tmp/dgram', '') { $s = un(); print "$_ ", try(connect($s, at($_))), "\n" }
            chdir '/tmp/d'; $s = un(); print 'relative ', try(connect($s, at('./a'))), ' ', path(getpeername($s)), "\n"; print 'again ', try(connect($s, at('/tmp/d/a'))), "\n";
            $s = un(); print 'abstract ', try(connect($s, pack('S a*', 1, "\0name"))), "\n"; print 'short ', try(connect($s, pack('S', 1))), "\n"; print 'listening ', try(connect($l, at('/tmp/d/a'))), "\n";
            $s = un(); print 'unbound ', try(listen($s, 5)), "\n";
            """, user: 1000));
        Assert.Equal("""
            /tmp/d/a 0
            /tmp/link 0
            /tmp/dir/a 0
            /tmp/dir/../d/a 0
            /tmp/none 2
            /tmp/none/a 2
            /tmp/file/a 20
            /tmp/file 111
            /tmp/d 111
            /tmp/loop 40
            /tmp/gone 111
            /tmp/deaf 111
            /tmp/shut 13
            /tmp/dgram 91
             13
            relative 0 /tmp/d/a
            again 106
            abstract 13
            short 22
            listening 22
            unbound 22
            """, output);
    }

    [Fact]
    public async Task A_name_is_made_with_the_callers_owner_and_umask_and_stands_as_it_was_given()
    {
        var output = await OutputAsync(Perl("umask 027; $s = serve('/tmp/../tmp/a'); @a = stat '/tmp/a'; printf \"%o %d %d %s\\n\", $a[2], $a[4], $a[5], path(getsockname($s)); unlink '/tmp/a'; print -e '/tmp/a' ? 'there' : 'gone', \"\\n\"", user: 1000) with { GroupId = 2000 });
        Assert.Equal("140750 1000 2000 /tmp/../tmp/a\ngone", output);
    }

    [Fact]
    public async Task Both_ends_are_told_the_others_user_and_group_over_a_volume_of_two_containers()
    {
        var server = await StartAsync(Perl("umask 0; $s = serve('/v/s'); print \"listens\\n\"; accept($c, $s); print peer($c), \"\\n\"; setsockopt($c, SOL_SOCKET, 16, 1); sysread $c, $b, 10; print \"$b\\n\"; syswrite $c, 'answer'; sleep 1000", user: 1000), "listens");
        var output = await OutputAsync(Perl("$s = un(); connect($s, at('/v/s')) or die $!; print peer($s), \"\\n\"; syswrite $s, 'question'; sysread $s, $b, 10; print \"$b\\n\"", user: 2000) with { GroupId = 3000 });
        Assert.Equal("0 1000 1000\nanswer", output);
        await _kernel.UntilAsync(() => _kernel.Log(server).Contains("question", StringComparison.Ordinal), $"the server's lines; it said: {_kernel.Log(server)}");
        Assert.Equal("listens\n0 2000 3000\nquestion", _kernel.Log(server));
    }

    /// <summary>sendmsg is made by the kernel, whose user is root: who asks for credentials with each message (SO_PASSCRED) is told the sender's.</summary>
    [Fact]
    public async Task A_message_that_the_kernel_sends_bears_the_senders_user_and_group()
    {
        var server = await StartAsync(Perl("""
            umask 0; $s = serve('/v/s'); print "listens\n"; accept($c, $s); setsockopt($c, SOL_SOCKET, 16, 1); syswrite $c, 'go'; $data = ' ' x 16; $control = "\0" x 64; $piece = pack('P Q', $data, 16); $message = pack('Q Q P Q P Q Q', 0, 0, $piece, 1, $control, 64, 0);
            syscall(47, fileno $c, $message, 0) > 0 or die $!; @c = unpack('Q l l l L L', $control); print "$c[2] ", $c[3] > 0 ? 'of a process' : 'of nobody', " $c[4] $c[5]\n"; sleep 1000
            """, user: 1000), "listens");
        await OutputAsync(Perl("$s = un(); connect($s, at('/v/s')) or die $!; sysread $s, $b, 2; $data = 'hello'; $piece = pack('P Q', $data, 5); $message = pack('Q Q P Q Q Q Q', 0, 0, $piece, 1, 0, 0, 0); syscall(46, fileno $s, $message, 0) == 5 or die $!", user: 2000) with { GroupId = 3000 });
        await _kernel.UntilAsync(() => _kernel.Log(server).Contains(" of ", StringComparison.Ordinal), $"the message; it said: {_kernel.Log(server)}");
        Assert.Matches("^listens\n2 of (a process|nobody) 2000 3000$", _kernel.Log(server));
    }

    [Fact]
    public async Task A_socket_that_its_mode_denies_is_refused_to_another_user()
    {
        await StartAsync(Perl("umask 0; mkdir '/v/own', 0700; $s = serve('/v/own/s'); umask 077; $t = serve('/v/t'); print \"listens\\n\"; sleep 1000", user: 1000), "listens");
        const string Both = "for ('/v/own/s', '/v/t') { $s = un(); print try(connect($s, at($_))), ' ' } print \"\\n\"";
        Assert.Equal("13 13 ", await OutputAsync(Perl(Both, user: 2000)));
        Assert.Equal("0 0 ", await OutputAsync(Perl(Both, user: 1000)));
        Assert.Equal("13 13 ", await OutputAsync(Perl(Both, user: 0))); // root of a container is nobody special
    }

    [Fact]
    public async Task What_may_only_be_read_is_not_connected_to_and_gets_no_names()
    {
        using var host = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        host.Bind(new UnixDomainSocketEndPoint(Path.Combine(Volume, "host")));
        host.Listen(5);
        File.SetUnixFileMode(Path.Combine(Volume, "host"), (UnixFileMode)0b111_111_111);
        const string Program = "symlink '/v/host', '/tmp/link'; for ('/v/host', '/tmp/link', '/tmp/../v/host') { $s = un(); print try(connect($s, at($_))), ' ' } $s = un(); print try(bind($s, at('/v/b'))), \"\\n\"";
        Assert.Equal("13 13 13 30", await OutputAsync(Perl(Program, ["dir /tmp read,write"], readOnly: true)));
        Assert.False(host.Poll(0, SelectMode.SelectRead));
        Assert.Equal("0 0 0 0", await OutputAsync(Perl(Program)));
        Assert.True(host.Poll(0, SelectMode.SelectRead));
    }

    [Fact]
    public async Task A_containers_own_sockets_are_out_of_reach_of_every_other()
    {
        var server = await StartAsync(Perl("umask 0; $s = serve('/tmp/s'); $t = serve('/dev/shm/s'); print \"listens\\n\"; sleep 1000"), "listens");
        var status = (await _kernel.Service.ListAsync(None)).Single(status => status.Id == server.Id);
        var output = await OutputAsync(Perl($$"""
            symlink "{{_kernel.Root}}/containers/{{server.Id}}/upper/tmp/s", '/v/link'; symlink '/proc/{{status.ProcessId}}/root/tmp/s', '/v/proc'; chdir '/';
            for ('/tmp/s', '/dev/shm/s', '/v/link', '/v/proc', '../../../../{{_kernel.Root}}/containers/{{server.Id}}/upper/tmp/s', '/proc/{{status.ProcessId}}/root/tmp/s', '/proc/1/root/tmp/s', '/proc/self/root/tmp/s', '/proc/1/cwd/tmp/s') { $s = un(); print try(connect($s, at($_))), ' ' }
            """));
        Assert.Equal("2 2 2 2 2 2 2 2 2 ", output);
    }

    [Fact]
    public async Task The_names_of_others_stand_in_no_list()
    {
        await StartAsync(Perl("$s = serve('/v/secret'); print \"listens\\n\"; sleep 1000"), "listens");
        Assert.Equal("1 line", await OutputAsync(Perl("$s = serve('/tmp/own'); open F, '<', '/proc/net/unix' or die $!; @l = <F>; print scalar(@l), \" line\\n\"")));
    }

    [Fact]
    public async Task The_mode_of_a_socket_before_it_is_bound_is_that_of_its_name()
    {
        Assert.Equal("0 140700", await OutputAsync(Perl("$s = un(); print try(chmod 0700, $s), ' '; bind($s, at('/tmp/a')) or die $!; printf \"%o\\n\", (stat '/tmp/a')[2]", user: 1000)));
    }

    /// <summary>A path of which the last name, or a directory, is exchanged again and again for a link to where only reading is allowed: the connect ends at the container's own socket or is refused. As often as it takes to see both.</summary>
    [Theory]
    [InlineData("symlink '/ro/host', '/tmp/link'; serveat('/tmp/at');", "/tmp/at")]
    [InlineData("symlink '/ro', '/tmp/link'; mkdir '/tmp/at'; serveat('/tmp/at/host');", "/tmp/at/host")]
    public async Task A_path_that_is_exchanged_while_it_is_connected_to_leads_nowhere_that_may_only_be_read(string prepare, string path)
    {
        var place = Path.Combine(_kernel.Root, "volumes/other");
        Directory.CreateDirectory(place);
        using var host = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        host.Bind(new UnixDomainSocketEndPoint(Path.Combine(place, "host")));
        host.Listen(100);
        File.SetUnixFileMode(Path.Combine(place, "host"), (UnixFileMode)0b111_111_111);
        var spec = Perl($$"""
            sub serveat { $own = serve($_[0], 100); fcntl($own, F_SETFL, O_NONBLOCK) } {{prepare}}
            if (!($child = fork)) { syscall(316, -100, $at, -100, $link, 2) == 0 or die $! while 1 }
            for ($i = 0; $i < 3000 || ($n{0} <= 20 || $n{13} <= 20) && time < $^T + 60; $i++) { $s = un(); $r = try(connect($s, at('{{path}}'))); $n{$r}++; accept($c, $own) if $r == 0 } kill 9, $child; print join(' ', map { $n{$_} > 20 ? $_ : "$_: $n{$_}" } sort keys %n), "\n"
            """);
        var output = await OutputAsync(spec with { Mounts = [.. spec.Mounts, new MountSpec("volumes/other", "/ro", true)] });
        Assert.Equal("0 13", output);
        Assert.False(host.Poll(0, SelectMode.SelectRead), "the host's socket was reached");
    }

    [Fact]
    public async Task Names_are_made_only_where_the_set_lets_them_be_made_however_the_path_is_exchanged()
    {
        Directory.CreateDirectory(Path.Combine(Volume, "kept"));
        File.SetUnixFileMode(Path.Combine(Volume, "kept"), (UnixFileMode)0b111_111_111);
        var output = await OutputAsync(Perl("""
            $s = un(); print try(bind($s, at('/v/kept/s'))), ' '; $s = un(); print try(bind($s, at('/dev/shm/s'))), ' ', try(listen($s, 1)), ' '; $c = un(); print try(connect($c, at('/dev/shm/s'))), "\n";
            symlink '/v/kept', '/tmp/link'; mkdir '/tmp/at';
            if (!($child = fork)) { syscall(316, -100, $at, -100, $link, 2) == 0 or die $! while 1 }
            for ($i = 0; $i < 1500 || ($n{0} <= 20 || $n{13} <= 20) && time < $^T + 60; $i++) { $s = un(); $n{try(bind($s, at("/tmp/at/$i")))}++ } kill 9, $child; print join(' ', map { $n{$_} > 20 ? $_ : "$_: $n{$_}" } sort keys %n), "\n"
            """, ["dir /v read,change", "dir /tmp read,write"]));
        Assert.Equal("13 0 0 0\n0 13", output);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(Volume, "kept")));
    }

    [Fact]
    public async Task A_full_backlog_makes_a_connect_wait_until_there_is_room_or_say_that_there_is_none()
    {
        var spec = await StartAsync(Perl("""
            $SIG{USR1} = sub { }; $SIG{USR2} = sub { $room = 1 }; $l = serve('/tmp/s', 0); $first = un(); connect($first, at('/tmp/s')) or die $!;
            $s = un(); fcntl($s, F_SETFL, O_NONBLOCK); print 'at once ', try(connect($s, at('/tmp/s'))), "\n";
            $s = un(); setsockopt($s, SOL_SOCKET, SO_SNDTIMEO, pack('l!l!', 0, 100000)); print 'limited ', try(connect($s, at('/tmp/s'))), "\n";
            $s = un(); print "waits\n"; print 'interrupted ', try(connect($s, at('/tmp/s'))), "\n";
            if (!fork) { print "waits again\n"; print 'connected ', try(connect($s, at('/tmp/s'))), "\n"; exit } sleep 1 until $room; accept($c, $l); sleep 1000
            """), "waits");
        await Task.Delay(100); // by now it stands in the call, which only changes what else is seen
        for (int signals = 0; signals < 100 && !_kernel.Log(spec).Contains("waits again", StringComparison.Ordinal); signals++, await Task.Delay(50)) await _kernel.Service.SignalAsync(spec.Id, UserSignal, None);
        await _kernel.Service.SignalAsync(spec.Id, RoomSignal, None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Contains("connected", StringComparison.Ordinal), $"the connection; it said: {_kernel.Log(spec)}");
        Assert.Equal("at once 11\nlimited 11\nwaits\ninterrupted 4\nwaits again\nconnected 0", _kernel.Log(spec));
    }

    /// <summary>Processes that make a call about a path, which have no capability any more.</summary>
    private IEnumerable<string> Hands() => File.ReadAllText($"/proc/{_kernel.ProcessId}/task/{_kernel.ProcessId}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(child => Line(child, "Name:") == "Name:\teyrie-kernel" && Line(child, "CapEff:") == "CapEff:\t0000000000000000");

    private static string Line(string process, string begin)
    {
        try
        {
            return File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(begin, StringComparison.Ordinal));
        }
        catch (IOException) { return ""; } // it has just ended
    }

    [Fact]
    public async Task A_container_that_ends_while_its_connects_wait_leaves_no_process_behind()
    {
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks");
        int before = _kernel.Children().Count();
        var spec = await StartAsync(Perl("$l = serve('/tmp/s', 0); $first = un(); connect($first, at('/tmp/s')) or die $!; for (1..20) { if (!fork) { $s = un(); connect($s, at('/tmp/s')); exit } } print \"waits\\n\"; sleep 1000", user: 1000), "waits");
        await _kernel.UntilAsync(() => Hands().Count() == 8 && _kernel.Children().Count() == before + 1 + 8, $"eight hands beside {before} processes and the container");
        foreach (var hand in Hands())
        {
            Assert.Equal("Uid:\t1000\t1000\t1000\t1000", Line(hand, "Uid:"));
            Assert.InRange(Directory.GetFileSystemEntries($"/proc/{hand}/fd").Length, 2, 6); // socket, listener, root, working directory, its descriptors, file
        }
        var status = await OutputAsync(Perl("$l = serve('/tmp/s'); $s = un(); print try(connect($s, at('/tmp/s'))), \"\\n\""));
        Assert.Equal("0", status); // others are not held up
        await _kernel.Service.SignalAsync(spec.Id, 9, None);
        await _kernel.UntilAsync(() => _kernel.Children().Count() == before, $"{before} processes");
    }

    [Fact]
    public async Task A_connect_that_waits_goes_on_with_a_kernel_that_takes_over()
    {
        var spec = await StartAsync(Perl("$SIG{USR1} = sub { $room = 1 }; $l = serve('/tmp/s', 0); $first = un(); connect($first, at('/tmp/s')) or die $!; if (!fork) { $s = un(); print \"waits\\n\"; print 'connected ', try(connect($s, at('/tmp/s'))), \"\\n\"; exit } sleep 1 until $room; accept($c, $l); sleep 1000"), "waits");
        await _kernel.UntilAsync(() => Hands().Any(), "a hand");
        await _kernel.KillKernelAsync();
        Assert.Equal("waits", _kernel.Log(spec));
        await _kernel.Service.SignalAsync(spec.Id, UserSignal, None);
        await _kernel.UntilAsync(() => _kernel.Log(spec).Contains("connected", StringComparison.Ordinal), $"the connection; it said: {_kernel.Log(spec)}");
        Assert.Equal("waits\nconnected 0", _kernel.Log(spec));
    }

    [Fact]
    public async Task A_program_that_binds_and_connects_without_pause_is_answered_once_for_each_call_while_kernels_are_killed()
    {
        var spec = await StartAsync(Perl("""
            for ($i = 0; $i < 1500; $i++) { $l = un(); ($r = try(bind($l, at("/tmp/$i")))) and die "bind: $r"; ($r = try(listen($l, 5))) and die "listen: $r"; $s = un(); ($r = try(connect($s, at("/tmp/$i")))) and die "connect: $r";
            accept($c, $l); syswrite $s, 'x'; sysread $c, $b, 1; unlink "/tmp/$i"; print "runs\n" if $i == 10 } print "all\n"; sleep 1000
            """), "runs");
        for (int kills = 0; kills < 5 && !_kernel.Log(spec).Contains("all", StringComparison.Ordinal); kills++) await _kernel.KillKernelAsync();
        await _kernel.UntilAsync(() => _kernel.Log(spec).Contains("all", StringComparison.Ordinal) || _kernel.Log(spec).Contains(": ", StringComparison.Ordinal), $"the end; it said: {_kernel.Log(spec)}");
        Assert.Equal("runs\nall", _kernel.Log(spec));
    }

    [Fact]
    public async Task Datagrams_go_to_a_path_that_was_connected_to_and_not_to_one_that_is_given_with_them()
    {
        var output = await OutputAsync(Perl("""
            $l = un(SOCK_DGRAM); bind($l, at('/tmp/log')) or die $!; $s = un(SOCK_DGRAM); print try(connect($s, at('/tmp/log'))), ' '; send($s, 'line', 0); recv($l, $b, 10, 0); print "$b "; print try(connect($s, at('/tmp/log'))), ' ';
            $t = un(SOCK_DGRAM); print try(send($t, 'line', 0, at('/tmp/log'))), "\n"
            """));
        Assert.Equal("0 line 0 13", output);
    }

    /// <summary>What a name in memory takes is the kernel's, not the container's quota's, when the kernel makes it.</summary>
    [Fact]
    public async Task A_file_system_in_memory_with_many_names_gets_some_more_from_the_kernel_and_then_none()
    {
        var spec = Perl("for (1..4200) { open F, '>', \"/m/$_\" or die $!; close F } for (1..80) { $s = un(); $r = try(bind($s, at(\"/m/s$_\"))); $n{$r}++; unlink \"/m/s$_\" } print \"$n{0} $n{28}\\n\"", ["dir /m read,write", "dir /tmp read,write"]);
        Assert.Equal("64 16", await OutputAsync(spec with { Mounts = [new MountSpec("", "/m", false, 8 << 20)] }));
    }

    [Fact]
    public async Task Nothing_of_a_thousand_calls_stays_open_in_the_kernel()
    {
        const string Program = "for (1..200) { $l = serve('/tmp/s'); $s = un(); connect($s, at('/tmp/s')) or die $!; accept($c, $l); unlink '/tmp/s'; $n++ } print \"$n\\n\"";
        Assert.Equal("200", await OutputAsync(Perl(Program)));
        var before = await _kernel.DescriptorsAtRestAsync();
        var spec = Perl(Program);
        Assert.Equal("200", await OutputAsync(spec));
        await _kernel.Service.DeleteAsync(spec.Id, None);
        Assert.Equal(before, await _kernel.DescriptorsAtRestAsync());
    }
}
