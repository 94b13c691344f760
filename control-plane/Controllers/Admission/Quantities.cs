using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>Amounts of resources by name, and how Kubernetes prints them. Pure.</summary>
public static class Quantities
{
    private static readonly string[] Binary = ["Ei", "Pi", "Ti", "Gi", "Mi", "Ki"], Decimal = ["E", "P", "T", "G", "M", "k"];

    /// <summary>null: it is no quantity.</summary>
    public static decimal? Parse(JsonNode? text) => text is not null && Quantity.TryParse(text.ToString(), 1000, out long thousandths) ? thousandths / 1000m : null;

    public static string Text(decimal amount)
    {
        if (amount != decimal.Truncate(amount)) return $"{decimal.Truncate(amount * 1000).ToString("0", CultureInfo.InvariantCulture)}m";
        if (amount == 0) return "0";
        for (int i = 0; i < Binary.Length; i++)
            if (Whole(amount, (decimal)Math.Pow(1024, Binary.Length - i)) is { } count) return count + Binary[i];
        for (int i = 0; i < Decimal.Length; i++)
            if (Whole(amount, (decimal)Math.Pow(1000, Decimal.Length - i)) is { } count) return count + Decimal[i];
        return amount.ToString("0", CultureInfo.InvariantCulture);
    }

    /// <summary><c>cpu=1,memory=2Gi</c>, in order of name.</summary>
    public static string Text(IEnumerable<KeyValuePair<string, decimal>> amounts) => string.Join(',', amounts.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={Text(pair.Value)}"));

    public static Dictionary<string, decimal> Of(JsonNode? amounts) => (amounts as JsonObject ?? []).Select(pair => (pair.Key, Value: Parse(pair.Value))).Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value!.Value);

    public static void Add(Dictionary<string, decimal> sum, IEnumerable<KeyValuePair<string, decimal>> amounts)
    {
        foreach (var (name, amount) in amounts) sum[name] = sum.GetValueOrDefault(name) + amount;
    }

    private static string? Whole(decimal amount, decimal unit) => amount % unit == 0 ? (amount / unit).ToString("0", CultureInfo.InvariantCulture) : null;
}
