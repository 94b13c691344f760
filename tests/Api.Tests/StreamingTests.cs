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
