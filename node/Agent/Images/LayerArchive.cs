using System.Formats.Tar;
using System.IO.Compression;

namespace Eyrie.Node;

/// <summary>
/// A layer's tar into a directory. No entry may leave it: names are checked part by part, and no existing link is followed. A directory that the tar does not name, but only what is in it, has the owner and mode that the
/// layers beneath give it, since it would hide theirs (as containerd does it, archive/tar.go, WithParents); 0755 of root where there is none. Of a layer that several images have, those are the layers of the image
/// that brought it.
/// </summary>
/// <param name="directory">Where to.</param>
/// <param name="beneath">Directories of the layers below, lowest first.</param>
public sealed class LayerArchive(string directory, IReadOnlyList<string> beneath)
{
    private const string WhiteoutMark = ".wh.", OpaqueMark = ".wh..wh..opq";

    public async Task UnpackAsync(Stream blob, CancellationToken cancellationToken)
    {
        var head = new byte[4];
        int known = await blob.ReadAtLeastAsync(head, 4, false, cancellationToken);
        blob.Position = 0;
        await using var content = Decompressed(blob, head.AsSpan(0, known));
        await using var reader = new TarReader(content);
        var hidden = new List<string>();
        while (await reader.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            var parts = entry.Name.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").ToArray();
            if (parts.Length == 0) continue;
            if (parts.Contains("..")) throw new ImageUnavailableException($"the layer has an entry \"{entry.Name}\" that leads out of it");
            if (parts[^1] is OpaqueMark) HostFiles.SetOpaque(Path.GetDirectoryName(Safe(parts, entry.Name))!);
            else if (parts[^1].StartsWith(WhiteoutMark, StringComparison.Ordinal)) hidden.Add(Safe([.. parts[..^1], Hidden(parts[^1], entry.Name)], entry.Name));
            else await EntryAsync(entry, parts, cancellationToken);
        }
        foreach (var path in hidden) Hide(path);
    }

    private static string Hidden(string mark, string name) => mark[WhiteoutMark.Length..] is { Length: > 0 } hidden and not ("." or "..") ? hidden : throw new ImageUnavailableException($"the layer has an entry \"{name}\" that hides no name");

    /// <summary>Hides what lower layers have at a path. What the layer itself has there stays, whichever came first in it (OCI image specification, layer.md, "Whiteouts").</summary>
    private static void Hide(string path)
    {
        if (new FileInfo(path) is { Exists: true } or { LinkTarget: not null }) return;
        if (Directory.Exists(path)) HostFiles.SetOpaque(path);
        else HostFiles.MakeWhiteout(path);
    }

    /// <summary>By the first bytes: gzip (RFC 1952), zstd (RFC 8878), or plain.</summary>
    private static Stream Decompressed(Stream blob, ReadOnlySpan<byte> head) =>
        head.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]) ? new GZipStream(blob, CompressionMode.Decompress) : head.StartsWith((ReadOnlySpan<byte>)[0x28, 0xb5, 0x2f, 0xfd]) ? new ZstdSharp.DecompressionStream(blob) : blob;

    private async Task EntryAsync(TarEntry entry, string[] parts, CancellationToken cancellationToken)
    {
        var path = Safe(parts, entry.Name);
        var found = new FileInfo(path);
        if ((found.Exists || found.LinkTarget is not null) && entry.EntryType != TarEntryType.Directory) File.Delete(path);
        switch (entry.EntryType)
        {
            case TarEntryType.Directory:
                Directory.CreateDirectory(path);
                HostFiles.SetOwner(path, entry.Uid, entry.Gid);
                File.SetUnixFileMode(path, entry.Mode);
                break;
            case TarEntryType.SymbolicLink:
                File.CreateSymbolicLink(path, entry.LinkName);
                HostFiles.SetOwner(path, entry.Uid, entry.Gid);
                break;
            case TarEntryType.HardLink:
                var source = entry.LinkName.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").ToArray();
                if (source.Length == 0 || source.Contains("..")) throw new ImageUnavailableException($"the layer has a link \"{entry.Name}\" that leads out of it");
                File.Copy(Safe(source, entry.Name), path); // a copy: layers are read-only, so it cannot be told from a link
                HostFiles.SetOwner(path, entry.Uid, entry.Gid);
                File.SetUnixFileMode(path, entry.Mode);
                break;
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile:
                await entry.ExtractToFileAsync(path, true, cancellationToken);
                HostFiles.SetOwner(path, entry.Uid, entry.Gid);
                File.SetUnixFileMode(path, entry.Mode);
                break;
        }
    }

    /// <summary>The path of an entry, with its parents made; a parent that is a link is refused, since it could lead out.</summary>
    private string Safe(string[] parts, string name)
    {
        var path = directory;
        foreach (var part in parts[..^1])
        {
            path = Path.Combine(path, part);
            if (new DirectoryInfo(path).LinkTarget is { } target) path = Follow(path, target, name);
            if (!Directory.Exists(path)) MakeParent(path);
        }
        return Path.Combine(path, parts[^1]);
    }

    private void MakeParent(string path)
    {
        Directory.CreateDirectory(path);
        var inLayer = Path.GetRelativePath(directory, path).Split('/');
        if (beneath.Reverse().Select(layer => Facts(layer, inLayer)).FirstOrDefault(facts => facts is not null) is not { } facts) return;
        HostFiles.SetOwner(path, facts.User, facts.Group);
        File.SetUnixFileMode(path, facts.Mode);
    }

    /// <summary>Owner and mode of a directory of a lower layer; null: it has none there, or through a link.</summary>
    private static (int User, int Group, UnixFileMode Mode)? Facts(string layer, string[] parts)
    {
        (int, int, UnixFileMode)? facts = null;
        foreach (var part in parts)
        {
            layer = Path.Combine(layer, part);
            facts = HostDisk.Directory(layer);
            if (facts is null) return null;
        }
        return facts;
    }

    /// <summary>A link inside the layer, such as <c>bin -> usr/bin</c>, resolved within the layer.</summary>
    private string Follow(string link, string target, string name)
    {
        var resolved = Path.GetFullPath(target.StartsWith('/') ? directory + target : Path.Combine(Path.GetDirectoryName(link)!, target));
        return resolved.StartsWith(directory + "/", StringComparison.Ordinal) && new DirectoryInfo(resolved).LinkTarget is null ? resolved : throw new ImageUnavailableException($"the layer's entry \"{name}\" goes through a link that leads out of it");
    }
}
