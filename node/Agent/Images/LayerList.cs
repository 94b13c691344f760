using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Eyrie.Node;

/// <summary>One entry of an unpacked layer.</summary>
/// <param name="Path">Relative to the layer.</param>
/// <param name="Kind">f: a file, l: a link, d: a directory, o: another, as a whiteout is.</param>
/// <param name="Bytes">Of a file.</param>
/// <param name="Is">Of a file its SHA-256, of a link where it leads.</param>
public sealed record ListedEntry(string Path, char Kind, long Bytes, string Is);

/// <summary>
/// What an unpacked layer consists of, written beside it when it was unpacked (<c>LAYER.files</c>: a digest of the rest, a line break, and the entries): what the disk loses or changes afterwards is found by it.
/// </summary>
public static class LayerList
{
    private const int Block = 1 << 20;

    public static string FileOf(string layer) => layer + ".files";

    /// <summary>Lists a layer as it is, for <paramref name="target"/>, where it is about to be.</summary>
    public static async Task WriteAsync(string layer, string target, CancellationToken cancellationToken)
    {
        var entries = new List<ListedEntry>();
        foreach (var entry in Walk(layer)) entries.Add(await ListedAsync(layer, entry, cancellationToken));
        var rest = JsonSerializer.SerializeToUtf8Bytes(entries, ListedJson.Default.ListListedEntry);
        await File.WriteAllBytesAsync(FileOf(target), [.. Encoding.ASCII.GetBytes(Digest(rest) + "\n"), .. rest], cancellationToken);
    }

    /// <returns>What is damaged, for people; null: nothing is.</returns>
    /// <param name="layer">The layer's directory.</param>
    /// <param name="contents">Files are read, too, and not only looked at.</param>
    /// <param name="read">Told how many bytes were read; slows down by waiting.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    public static async Task<string?> CheckAsync(string layer, bool contents, Func<int, Task> read, CancellationToken cancellationToken)
    {
        if (await ReadAsync(layer, cancellationToken) is not { } entries) return "its list of files is missing or damaged";
        foreach (var entry in entries)
        {
            var found = new FileInfo(Path.Combine(layer, entry.Path));
            if (Damage(entry, found) is { } damage) return $"{entry.Path} {damage}";
            if (!contents || entry.Kind != 'f') continue;
            try
            {
                if (await DigestAsync(found.FullName, read, cancellationToken) != entry.Is) return $"{entry.Path} has other contents than it was unpacked with";
            }
            catch (IOException exception)
            {
                return $"{entry.Path} cannot be read: {exception.Message}";
            }
        }
        return null;
    }

    private static string? Damage(ListedEntry entry, FileInfo found)
    {
        var kind = Kind(found);
        if (kind is null) return "is missing";
        if (kind != entry.Kind) return "is something else than was unpacked";
        if (entry.Kind == 'f' && found.Length != entry.Bytes) return $"has {found.Length} bytes instead of {entry.Bytes}";
        return entry.Kind == 'l' && found.LinkTarget != entry.Is ? $"leads to {found.LinkTarget} instead of {entry.Is}" : null;
    }

    /// <summary>null: there is nothing.</summary>
    private static char? Kind(FileInfo entry)
    {
        if (entry.LinkTarget is not null) return 'l';
        if (!Path.Exists(entry.FullName)) return null;
        if ((entry.Attributes & FileAttributes.Directory) != 0) return 'd';
        return entry.Length == 0 && File.GetUnixFileMode(entry.FullName) == UnixFileMode.None ? 'o' : 'f'; // a device has no length, and a whiteout no mode
    }

    /// <summary>Everything beneath a directory; no link is followed.</summary>
    private static IEnumerable<string> Walk(string directory)
    {
        foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
        {
            yield return entry.FullName;
            if (entry is DirectoryInfo { LinkTarget: null })
                foreach (var below in Walk(entry.FullName)) yield return below;
        }
    }

    private static async Task<ListedEntry> ListedAsync(string layer, string path, CancellationToken cancellationToken)
    {
        var (found, name) = (new FileInfo(path), Path.GetRelativePath(layer, path));
        return Kind(found) switch
        {
            'l' => new ListedEntry(name, 'l', 0, found.LinkTarget!),
            'f' => new ListedEntry(name, 'f', found.Length, await DigestAsync(path, _ => Task.CompletedTask, cancellationToken)),
            var kind => new ListedEntry(name, kind ?? 'o', 0, ""),
        };
    }

    private static async Task<List<ListedEntry>?> ReadAsync(string layer, CancellationToken cancellationToken)
    {
        try
        {
            var bytes = await File.ReadAllBytesAsync(FileOf(layer), cancellationToken);
            int end = bytes.AsSpan().IndexOf((byte)'\n');
            return end > 0 && Encoding.ASCII.GetString(bytes, 0, end) == Digest(bytes.AsSpan(end + 1)) ? JsonSerializer.Deserialize(bytes.AsSpan(end + 1), ListedJson.Default.ListListedEntry) : null;
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            return null;
        }
    }

    private static async Task<string> DigestAsync(string path, Func<int, Task> read, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var file = File.OpenHandle(path);
        var block = new byte[(int)Math.Clamp(RandomAccess.GetLength(file), 1, Block)];
        long at = 0;
        for (int got; (got = RandomAccess.Read(file, block, at)) > 0; at += got)
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(block, 0, got);
            await read(got);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Digest(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}

[JsonSerializable(typeof(List<ListedEntry>))]
internal sealed partial class ListedJson : JsonSerializerContext;
