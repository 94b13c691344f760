using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Eyrie.ControlPlane.Registry;

/// <summary>Content-addressed files: <c>blobs/sha256/HEX</c>, and tags <c>tags/REPOSITORY/TAG</c> that hold a digest. A file appears whole or not at all.</summary>
public sealed partial class BlobStore(string root)
{
    public static bool IsDigest(string text) => Digest().IsMatch(text);
    public static bool IsRepository(string text) => text.Length < 200 && Repository().IsMatch(text);
    public static bool IsTag(string text) => Tag().IsMatch(text);

    public string PathOf(string digest) => Path.Combine(root, "blobs", "sha256", digest["sha256:".Length..]);

    public bool Has(string digest) => File.Exists(PathOf(digest));

    /// <summary>Keeps what the stream brings under its digest; false and nothing kept when it is not the expected one.</summary>
    public async Task<string?> AddAsync(Stream content, string? expected, CancellationToken cancellationToken)
    {
        var directory = Path.Combine(root, "blobs", "sha256");
        Directory.CreateDirectory(directory);
        var temporary = Path.Combine(directory, ".new-" + Guid.NewGuid().ToString("N"));
        try
        {
            string digest;
            using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
            await using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                var buffer = new byte[1 << 16];
                for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0;)
                {
                    hash.AppendData(buffer, 0, read);
                    await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                }
                file.Flush(flushToDisk: true);
                digest = "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
            }
            if (expected is not null && expected != digest) return null;
            File.Move(temporary, PathOf(digest), true);
            return digest;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    public void SetTag(string repository, string tag, string digest)
    {
        var path = Path.Combine(root, "tags", repository, tag);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path + ".new", digest);
        File.Move(path + ".new", path, true);
    }

    public string? Resolve(string repository, string reference)
    {
        if (IsDigest(reference)) return Has(reference) ? reference : null;
        var path = Path.Combine(root, "tags", repository, reference);
        return IsTag(reference) && File.Exists(path) ? File.ReadAllText(path) : null;
    }

    public IReadOnlyList<string> Repositories()
    {
        var tags = Path.Combine(root, "tags");
        return !Directory.Exists(tags) ? [] : [.. Directory.EnumerateFiles(tags, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(tags, Path.GetDirectoryName(file)!)).Distinct().Order(StringComparer.Ordinal)];
    }

    public IReadOnlyList<string> Tags(string repository)
    {
        var directory = Path.Combine(root, "tags", repository);
        return !Directory.Exists(directory) ? [] : [.. Directory.EnumerateFiles(directory).Select(file => Path.GetFileName(file)!).Where(IsTag).Order(StringComparer.Ordinal)];
    }

    [GeneratedRegex(@"^sha256:[0-9a-f]{64}\z")]
    private static partial Regex Digest();

    [GeneratedRegex(@"^[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*\z")]
    private static partial Regex Repository();

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\z")]
    private static partial Regex Tag();
}
