using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Tokens;
using Eyrie.Node.Volumes;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class VolumeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-volume-").FullName;

    public void Dispose()
    {
        MemoryVolumes.RemoveAll(_directory);
        Directory.Delete(_directory, true);
    }

    private static readonly PodFacts Facts = new(Json("""{"metadata":{"name":"web","namespace":"shop","labels":{"app":"w"}},"spec":{}}"""), "uid", "127.64.16.1", "127.0.0.1", "node-0", 2000, 1L << 30);

    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    private static PodObjects Objects(string config) => new([new ReferencedObject { Kind = "ConfigMap", Name = "c", Json = config }, new ReferencedObject { Kind = "Secret", Name = "s", Json = """{"data":{"p":"cGFzcw=="}}""" }]);

    private static string? Token(TokenNeed need) => need.Audience == "vault" ? $"for {need.Audience} {need.Seconds} s" : null;

    private static string Text(SortedDictionary<string, VolumeFile> files) => string.Join(' ', files.Select(file => $"{file.Key}:{Convert.ToString(file.Value.Mode, 8)}={Encoding.UTF8.GetString(file.Value.Data)}"));

    [Theory]
    [InlineData("""{"configMap":{"name":"c"}}""", "a:644=1 b:644=2")]
    [InlineData("""{"configMap":{"name":"c","defaultMode":256,"items":[{"key":"a","path":"x/y","mode":511}]}}""", "x/y:777=1")]
    [InlineData("""{"secret":{"secretName":"s"}}""", "p:644=pass")]
    [InlineData("""{"secret":{"secretName":"none","optional":true}}""", "")]
    [InlineData("""{"downwardAPI":{"items":[{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}}]}}""", "labels:644=app=\"w\"")]
    [InlineData("""{"projected":{"sources":[{"serviceAccountToken":{"audience":"vault","expirationSeconds":900,"path":"t"}}]}}""", "t:644=for vault 900 s")]
    [InlineData("""{"projected":{"defaultMode":256,"sources":[{"configMap":{"name":"c"}},{"secret":{"name":"s"}},{"downwardAPI":{"items":[{"path":"d/name","fieldRef":{"fieldPath":"metadata.name"}}]}}]}}""", "a:400=1 b:400=2 d/name:400=web p:400=pass")]
    public void Files_follow_from_objects(string volume, string expected) => Assert.Equal(expected, Text(VolumeContent.Of(Json(volume), Facts, Objects("""{"data":{"a":"1","b":"2"}}"""), Token)!));

    [Theory]
    [InlineData("""{"projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}""", "the token was not given yet")]
    [InlineData("""{"configMap":{"name":"none"}}""", "configmap \"none\" not found")]
    [InlineData("""{"configMap":{"name":"c","items":[{"key":"q","path":"q"}]}}""", "references non-existent key \"q\"; it has a")]
    [InlineData("""{"configMap":{"name":"c","items":[{"key":"a","path":"../../x"}]}}""", "must be relative")]
    [InlineData("""{"configMap":{"name":"c","items":[{"key":"a","path":"/x"}]}}""", "must be relative")]
    public void What_cannot_be_made_says_why(string volume, string expected) =>
        Assert.Contains(expected, Assert.Throws<VolumeUnavailableException>(() => VolumeContent.Of(Json(volume), Facts, Objects("""{"data":{"a":"1"}}"""), Token)).Message, StringComparison.Ordinal);

    private static SortedDictionary<string, VolumeFile> Files(params (string Path, string Text)[] files) => new(files.ToDictionary(file => file.Path, file => new VolumeFile(Encoding.UTF8.GetBytes(file.Text), 0b110_100_100)), StringComparer.Ordinal);

    private string Seen() => string.Join(' ', Directory.EnumerateFileSystemEntries(_directory).Select(Path.GetFileName).Where(name => !name!.StartsWith("..", StringComparison.Ordinal)).Order(StringComparer.Ordinal));

    [Fact]
    public void A_new_version_takes_the_place_of_the_old_one_whole()
    {
        Assert.True(AtomicDirectory.Write(_directory, Files(("a", "1"), ("d/e", "2")), null));
        Assert.Equal(("a d", "1", "2"), (Seen(), File.ReadAllText(_directory + "/a"), File.ReadAllText(_directory + "/d/e")));
        Assert.False(AtomicDirectory.Write(_directory, Files(("a", "1"), ("d/e", "2")), null));
        Assert.True(AtomicDirectory.Write(_directory, Files(("a", "3"), ("b", "4")), null));
        Assert.Equal(("a b", "3", "4"), (Seen(), File.ReadAllText(_directory + "/a"), File.ReadAllText(_directory + "/b")));
        Assert.Single(Directory.EnumerateDirectories(_directory, "..2*"));
    }

    /// <summary>Readers that look while versions change find two files of one version, whenever they look through one version's directory.</summary>
    [Fact]
    public async Task A_reader_never_sees_two_versions_mixed()
    {
        AtomicDirectory.Write(_directory, Files(("a", "0"), ("b", "0")), null);
        using var stop = new CancellationTokenSource();
        int seen = 0;
        var reading = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                try
                {
                    var version = Path.Combine(_directory, AtomicDirectory.Version(_directory) ?? throw new InvalidOperationException("at some moment there was no version"));
                    Assert.Equal(File.ReadAllText(version + "/a"), File.ReadAllText(version + "/b"));
                    Interlocked.Increment(ref seen);
                }
                catch (IOException)
                {
                    // That version went while it was read; its reader looks again.
                }
        });
        var end = DateTime.UtcNow.AddSeconds(20);
        for (int i = 1; (i <= 300 || Volatile.Read(ref seen) < 50) && DateTime.UtcNow < end && !reading.IsCompleted; i++) AtomicDirectory.Write(_directory, Files(("a", $"{i}"), ("b", $"{i}")), null);
        await stop.CancelAsync();
        await reading;
        Assert.True(seen >= 50, $"only {seen} looks found a version whole");
    }

    [Theory]
    [InlineData("""{"sizeLimit":"1Mi"}""", """[{"resources":{"limits":{"memory":"8Mi"}}},{"resources":{"limits":{"memory":"8Mi"}}}]""", 1 << 20)]
    [InlineData("""{}""", """[{"resources":{"limits":{"memory":"8Mi"}}},{"resources":{"limits":{"memory":"8Mi"}}}]""", 16 << 20)]
    [InlineData("""{"sizeLimit":"64Mi"}""", """[{"resources":{"limits":{"memory":"8Mi"}}}]""", 8 << 20)]
    [InlineData("""{"sizeLimit":"64Mi"}""", """[{"resources":{"limits":{"memory":"8Mi"}}},{}]""", 64 << 20)]
    [InlineData("""{"sizeLimit":"0"}""", """[{}]""", 1 << 30)]
    [InlineData("""{"sizeLimit":"7E"}""", """[{"resources":{"limits":{"memory":"7E"}}},{"resources":{"limits":{"memory":"7E"}}}]""", 1 << 30)]
    public void A_volume_in_memory_is_as_large_as_its_limit_the_pod_and_the_node_allow(string empty, string containers, long expected) =>
        Assert.Equal(expected, PodVolumes.MemorySize(Json(empty), Facts with { Pod = Json($$"""{"spec":{"containers": {{containers}} } }""") }));

    [Theory]
    [InlineData("$(POD)/logs", "pods/uid/volumes/v/web-0/logs")]
    [InlineData("$$(POD)", "pods/uid/volumes/v/$(POD)")]
    [InlineData("a/$(UNKNOWN)", "pods/uid/volumes/v/a/$(UNKNOWN)")]
    [InlineData("$(UP)", "must be relative and without")]
    [InlineData("$(ROOT)", "must be relative and without")]
    public void The_part_of_a_volume_that_is_mounted_may_be_named_by_the_environment(string expression, string expected)
    {
        var pod = Json("""{"metadata":{"name":"web-0","namespace":"shop"},"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}""");
        var container = Json("""{"name":"a","volumeMounts":[{"name":"v","mountPath":"/data"}]}""");
        container["volumeMounts"]![0]!["subPathExpr"] = expression;
        var volumes = new PodVolumes(ImageStoreTests.Options(_directory), "uid", new HeldTokens((_, _) => throw new InvalidOperationException("no token is wanted"), TimeProvider.System));
        volumes.Write(Facts with { Pod = pod }, Objects("{}"));
        var environment = new Dictionary<string, string> { ["POD"] = "web-0", ["UP"] = "../../other", ["ROOT"] = "/etc" };
        string Mounted()
        {
            try
            {
                var mount = volumes.Mounts(container, Facts with { Pod = pod }, Objects("{}"), environment).Single();
                Assert.True(Directory.Exists(Path.Combine(_directory, mount.Source)));
                return mount.Source;
            }
            catch (ContainerConfigException exception)
            {
                return exception.Message;
            }
        }
        Assert.Contains(expected, Mounted(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_volume_in_memory_is_mounted_once_has_its_size_and_goes_with_its_pod()
    {
        string home = Path.Combine(_directory, "pods/a b"), volume = Path.Combine(home, "volumes/m");
        Directory.CreateDirectory(Path.Combine(home, "volumes/disk"));
        MemoryVolumes.Mount(volume, 1 << 20, 2000);
        Assert.Equal("2777", Convert.ToString((int)File.GetUnixFileMode(volume), 8));
        File.WriteAllBytes(volume + "/x", new byte[1 << 19]);
        MemoryVolumes.Mount(volume, 1 << 20, 2000);
        Assert.True(File.Exists(volume + "/x"), "what was there stays");
        Assert.Contains("No space left", Assert.Throws<IOException>(() => File.WriteAllBytes(volume + "/y", new byte[1 << 20])).Message, StringComparison.Ordinal);
        MemoryVolumes.Remove(home);
        Assert.Empty(Directory.EnumerateFileSystemEntries(volume));
        Assert.Equal(HostFiles.MountOf(home), HostFiles.MountOf(volume));
        Directory.Delete(home, true);
        MemoryVolumes.Remove(home);
    }

    [Fact]
    public void A_directory_beneath_another_is_made_without_following_a_link()
    {
        Directory.CreateDirectory(_directory + "/volume");
        Directory.CreateDirectory(_directory + "/outside");
        File.CreateSymbolicLink(_directory + "/volume/link", "../outside");
        HostFiles.MakeBeneath(_directory + "/volume", "a/b", 0b111_111_111);
        Assert.True(Directory.Exists(_directory + "/volume/a/b"));
        Assert.Throws<IOException>(() => HostFiles.MakeBeneath(_directory + "/volume", "link/x", 0b111_111_111));
        Assert.Throws<IOException>(() => HostFiles.MakeBeneath(_directory + "/volume", "a/../../outside/x", 0b111_111_111));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory + "/outside"));
    }
}
