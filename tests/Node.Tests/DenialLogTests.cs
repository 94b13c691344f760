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

    [Fact]
    public async Task What_a_full_disk_did_not_take_is_counted_and_told_when_there_is_room()
    {
        await using (var disk = await SmallDisk.MountAsync(Path.Combine(_state, "disk"), "64k"))
        {
            var log = new DenialLog(disk.Path);
            void Write(int i) => log.Write(new DenialRecord(DateTimeOffset.UnixEpoch, "n", "shop", "web", "c", "connect", new string('x', 1000), "entry", i, ""));
            const int Denials = 200;
            for (int i = 0; i < Denials; i++) Write(i);
            var before = File.ReadAllLines(log.File);
            Assert.InRange(before.Length, 10, Denials - 1);
            Assert.Equal(before.Length - 1, JsonNode.Parse(before[^1])!["count"]!.GetValue<int>()); // and every line is whole
            await disk.GrowAsync("1m");
            Write(Denials);
            var after = File.ReadAllLines(log.File);
            var lost = JsonNode.Parse(after[^2])!;
            Assert.Equal(("lost", Denials - before.Length), (lost["verdict"]!.ToString(), lost["count"]!.GetValue<int>()));
            Assert.Equal(Denials, JsonNode.Parse(after[^1])!["count"]!.GetValue<int>());
            Assert.Equal(before, after[..^2]);
        }
    }
}
