using System.Globalization;

namespace Eyrie.Manifests.Permissions;

/// <summary>Ports and ranges of ports, ascending, without overlap; as text <c>443,8000-8100</c>.</summary>
public sealed record PortSet
{
    public static readonly PortSet All = new([(1, 65535)]);

    private readonly (int Low, int High)[] _ranges;

    public PortSet(IEnumerable<(int Low, int High)> ranges) => _ranges = [.. Merged(ranges.OrderBy(range => range))];

    public IReadOnlyList<(int Low, int High)> Ranges => _ranges;

    public int Count => _ranges.Sum(range => range.High - range.Low + 1);

    /// <summary>Every single port, ascending.</summary>
    public IEnumerable<int> Ports => _ranges.SelectMany(range => Enumerable.Range(range.Low, range.High - range.Low + 1));

    public bool Covers(PortSet other) => other._ranges.All(part => _ranges.Any(range => range.Low <= part.Low && part.High <= range.High));

    public bool Contains(int port) => _ranges.Any(range => range.Low <= port && port <= range.High);

    /// <summary>The normal form only: what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(string text, out PortSet ports)
    {
        ports = new PortSet([]);
        var ranges = new List<(int, int)>();
        foreach (var item in text.Split(','))
        {
            if (!TryRange(item, out var range)) return false;
            ranges.Add(range);
        }
        ports = new PortSet(ranges);
        return ports.ToString() == text;
    }

    /// <summary>One port or a range such as <c>8000-8100</c>, as a manifest writes it.</summary>
    public static bool TryRange(string text, out (int Low, int High) range)
    {
        range = default;
        var bounds = text.Split('-');
        if (bounds.Length > 2 || !Port(bounds[0], out range.Low) || !Port(bounds[^1], out range.High)) return false;
        return range.Low <= range.High;
    }

    private static bool Port(string text, out int port) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and < 65536;

    private static IEnumerable<(int Low, int High)> Merged(IEnumerable<(int Low, int High)> ascending)
    {
        (int Low, int High)? open = null;
        foreach (var range in ascending)
        {
            if (open is { } last && range.Low <= last.High + 1) open = (last.Low, Math.Max(last.High, range.High));
            else
            {
                if (open is { } done) yield return done;
                open = range;
            }
        }
        if (open is { } rest) yield return rest;
    }

    public bool Equals(PortSet? other) => other is not null && _ranges.SequenceEqual(other._ranges);

    public override int GetHashCode() => _ranges.Aggregate(0, HashCode.Combine);

    public override string ToString() =>
        string.Join(',', _ranges.Select(range => range.Low == range.High ? range.Low.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{range.Low}-{range.High}")));
}
