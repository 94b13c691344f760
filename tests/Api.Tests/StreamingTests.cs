using System.Text;
using Eyrie.ControlPlane.Api.Streaming;
using Eyrie.ControlPlane.Api.Streaming.Spdy;
using Eyrie.Node.Contract.V1;
using Xunit;

namespace Eyrie.Api.Tests;

public sealed class StreamingTests
{
    [Fact]
    public void The_dictionary_is_the_one_of_the_draft()
    {
        uint low = 1, high = 0;
        foreach (var value in HeaderDictionary.Bytes()) (low, high) = ((low + value) % 65521, (high + low + value) % 65521);
        Assert.Equal(0xe3c6a7c2u, (high << 16) | low);
    }

    [Fact]
    public void Header_blocks_of_one_connection_build_on_each_other()
    {
        using var writer = new HeaderBlocks();
        using var reader = new HeaderBlocks();
        for (int block = 0; block < 3; block++)
        {
            var headers = reader.Read(writer.Write(new Dictionary<string, string> { ["streamtype"] = "data", ["port"] = $"{8080 + block}" }));
            Assert.Equal(("data", $"{8080 + block}"), (headers["streamType"], headers["port"]));
        }
    }

    private static byte[] Opening(HeaderBlocks headers, uint stream, Dictionary<string, string> names)
    {
        var block = headers.Write(names);
        var frame = new byte[18 + block.Length];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(frame, 0x80030001);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), 10 + block.Length);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(8), stream);
        block.CopyTo(frame, 18);
        return frame;
    }

    [Fact]
    public async Task Half_of_a_forwarded_connection_is_dropped_when_the_other_half_does_not_come()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync((System.Net.IPEndPoint)listener.LocalEndpoint);
        using var server = await listener.AcceptTcpClientAsync();
        await using var forwarding = new SpdyForwarding(server.GetStream(), CancellationToken.None, TimeSpan.FromSeconds(1));
        await using var accepted = forwarding.AcceptAsync(CancellationToken.None).GetAsyncEnumerator();
        var next = accepted.MoveNextAsync().AsTask();
        using var headers = new HeaderBlocks();
        var stream = client.GetStream();
        await stream.WriteAsync(Opening(headers, 1, new() { ["streamtype"] = "error", ["requestid"] = "0", ["port"] = "80" }));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var frame = new byte[8];
        do // answers to the opening, until the end of stream 1: a data frame with the flag for it
        {
            await stream.ReadExactlyAsync(frame, deadline.Token);
            await stream.ReadExactlyAsync(new byte[frame[5] << 16 | frame[6] << 8 | frame[7]], deadline.Token);
        }
        while (frame is not [0, 0, 0, 1, 1, ..]);
        // What comes for it now is half of another. In one piece: the halves of a pair have no more time than this one had.
        byte[] half = Opening(headers, 3, new() { ["streamtype"] = "data", ["requestid"] = "0", ["port"] = "80" }), errors = Opening(headers, 5, new() { ["streamtype"] = "error", ["requestid"] = "1", ["port"] = "81" });
        await stream.WriteAsync((byte[])[.. half, .. errors, .. Opening(headers, 7, new() { ["streamtype"] = "data", ["requestid"] = "1", ["port"] = "81" })]);
        Assert.True(await next.WaitAsync(deadline.Token));
        Assert.Equal(81, accepted.Current.Port);
        client.Close();
    }

    [Theory]
    [InlineData(new byte[] { })]
    [InlineData(new byte[] { 0x78, 0x9c, 0xff, 0xff, 0xff, 0xff })]
    public void A_header_block_that_is_none_is_refused(byte[] block)
    {
        using var reader = new HeaderBlocks();
        Assert.ThrowsAny<InvalidDataException>(() => reader.Read(block));
    }

    [Fact]
    public void Sizes_of_a_terminal_come_in_pieces_of_any_length()
    {
        var text = Encoding.UTF8.GetBytes("{\"Width\":80,\"Height\":24}\n{\"Width\":100000,\"Height\":1}{\"Width\":91,\"Height\":17}");
        for (int piece = 1; piece <= text.Length; piece++)
        {
            var sizes = new TerminalSizes();
            var seen = text.Chunk(piece).SelectMany(bytes => sizes.Add(bytes)).Select(size => (size.Columns, size.Rows));
            Assert.Equal([(80u, 24u), (91u, 17u)], seen);
        }
    }

    [Fact]
    public void The_end_of_a_command_is_told_as_clients_read_it()
    {
        Assert.Equal("Success", CommandStatus.Of(new StreamResult())["status"]!.ToString());
        var ended = CommandStatus.Of(new StreamResult { ExitCode = 3 });
        Assert.Equal(("NonZeroExitCode", "ExitCode", "3"), (ended["reason"]!.ToString(), ended["details"]!["causes"]![0]!["reason"]!.ToString(), ended["details"]!["causes"]![0]!["message"]!.ToString()));
        Assert.Contains("not running", CommandStatus.Of(new StreamResult { Error = "the container is not running" })["message"]!.ToString(), StringComparison.Ordinal);
    }
}
