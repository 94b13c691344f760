using System.Text.RegularExpressions;
using Cel;
using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>URLs in expressions: <c>url('https://example.org:8443/a?b=c')</c>. Absolute ones (RFC 3986), or absolute paths.</summary>
internal static partial class RuleUrls
{
    private sealed class Url(string text, string scheme, string host, string port, string path, string query) : RuleObject("url", text)
    {
        public string Scheme => scheme;
        public string Hostname => host;
        public string Port => port;
        public string Path => path;
        public string Query => query;
        public string Host => (host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host) + (port.Length > 0 ? ":" + port : "");
    }

    public static readonly Dictionary<string, RuleFunction[]> Functions = new()
    {
        ["url"] = [Of<string>(text => Read(text) ?? throw new CelArgumentRangeException($"\"{text}\" is no absolute URL and no absolute path"))],
        ["isURL"] = [Of<string>(text => Read(text) is not null)],
        ["getScheme"] = [Of<Url>(url => url.Scheme)],
        ["getHost"] = [Of<Url>(url => url.Host)],
        ["getHostname"] = [Of<Url>(url => url.Hostname)],
        ["getPort"] = [Of<Url>(url => url.Port)],
        ["getEscapedPath"] = [Of<Url>(url => url.Path)],
        ["getQuery"] = [Of<Url>(url => Parameters(url.Query))],
    };

    private static Url? Read(string text)
    {
        if (text.Any(char.IsControl) || Escapes().IsMatch(text) || Form().Match(text) is not { Success: true } match) return null;
        string Part(string name) => match.Groups[name].Value;
        if (Part("scheme").Length == 0 && !text.StartsWith('/')) return null;
        var (host, path) = (Part("host"), Part("path"));
        if (!match.Groups["authority"].Success && path.StartsWith("//", StringComparison.Ordinal)) return null;
        if (match.Groups["authority"].Success && !Authority().IsMatch(match.Groups["authority"].Value)) return null;
        if (Part("scheme").Length > 0 && !match.Groups["authority"].Success && !path.StartsWith('/')) path = ""; // what has no hierarchy has no path
        return new Url(text, Part("scheme").ToLowerInvariant(), Uri.UnescapeDataString(host.Trim('[', ']')), Part("port"), Escaped(path), Part("query"));
    }

    private static string Escaped(string path) => string.Concat(path.EnumerateRunes().Select(letter => letter.IsAscii && !" \"<>#\\^`{|}".Contains((char)letter.Value, StringComparison.Ordinal) ? letter.ToString() : Uri.EscapeDataString(letter.ToString())));

    private static Dictionary<string, object?> Parameters(string query)
    {
        static string Decoded(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));
        return query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2)).GroupBy(pair => Decoded(pair[0])).ToDictionary(group => group.Key, group => (object?)group.Select(pair => (object?)Decoded(pair.ElementAtOrDefault(1) ?? "")).ToArray());
    }

    [GeneratedRegex(@"^((?<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(//(?<authority>([^@/?]*@)?(?<host>\[[^\]/?]*\]|[^:/?\[\]]*)(:(?<port>[0-9]*))?)(?=[/?]|\z))?(?<path>[^?]*)(\?(?<query>.*))?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Form();

    [GeneratedRegex(@"^[^\s<>""\\^`{|}#]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Authority();

    [GeneratedRegex(@"%(?![0-9A-Fa-f]{2})", RegexOptions.CultureInvariant)]
    private static partial Regex Escapes();
}
