using System.Formats.Tar;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Layers made to reach a directory of the host while they are unpacked: nothing there is read, made or changed.</summary>
public sealed class LayerArchiveTests : IDisposable
{
    private const string Secret = "of the host";
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly string _folder = Directory.CreateTempSubdirectory("eyrie-layer-").FullName;

    private string Outside => Path.Combine(_folder, "outside");
    private string Layer => Path.Combine(_folder, "layer");

    public LayerArchiveTests()
    {
        foreach (var directory in new[] { Outside, Layer, Path.Combine(Outside, "deep") }) Directory.CreateDirectory(directory, Mode);
        File.WriteAllText(Path.Combine(Outside, "secret"), Secret);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Entries such as <c>a -> target</c>, <c>a = target</c> (another name of the same file), <c>a/</c>, or a file.</summary>
    private async Task UnpackAsync(params string[] entries)
    {
        var blob = new MemoryStream();
        await using (var writer = new TarWriter(blob, TarEntryFormat.Pax, leaveOpen: true))
            foreach (var entry in entries.Select(entry => entry.Replace("OUTSIDE", Outside, StringComparison.Ordinal)))
            {
                var made = entry.Split(' ') switch
                {
                    [var name, "->", var target] => new PaxTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target },
                    [var name, "=", var target] => new PaxTarEntry(TarEntryType.HardLink, name) { LinkName = target },
                    [var name] when name.EndsWith('/') => new PaxTarEntry(TarEntryType.Directory, name),
                    _ => new PaxTarEntry(TarEntryType.RegularFile, entry) { DataStream = new MemoryStream("made"u8.ToArray()) },
                };
                made.Mode = (UnixFileMode)0x1FF;
                await writer.WriteEntryAsync(made);
            }
        blob.Position = 0;
        await new LayerArchive(Layer, []).UnpackAsync(blob, CancellationToken.None);
    }

    [Theory]
    [InlineData("a -> OUTSIDE", "a/made")]
    [InlineData("a -> ../outside", "a/made")]
    [InlineData("b -> ../outside", "a -> b/deep", "a/made")] // a link through a link
    [InlineData("b -> OUTSIDE", "a -> b/deep", "a/made")]
    [InlineData("a -> OUTSIDE", "a/")] // whose mode would be changed
    [InlineData("a -> OUTSIDE/secret", "a")]
    [InlineData("a -> OUTSIDE/secret", "b = a")] // which would be copied
    [InlineData("a -> OUTSIDE", "b = a/secret")]
    [InlineData("a -> OUTSIDE", "a/.wh.secret")]
    [InlineData("b -> ../outside", "a -> b/deep", "a/.wh..wh..opq")]
    [InlineData("a -> a", "a/made")]
    public async Task Nothing_outside_a_layer_is_touched(params string[] entries)
    {
        try
        {
            await UnpackAsync(entries);
        }
        catch (Exception refused) when (refused is ImageUnavailableException or IOException)
        {
            // Also well: the image is not there then.
        }
        Assert.Equal(["deep", "secret"], Directory.GetFileSystemEntries(Outside).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(Outside, "deep")));
        Assert.Equal((Secret, Mode), (File.ReadAllText(Path.Combine(Outside, "secret")), File.GetUnixFileMode(Outside)));
        foreach (var file in Directory.EnumerateFiles(Layer, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }))
            Assert.True(new FileInfo(file) is { LinkTarget: not null } or { Length: 0 } || await File.ReadAllTextAsync(file) != Secret, file); // of no length: what hides another
    }

    [Fact]
    public async Task A_link_inside_a_layer_is_followed_and_another_name_of_a_link_is_a_link()
    {
        await UnpackAsync("usr/bin/", "bin -> /usr/bin", "sbin -> usr/../bin", "sbin/tool", "usr/lib/", "tool -> bin/tool", "same = tool", "copy = bin/tool");
        Assert.Equal("made", await File.ReadAllTextAsync(Path.Combine(Layer, "usr/bin/tool")));
        Assert.Equal(("bin/tool", "made"), (new FileInfo(Path.Combine(Layer, "same")).LinkTarget, await File.ReadAllTextAsync(Path.Combine(Layer, "copy"))));
    }
}
