using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Layers that the disk damages, pulled from a real registry.</summary>
public sealed class ImageCheckTests : IDisposable
{
    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-check-").FullName;
    private readonly HttpClient _cluster = new();
    private readonly List<string?> _told = [];
    private readonly List<string> _damaged = [];
    private readonly FakeTimeProvider _time = new();
    private string[] _users = [];

    public void Dispose()
    {
        _cluster.Dispose();
        Directory.Delete(_state, true);
    }

    private ImageStore Store => new(ImageStoreTests.Options(_state), _cluster, _time);

    private ImageCheck Check() => new(ImageStoreTests.Options(_state) with { ImageCheckRate = long.MaxValue }, Store, _ => _users, (_, what) => _damaged.Add(what), _told.Add, _time);

    private Task<Image> PullAsync(string name) => Store.EnsureAsync(name, "IfNotPresent", PullCredentials.None, _ => { }, CancellationToken.None);

    private static readonly Dictionary<string, string> Content = new() { ["etc/one"] = new string('1', 5000), ["etc/two"] = "two", ["bin/three"] = new string('3', 3_000_000) };

    [Theory]
    [InlineData("gone", false, "etc/two is missing")]
    [InlineData("cut", false, "bin/three has 100 bytes instead of 3000000")]
    [InlineData("link", false, "etc/two is something else")]
    [InlineData("bit", true, "bin/three has other contents")]
    [InlineData("list", false, "list of files is missing or damaged")]
    [InlineData("nolist", false, "list of files is missing or damaged")]
    public async Task What_the_disk_did_to_a_layer_is_found_told_and_undone(string damage, bool contents, string expected)
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushAsync("app:1", Content);
        await registry.PushAsync("other:1", new Dictionary<string, string> { ["etc/other"] = "untouched" });
        var image = await PullAsync($"{registry.Address}/app:1");
        await PullAsync($"{registry.Address}/other:1");
        var check = Check();
        await check.CheckAsync(true, CancellationToken.None);
        Assert.Empty(_told); // sound layers are left alone
        var layer = Path.Combine(_state, image.Layers[0]);
        switch (damage)
        {
            case "gone": File.Delete(layer + "/etc/two"); break;
            case "cut": using (var file = File.OpenWrite(layer + "/bin/three")) file.SetLength(100); break;
            case "link": File.Delete(layer + "/etc/two"); File.CreateSymbolicLink(layer + "/etc/two", "one"); break;
            case "bit":
                using (var file = new FileStream(layer + "/bin/three", FileMode.Open, FileAccess.Write)) { file.Position = 2_345_678; file.WriteByte((byte)'4'); }
                await check.CheckAsync(false, CancellationToken.None);
                Assert.Empty(_told); // seen by reading only
                break;
            case "list": File.AppendAllText(layer + ".files", " "); break;
            case "nolist": File.Delete(layer + ".files"); break;
        }
        await check.CheckAsync(contents, CancellationToken.None);
        Assert.Contains(expected, Assert.Single(_damaged), StringComparison.Ordinal);
        Assert.Contains(expected, _told[^1], StringComparison.Ordinal);
        Assert.Contains("pulled anew", _told[^1], StringComparison.Ordinal);
        Assert.Equal(Content["bin/three"], File.ReadAllText(layer + "/bin/three"));
        Assert.Equal("two", File.ReadAllText(layer + "/etc/two"));
        await check.CheckAsync(true, CancellationToken.None);
        Assert.Single(_damaged);
        await check.TidyAsync(CancellationToken.None);
        Assert.NotNull(_told[^1]); // to be seen for a while
        _time.Advance(ImageCheck.Held);
        await check.TidyAsync(CancellationToken.None);
        Assert.Null(_told[^1]);
        Assert.Equal(2, new DirectoryInfo(Path.Combine(_state, "images/layers")).EnumerateDirectories().Count());
    }

    [Fact]
    public async Task Containers_that_run_on_a_damaged_layer_keep_it_until_they_have_ended()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushAsync("app:1", Content);
        var image = await PullAsync($"{registry.Address}/app:1");
        var layer = Path.Combine(_state, image.Layers[0]);
        File.Delete(layer + "/etc/one");
        _users = ["web-0"];
        using var open = File.OpenRead(layer + "/etc/two");
        var check = Check();
        await check.CheckAsync(false, CancellationToken.None);
        _users = ["web-0", "web-1"]; // one that began on the new layer
        await check.TidyAsync(CancellationToken.None);
        var aside = Assert.Single(Store.Aside());
        Assert.True(File.Exists(aside + "/etc/two"));
        _users = ["web-1"];
        await check.TidyAsync(CancellationToken.None);
        Assert.Empty(Store.Aside());
        Assert.True(File.Exists(layer + "/etc/one"));
    }

    [Fact]
    public async Task What_cannot_be_pulled_stays_a_condition_and_is_pulled_when_it_can()
    {
        var registry = await RegistryServer.StartAsync();
        await using (registry)
        {
            await registry.PushAsync("app:1", Content);
            var image = await PullAsync($"{registry.Address}/app:1");
            var (layer, check) = (Path.Combine(_state, image.Layers[0]), Check());
            var (there, away) = (Path.Combine(registry.Directory, "data"), Path.Combine(registry.Directory, "away"));
            Directory.Move(there, away);
            File.Delete(layer + "/etc/one");
            await check.CheckAsync(false, CancellationToken.None);
            Assert.Contains("cannot be pulled yet", _told[^1], StringComparison.Ordinal);
            _time.Advance(ImageCheck.Held * 2);
            await check.TidyAsync(CancellationToken.None);
            Assert.NotNull(_told[^1]);
            if (Directory.Exists(there)) Directory.Delete(there, true);
            Directory.Move(away, there);
            _time.Advance(TimeSpan.FromMinutes(1));
            await check.TidyAsync(CancellationToken.None);
            Assert.True(File.Exists(layer + "/etc/one"));
            await check.TidyAsync(CancellationToken.None);
            Assert.Null(_told[^1]);
        }
    }
}
