using System.Globalization;
using System.Text.RegularExpressions;
using Cel;
using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;
using static Eyrie.ControlPlane.Api.CustomResources.RuleOptionals;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Named formats of texts: <c>!format.dns1123Label().validate(self.name).hasValue()</c>. What is wrong with a text is a list; nothing is none.</summary>
internal static partial class RuleFormats
{
    /// <summary>What the formats stand behind.</summary>
    public sealed class Library;

    private sealed class Format(string name, Func<string, string?> mistake) : RuleObject("format", name)
    {
        public Maybe Validate(string text) => mistake(text) is { } why ? new Maybe(true, new object?[] { why }) : Maybe.None;
    }

    private static readonly Dictionary<string, Format> Known = new Format[]
    {
        Of("dns1123Label", 63, Label(), "a lowercase RFC 1123 label"), Of("dns1123Subdomain", 253, Subdomain(), "a lowercase RFC 1123 subdomain"), Of("dns1035Label", 63, Older(), "a DNS-1035 label"),
        Prefix("dns1123LabelPrefix", 63, Label(), "a lowercase RFC 1123 label"), Prefix("dns1123SubdomainPrefix", 253, Subdomain(), "a lowercase RFC 1123 subdomain"), Prefix("dns1035LabelPrefix", 63, Older(), "a DNS-1035 label"),
        new("qualifiedName", text => Validation.IsLabelKey(text) ? null : "must be a qualified name: a name of at most 63 characters, maybe with a DNS subdomain and a slash before it"),
        new("labelValue", text => Validation.IsLabelValue(text) ? null : "must be a label's value: at most 63 characters, alphanumeric at both ends, with -, _ and . between"),
        new("uri", text => Uri.TryCreate(text, UriKind.RelativeOrAbsolute, out _) && text.Length > 0 ? null : "must be a URI"),
        new("uuid", text => Guid.TryParseExact(text, "D", out _) ? null : "does not match the UUID format"),
        new("byte", text => Convert.TryFromBase64String(text, new byte[text.Length], out _) ? null : "invalid base64"),
        new("date", text => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _) ? null : "must be a date: YYYY-MM-DD"),
        new("datetime", text => text.Contains('T', StringComparison.OrdinalIgnoreCase) && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out _) ? null : "must be an RFC 3339 time"),
    }.ToDictionary(format => format.Values.Single()!.ToString()!);

    public static readonly Dictionary<string, RuleFunction[]> Functions = Known.Select(pair => KeyValuePair.Create(pair.Key, new[] { RuleFunction.Of<Library>(_ => pair.Value) })).Concat(
    [
        KeyValuePair.Create("named", new[] { RuleFunction.Of<Library, string>((_, name) => Known.TryGetValue(name, out var format) ? new Maybe(true, format) : Maybe.None) }),
        KeyValuePair.Create("validate", new[] { RuleFunction.Of<Format, string>((format, text) => format.Validate(text)) }),
    ]).ToDictionary();

    private static Format Of(string name, int longest, Regex pattern, string words) => new(name, text => text.Length > longest ? $"must be no more than {longest} characters" : pattern.IsMatch(text) ? null : $"must be {words}");

    /// <summary>What a generated name may begin with: it may end in a hyphen.</summary>
    private static Format Prefix(string name, int longest, Regex pattern, string words) => Of(name, longest, pattern, words) is var whole ? new(name, text => whole.Validate(text.EndsWith('-') ? text[..^1] + "a" : text) is { There: true } ? $"must begin {words}" : null) : null!;

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?\\z")]
    private static partial Regex Label();

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\z")]
    private static partial Regex Subdomain();

    [GeneratedRegex("^[a-z]([-a-z0-9]*[a-z0-9])?\\z")]
    private static partial Regex Older();
}
