using System.Diagnostics;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Images of several layers, from a real registry, seen through the host's overlayfs as a container sees them.</summary>
public sealed class ImageLayerTests : IDisposable
{
    private static readonly Dictionary<string, string> Base = new() { ["etc/"] = "", ["etc/kept"] = "kept", ["etc/gone"] = "gone", ["etc/changed"] = "old", ["data/"] = "", ["data/a"] = "a", ["data/deep/"] = "", ["data/deep/b"] = "b", ["tree/"] = "", ["tree/leaf"] = "leaf" };

    private readonly PullingNode _node = new();

    public void Dispose() => _node.Dispose();

    /// <summary>Every file of an image, as path=text, in a mount namespace of its own.</summary>
    private async Task<string> SeenAsync(Image image)
    {
        var target = Directory.CreateDirectory(Path.Combine(_node.State, "mounted")).FullName;
        var lower = string.Join(':', image.Layers.Reverse().Select(layer => Path.Combine(_node.State, layer)));
        using var shell = Process.Start(new ProcessStartInfo("unshare", ["--mount", "sh", "-c", "mount -t overlay overlay -o \"ro,lowerdir=$1\" \"$2\" && cd \"$2\" && find . ! -type d | sort | while read -r path; do echo \"${path#./}=$(cat \"$path\")\"; done", "sh", lower, target]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (seen, error) = (shell.StandardOutput.ReadToEndAsync(), shell.StandardError.ReadToEndAsync());
        await shell.WaitForExitAsync();
        Assert.True(shell.ExitCode == 0, await error);
        return string.Join(' ', (await seen).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    public static TheoryData<string, string[], string> Hiding => new()
    {
        { "a file", ["etc/", "etc/.wh.gone"], "data/a=a data/deep/b=b etc/changed=old etc/kept=kept tree/leaf=leaf" },
        { "a directory with what is in it", [".wh.data"], "etc/changed=old etc/gone=gone etc/kept=kept tree/leaf=leaf" },
        { "everything in a directory", ["data/", "data/.wh..wh..opq", "data/new"], "data/new=top etc/changed=old etc/gone=gone etc/kept=kept tree/leaf=leaf" },
        { "and only that of lower layers, told last", ["data/", "data/new", "data/.wh..wh..opq"], "data/new=top etc/changed=old etc/gone=gone etc/kept=kept tree/leaf=leaf" },
        { "a file by a new one", ["etc/", "etc/changed"], "data/a=a data/deep/b=b etc/changed=top etc/gone=gone etc/kept=kept tree/leaf=leaf" },
        { "a directory that is there anew", [".wh.data", "data/", "data/new"], "data/new=top etc/changed=old etc/gone=gone etc/kept=kept tree/leaf=leaf" },
        { "a directory that is there anew, told last", ["data/", "data/new", ".wh.data"], "data/new=top etc/changed=old etc/gone=gone etc/kept=kept tree/leaf=leaf" },
        { "a file that is there anew", ["etc/", "etc/gone", "etc/.wh.gone"], "data/a=a data/deep/b=b etc/changed=old etc/gone=top etc/kept=kept tree/leaf=leaf" },
        { "a directory by a file", ["tree"], "data/a=a data/deep/b=b etc/changed=old etc/gone=gone etc/kept=kept tree=top" },
    };

    [Theory]
    [MemberData(nameof(Hiding))]
    public async Task A_layer_hides_what_is_beneath_it(string what, string[] top, string expected)
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushLayersAsync("app:1", Base, top.ToDictionary(path => path, path => path.EndsWith('/') || path.Contains(".wh.", StringComparison.Ordinal) ? "" : "top"));
        var image = await _node.PullAsync($"{registry.Address}/app:1");
        Assert.Equal((what, expected), (what, await SeenAsync(image)));
        var seen = (await SeenAsync(image)).Split(' ').ToDictionary(file => file.Split('=')[0], file => file.Split('=')[1]);
        foreach (var path in Base.Keys.Concat(top).Where(path => !path.EndsWith('/'))) Assert.Equal((path, seen.GetValueOrDefault(path, "")), (path, string.Join('\n', ImageFiles.Lines(_node.State, image.Layers, path)))); // read without a mount
        foreach (var layer in image.Layers) Assert.Null(await LayerList.CheckAsync(Path.Combine(_node.State, layer), true, _ => Task.CompletedTask, CancellationToken.None)); // what hides is no damage
    }

    [Fact]
    public async Task What_a_layer_hid_another_above_it_may_bring_back()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushLayersAsync("app:1", Base, new Dictionary<string, string> { [".wh.data"] = "", [".wh.etc"] = "" }, new Dictionary<string, string> { ["data/"] = "", ["data/new"] = "new" });
        Assert.Equal("data/new=new tree/leaf=leaf", await SeenAsync(await _node.PullAsync($"{registry.Address}/app:1")));
    }

    [Fact]
    public async Task A_directory_that_a_layer_does_not_name_keeps_the_owner_and_mode_of_those_beneath()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushLayersAsync("app:1", new Dictionary<string, string> { ["tmp/"] = "", ["tmp/deep/"] = "", ["own/"] = "" }, new Dictionary<string, string> { ["tmp/deep/file"] = "x", ["own/"] = "", ["new/file"] = "x" });
        var image = await _node.PullAsync($"{registry.Address}/app:1");
        string Facts(string path) => HostDisk.Directory(Path.Combine(_node.State, image.Layers[1], path)) is { } facts ? $"{facts.User}:{facts.Group} {Convert.ToString((int)facts.Mode, 8)}" : "none";
        Assert.Equal(["7:8 1777", "7:8 1777", "0:0 755", "0:0 755"], [Facts("tmp"), Facts("tmp/deep"), Facts("own"), Facts("new")]);
    }

    [Theory]
    [InlineData("etc/.wh.")]
    [InlineData(".wh...")]
    [InlineData("../.wh.kept")]
    public async Task A_layer_that_hides_what_is_not_in_it_is_refused(string entry)
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushLayersAsync("app:1", Base, new Dictionary<string, string> { [entry] = "" });
        Assert.Contains($"the layer has an entry \"{entry}\"", (await Assert.ThrowsAsync<ImageUnavailableException>(() => _node.PullAsync($"{registry.Address}/app:1"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_layer_of_two_images_is_brought_and_kept_once()
    {
        await using var registry = await RegistryServer.StartAsync();
        foreach (var name in new[] { "one", "two", "three" }) await registry.PushLayersAsync(name + ":1", Base, new Dictionary<string, string> { ["own"] = name });
        await using var front = await RegistryFront.StartAsync(registry.Address, (_, _) => null);
        var store = _node.Store();
        var together = await Task.WhenAll(new[] { "one", "two" }.Select(name => _node.PullAsync($"{front.Address}/{name}:1", store: store)));
        var third = await _node.PullAsync($"{front.Address}/three:1"); // by an agent that has not pulled before
        var images = together.Append(third).ToList();
        Assert.Single(images.Select(image => image.Layers[0]).Distinct());
        Assert.Equal(["one", "two", "three"], images.Select(image => _node.Read(image, "own")));
        Assert.Equal(4, Directory.EnumerateDirectories(Path.Combine(_node.State, "images/layers")).Count());
        var shared = Path.GetFileName(images[0].Layers[0]).Replace('-', ':');
        Assert.Single(front.Answers, answer => answer.Path.EndsWith("/blobs/" + shared, StringComparison.Ordinal));
    }
}
