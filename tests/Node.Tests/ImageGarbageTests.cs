using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Images of a real registry on a small disk that fills.</summary>
public sealed class ImageGarbageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("eyrie-garbage-").FullName;
    private readonly HttpClient _cluster = new();

    public void Dispose()
    {
        _cluster.Dispose();
        Directory.Delete(_folder, true);
    }

    private static Dictionary<string, string> Content(char letter) => new() { ["data"] = new string(letter, 4 << 20), ["name"] = letter.ToString() };

    [Fact]
    public async Task A_disk_that_fills_is_freed_of_images_that_nobody_wants_the_longest_unused_first_and_those_come_again_when_they_are_wanted()
    {
        await using var registry = await RegistryServer.StartAsync();
        await using var disk = await SmallDisk.MountAsync(Path.Combine(_folder, "node"), "32m");
        var options = ImageStoreTests.Options(disk.Path);
        var store = new ImageStore(options, _cluster, TimeProvider.System);
        Directory.CreateDirectory(Path.Combine(disk.Path, "images/layers"));
        string Name(char image) => $"{registry.Address}/{image}:1";
        Task<Image> PullAsync(char image) => store.EnsureAsync(Name(image), "IfNotPresent", PullCredentials.None, _ => { }, CancellationToken.None);
        var layers = new Dictionary<char, string>();
        foreach (var (image, hours) in new[] { ('a', 3), ('b', 2), ('c', 1), ('w', 4) })
        {
            await registry.PushAsync($"{image}:1", Content(image));
            layers[image] = (await PullAsync(image)).Layers[0];
            foreach (var file in Directory.EnumerateFiles(Path.Combine(disk.Path, "images/names")).OrderByDescending(File.GetLastWriteTimeUtc).Take(1)) File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-hours)); // its last use
            Directory.SetLastWriteTimeUtc(Path.Combine(disk.Path, layers[image]), DateTime.UtcNow.AddHours(-hours));
        }
        string Left() => string.Concat(layers.Keys.Where(image => Directory.Exists(Path.Combine(disk.Path, layers[image])) && File.Exists(LayerList.FileOf(Path.Combine(disk.Path, layers[image])))));
        var told = new List<string?>();
        var watch = new DiskWatch(options, store, () => [Name('w')], told.Add);
        watch.Look();
        Assert.Equal("abcw", Left()); // there is room
        disk.Fill(88);
        watch.Look();
        Assert.Equal("bcw", Left()); // one of 4 MiB brings 88 % to 75 %, below the low threshold
        Assert.Empty(told);
        disk.Fill(100);
        watch.Look();
        Assert.Equal("w", Left());
        disk.Fill(50);
        Assert.Equal("a", File.ReadAllText(Path.Combine(disk.Path, (await PullAsync('a')).Layers[0], "name"))); // it comes again
        Assert.Equal("w", File.ReadAllText(Path.Combine(disk.Path, layers['w'], "name"))); // what a pod wants was never touched, however long ago it was pulled
    }

    [Fact]
    public async Task When_nothing_is_left_to_remove_the_full_disk_is_told_and_it_is_told_when_there_is_room()
    {
        await using var disk = await SmallDisk.MountAsync(Path.Combine(_folder, "node"), "8m");
        Directory.CreateDirectory(Path.Combine(disk.Path, "images/layers"));
        var told = new List<string?>();
        var watch = new DiskWatch(ImageStoreTests.Options(disk.Path), new ImageStore(ImageStoreTests.Options(disk.Path), _cluster, TimeProvider.System), () => [], told.Add);
        disk.Fill(95);
        watch.Look();
        Assert.Contains("5 % left", Assert.Single(told), StringComparison.Ordinal);
        disk.Fill(50);
        watch.Look();
        Assert.Null(told[^1]);
    }
}
