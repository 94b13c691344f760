using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class DenialLogTests : IDisposable
{
    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-denials-").FullName;

    public void Dispose() => Directory.Delete(_state, recursive: true);

    [Fact]
    public void A_denial_is_one_line_and_two_files_bound_them_all()
    {
        var log = new DenialLog(_state, limit: 1000);
        for (int i = 0; i < 100; i++) log.Write(new DenialRecord(DateTimeOffset.UnixEpoch, "n", "shop", "web", "c", "connect", "10.0.0.1:443", "connect tcp cidr 10.0.0.1/32 443", i, "permissions:\n  connect: []"));
        var files = Directory.GetFiles(Path.Combine(_state, "audit"));
        Assert.Equal(2, files.Length);
        Assert.All(files, file => Assert.InRange(new FileInfo(file).Length, 1, 1500));
        var lines = File.ReadAllLines(log.File);
        Assert.All(lines, line => Assert.Equal("connect tcp cidr 10.0.0.1/32 443", JsonNode.Parse(line)!["missingGrant"]!.ToString()));
        Assert.Equal(99, JsonNode.Parse(lines[^1])!["count"]!.GetValue<int>());
    }
}
