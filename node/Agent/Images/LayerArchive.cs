using System.Formats.Tar;
using System.IO.Compression;

namespace Eyrie.Node;

/// <summary>
/// A layer's tar into a directory. No entry may leave it: names are checked part by part, and links are followed inside it alone. A directory that the tar does not name, but only what is in it, has the owner and mode that the
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
        if (found.Exists || found.LinkTarget is not null) File.Delete(path); // also before a directory: nothing is done to where a link leads
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
                var same = new FileInfo(Safe(source, entry.Name));
                if (same.LinkTarget is { } leads)
                {
                    File.CreateSymbolicLink(path, leads); // another name of the link, not of what it leads to
                    HostFiles.SetOwner(path, entry.Uid, entry.Gid);
                    break;
                }
                same.CopyTo(path); // a copy: layers are read-only, so it cannot be told from a link
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

    /// <summary>
    /// The path of an entry, with its parents made. A link on the way, such as <c>bin -> usr/bin</c>, is followed inside the layer, part by part, as if the layer were the root; the last part is not followed. What was returned
    /// holds no link but perhaps as its last part.
    /// </summary>
    private string Safe(string[] parts, string name)
    {
        const int MostLinks = 40; // as the host's kernel has it (path_resolution(7))
        var real = new List<string>();
        var left = new Stack<string>(parts[..^1].Reverse());
        for (int links = 0; left.TryPop(out var part);)
        {
            if (part is "" or ".") continue;
            if (part == ".." && real.Count > 0) real.RemoveAt(real.Count - 1);
            else if (part == "..") throw new ImageUnavailableException($"the layer's entry \"{name}\" goes through a link that leads out of it");
            else if (new FileInfo(Path.Combine([directory, .. real, part])).LinkTarget is { } target)
            {
                if (++links > MostLinks) throw new ImageUnavailableException($"the layer's entry \"{name}\" goes through more than {MostLinks} links");
                if (target.StartsWith('/')) real.Clear();
                foreach (var next in target.Split('/').Reverse()) left.Push(next);
            }
            else
            {
                real.Add(part);
                var path = Path.Combine([directory, .. real]);
                if (!Directory.Exists(path)) MakeParent(path);
            }
        }
        return Path.Combine([directory, .. real, parts[^1]]);
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
}
