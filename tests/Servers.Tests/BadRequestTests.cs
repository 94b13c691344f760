using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Bad input to the container protocol: an error of its own each, nothing half made, and whoever else is connected is served.</summary>
public sealed class BadRequestTests : IAsyncLifetime
{
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private async Task<Socket> RawAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(_kernel.Root, "m.sock")));
        return socket;
    }

    private static byte[] Frame(int type, int version = ContainerProtocol.Version, int? length = null, params byte[] body)
    {
        var frame = new byte[ContainerProtocol.Header + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, length ?? frame.Length - 4);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), 7);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(8), (ushort)version);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(10), (ushort)type);
        body.CopyTo(frame, ContainerProtocol.Header);
        return frame;
    }

    private static byte[] Field(int tag, byte[] value, int? length = null)
    {
        var field = new byte[6 + value.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(field, (ushort)tag);
        BinaryPrimitives.WriteInt32LittleEndian(field.AsSpan(2), length ?? value.Length);
        value.CopyTo(field, 6);
        return field;
    }

    private static byte[] Field(int tag, string value) => Field(tag, Encoding.UTF8.GetBytes(value));

    /// <summary>The error that answers a frame.</summary>
    private async Task<int> AnswerAsync(byte[] frame)
    {
        using var socket = await RawAsync();
        await socket.SendAsync(frame);
        var answer = new byte[256];
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        int read = await socket.ReceiveAsync(answer, deadline.Token);
        Assert.True(read >= ContainerProtocol.Header, $"the service answered with {read} bytes");
        Assert.Equal(7u, BinaryPrimitives.ReadUInt32LittleEndian(answer.AsSpan(4)));
        return read < ContainerProtocol.Header + 10 ? 0 : BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(ContainerProtocol.Header + 6));
    }

    public static TheoryData<string, byte[]> MalformedFrames() => new()
    {
        { "unknown type", Frame(999) },
        { "type 0", Frame(0) },
        { "half a field", Frame(ContainerProtocol.Create, body: [1, 0, 9]) },
        { "a field that leads out of its frame", Frame(ContainerProtocol.Create, body: Field(ContainerProtocol.Id, [65, 66], 1 << 20)) },
        { "a field of nearly 4 GiB", Frame(ContainerProtocol.Create, body: Field(ContainerProtocol.Id, [65, 66], -1)) },
        { "no id", Frame(ContainerProtocol.Create, body: Field(ContainerProtocol.Capability, "log write")) },
        { "an id that leads elsewhere", Frame(ContainerProtocol.Create, body: Field(ContainerProtocol.Id, "../x")) },
        { "an id that is too long", Frame(ContainerProtocol.Create, body: Field(ContainerProtocol.Id, new string('a', 64))) },
        { "a user id of three bytes", Frame(ContainerProtocol.Create, body: [.. Field(ContainerProtocol.Id, "x"), .. Field(StartTag.UserId, [0, 0, 0])]) },
        { "a mount without a target", Frame(ContainerProtocol.Create, body: [.. Field(ContainerProtocol.Id, "x"), .. Field(StartTag.Mount, [0, 0, 0, 0, 0, 0, 0, 0, 0, 65, 0])]) },
        { "an argument with NUL", Frame(ContainerProtocol.Create, body: [.. Field(ContainerProtocol.Id, "x"), .. Field(StartTag.Argument, [65, 0, 65])]) },
        { "no pod address", Frame(ContainerProtocol.Create, body: Field(ContainerProtocol.Id, "x")) },
    };

    [Theory]
    [MemberData(nameof(MalformedFrames))]
    public async Task A_malformed_request_is_said_to_be_one_and_makes_nothing(string what, byte[] frame)
    {
        var before = await _kernel.Service.KernelStatisticsAsync(CancellationToken.None);
        Assert.True(ContainerErrorCode.InvalidRequest == await AnswerAsync(frame), what);
        Assert.Equal(before, await _kernel.Service.KernelStatisticsAsync(CancellationToken.None));
        Assert.Empty(await _kernel.Service.ListAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_frame_of_another_version_is_answered_as_such() =>
        Assert.Equal(ContainerErrorCode.VersionMismatch, await AnswerAsync(Frame(ContainerProtocol.List, version: 2)));

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(ContainerProtocol.MaxFrame + 1)]
    [InlineData(-1)]
    public async Task A_length_out_of_range_ends_the_connection_and_no_other(int length)
    {
        using var socket = await RawAsync();
        await socket.SendAsync(Frame(ContainerProtocol.List, length: length));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        Assert.Equal(0, await socket.ReceiveAsync(new byte[16], deadline.Token));
        Assert.Empty(await _kernel.Service.ListAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_frame_that_breaks_off_makes_nothing()
    {
        var whole = Frame(ContainerProtocol.Create, body: [.. Field(ContainerProtocol.Id, "x"), .. Field(ContainerProtocol.PodAddress, "127.79.16.1")]);
        for (int length = 1; length < whole.Length; length += 5)
            using (var socket = await RawAsync()) await socket.SendAsync(whole.AsMemory(0, length));
        Assert.Empty(await _kernel.Service.ListAsync(CancellationToken.None));
    }

    /// <summary>Descriptions that are refused when the container is made.</summary>
    public static TheoryData<ContainerError, string[], string?> Unmakeable() => new()
    {
        { ContainerError.InvalidCapability, ["fly anywhere"], null },
        { ContainerError.InvalidCapability, ["quota memory=many processes=1"], null },
        { ContainerError.InvalidCapability, ["dir relative read"], null },
        { ContainerError.QuotaExhausted, [$"quota memory={1L << 51} processes=1"], null },
        { ContainerError.QuotaExhausted, [.. Enumerable.Range(0, 401).Select(port => $"listen tcp {port}")], null },
        { ContainerError.PathEscapes, [], "../outside.log" },
    };

    [Theory]
    [MemberData(nameof(Unmakeable))]
    public async Task A_container_that_cannot_be_made_has_an_error_of_its_own_and_leaves_nothing(ContainerError error, string[] entries, string? log)
    {
        var before = await _kernel.Service.KernelStatisticsAsync(CancellationToken.None);
        var spec = _kernel.Script("true", entries);
        if (error == ContainerError.QuotaExhausted) spec = spec with { Capabilities = [.. entries] };
        if (log is not null) spec = spec with { LogPath = log };
        var refused = await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.CreateAsync(spec, CancellationToken.None));
        Assert.Equal(error, refused.Error);
        Assert.Equal(before, await _kernel.Service.KernelStatisticsAsync(CancellationToken.None));
        Assert.Empty(await _kernel.Service.ListAsync(CancellationToken.None));
    }

    /// <summary>Descriptions that are refused when the program is to be started.</summary>
    public static TheoryData<ContainerError, string, string> Unstartable() => new()
    {
        { ContainerError.ImageMissing, "images/none", "true" },
        { ContainerError.PathEscapes, "../../etc", "true" },
        { ContainerError.ProgramNotFound, "images/busybox", "/bin/nothing" },
        { ContainerError.NotExecutable, "images/busybox", "/etc/plain" },
        { ContainerError.WrongArchitecture, "images/busybox", "/bin/foreign" },
    };

    [Theory]
    [MemberData(nameof(Unstartable))]
    public async Task A_program_that_cannot_be_started_has_an_error_of_its_own_and_leaves_nothing(ContainerError error, string layer, string program)
    {
        File.WriteAllText(Path.Combine(_kernel.Root, "images/busybox/etc/plain"), "text");
        var elf = new byte[64];
        new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(elf, 0);
        (elf[16], elf[18]) = (2, 183); // ET_EXEC for AArch64
        var foreign = Path.Combine(_kernel.Root, "images/busybox/bin/foreign");
        await File.WriteAllBytesAsync(foreign, elf);
        File.SetUnixFileMode(foreign, (UnixFileMode)0b111_101_101);
        var spec = _kernel.Script("true") with { Layers = [layer], Arguments = [program] };
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        var before = await _kernel.Service.KernelStatisticsAsync(CancellationToken.None);
        var descriptors = await _kernel.DescriptorsAtRestAsync();
        for (int attempt = 0; attempt < 2; attempt++)
            Assert.Equal(error, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.StartAsync(spec.Id, CancellationToken.None))).Error);
        Assert.Equal(before, await _kernel.Service.KernelStatisticsAsync(CancellationToken.None));
        Assert.Equal(descriptors, await _kernel.DescriptorsAtRestAsync());
        Assert.Equal(Microkernel.Client.ContainerState.Created, (await _kernel.Service.ListAsync(CancellationToken.None)).Single().State);
        Assert.False(Directory.Exists($"/sys/fs/cgroup/memory/{_kernel.Group}/{spec.Id}"));
    }

    [Fact]
    public async Task A_memory_quota_that_does_not_suffice_for_starting_is_named_as_the_reason()
    {
        var spec = _kernel.Script("true") with { Capabilities = ["log write", "quota memory=65536 processes=8"] };
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        var refused = await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.StartAsync(spec.Id, CancellationToken.None));
        Assert.Equal(ContainerError.MemoryExhausted, refused.Error);
        Assert.EndsWith("the container's memory quota of 65536 bytes was exhausted while it was being started", refused.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists($"/sys/fs/cgroup/memory/{_kernel.Group}/{spec.Id}"));
    }
}
