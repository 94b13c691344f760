using System.Globalization;

namespace Eyrie.ControlPlane.Api;

/// <summary>One media range of an Accept header.</summary>
/// <param name="Type">Lower case, e.g. <c>application/json</c>, <c>application/*</c>, <c>*/*</c>.</param>
/// <param name="Parameters">Without q; the last of a name counts.</param>
/// <param name="Quality">Above 0, at most 1.</param>
public sealed record MediaRange(string Type, IReadOnlyDictionary<string, string> Parameters, double Quality)
{
    public string? Parameter(string name) => Parameters.GetValueOrDefault(name);

    /// <summary>Whether it takes a media type.</summary>
    public bool Takes(string mediaType) => Type == mediaType || Type == "*/*" || (Type.EndsWith("/*", StringComparison.Ordinal) && mediaType.StartsWith(Type[..^1], StringComparison.Ordinal));
}

/// <summary>What a client accepts, dearest first (RFC 9110, section 12.5.1): by quality, then whole types before ranges of them, then as written. A range of quality 0 is refused and so left out. Pure.</summary>
public static class AcceptHeader
{
    /// <param name="text">The field; of several, joined by commas. A quality that is no number from 0 to 1 is taken for 1, as Kubernetes takes it.</param>
    public static IReadOnlyList<MediaRange> Read(string text) =>
        [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Range).Where(range => range.Quality > 0).OrderByDescending(range => range.Quality).ThenBy(Wideness)];

    private static int Wideness(MediaRange range) => range.Type == "*/*" ? 2 : range.Type.EndsWith("/*", StringComparison.Ordinal) ? 1 : 0;

    private static MediaRange Range(string text)
    {
        var parts = text.Split(';', StringSplitOptions.TrimEntries);
        var parameters = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var part in parts.Skip(1))
            if (part.Split('=', 2, StringSplitOptions.TrimEntries) is [{ Length: > 0 } name, var value]) parameters[name] = value.Trim('"');
        double quality = parameters.Remove("q", out var asked) && double.TryParse(asked, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double given) && given is >= 0 and <= 1 ? given : 1;
        return new MediaRange(parts[0].ToLowerInvariant(), parameters, quality);
    }
}
