namespace Eyrie.Node;

/// <summary>An image's name, read as Docker reads it: a first part with a dot or a colon, or "localhost", is a registry. A name without one is of the cluster's own registry.</summary>
/// <param name="Registry">Host and port; empty: the cluster's.</param>
/// <param name="Reference">Tag or digest.</param>
public sealed record ImageReference(string Registry, string Repository, string Reference)
{
    public static ImageReference Parse(string name)
    {
        var (rest, digest) = name.Split('@', 2) is [var named, var exact] ? (named, exact) : (name, "");
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        var first = slash > 0 ? rest[..slash] : "";
        var registry = first == "localhost" || first.AsSpan().ContainsAny('.', ':') ? first : "";
        if (registry.Length > 0) rest = rest[(slash + 1)..];
        int colon = rest.LastIndexOf(':');
        var (repository, tag) = colon > rest.LastIndexOf('/') ? (rest[..colon], rest[(colon + 1)..]) : (rest, "latest");
        if (registry is "docker.io" or "index.docker.io") (registry, repository) = ("registry-1.docker.io", repository.Contains('/', StringComparison.Ordinal) ? repository : "library/" + repository);
        return new ImageReference(registry, repository, digest.Length > 0 ? digest : tag);
    }

    public bool IsDigest => Reference.StartsWith("sha256:", StringComparison.Ordinal);
}
