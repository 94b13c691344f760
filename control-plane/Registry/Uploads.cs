using System.Text.RegularExpressions;

namespace Eyrie.ControlPlane.Registry;

/// <summary>
/// Uploads under way, a file each: <c>uploads/ID</c>. They grow in order (OCI distribution specification v1.1, "Pushing a blob in chunks") and end as a blob or as nothing;
/// those of an earlier run are gone, and their clients are told so.
/// </summary>
public sealed partial class Uploads
{
    private readonly string _root;
    private readonly BlobStore _blobs;

    public Uploads(string root, BlobStore blobs)
    {
        (_root, _blobs) = (Path.Combine(root, "uploads"), blobs);
        if (Directory.Exists(_root)) Directory.Delete(_root, true);
        Directory.CreateDirectory(_root);
    }

    public string Begin()
    {
        var id = Guid.NewGuid().ToString("N");
        using var _ = new FileStream(Path.Combine(_root, id), FileMode.CreateNew);
        return id;
    }

    /// <summary>Bytes received so far; null: there is no such upload.</summary>
    public long? Length(string id) => Id().IsMatch(id) && new FileInfo(Path.Combine(_root, id)) is { Exists: true } file ? file.Length : null;

    /// <summary>Appends what the stream brings; the new length.</summary>
    public async Task<long> AppendAsync(string id, Stream content, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(Path.Combine(_root, id), FileMode.Append, FileAccess.Write, FileShare.None);
        await content.CopyToAsync(file, cancellationToken);
        return file.Length;
    }

    /// <summary>Makes the upload a blob; false and everything dropped when it has another digest.</summary>
    public async Task<bool> EndAsync(string id, string digest, CancellationToken cancellationToken)
    {
        var path = Path.Combine(_root, id);
        try
        {
            await using var file = File.OpenRead(path);
            return await _blobs.AddAsync(file, digest, cancellationToken) is not null;
        }
        finally
        {
            File.Delete(path);
        }
    }

    [GeneratedRegex(@"^[0-9a-f]{32}\z")]
    private static partial Regex Id();
}
