using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Eyrie.ControlPlane.Api.Proxying;

/// <summary>Which header fields go through a proxy. Pure.</summary>
public static class ProxyHeaders
{
    /// <summary>Of one connection, not of the message (RFC 9110, section 7.6.1).</summary>
    private static readonly HashSet<string> HopByHop = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    };

    /// <summary>Fields of a request for the pod. Who asks is a matter between the client and the API server: no pod sees credentials.</summary>
    public static IEnumerable<KeyValuePair<string, StringValues>> ToPod(IHeaderDictionary headers) => Through(headers, headers.Connection).Where(field =>
        !field.Key.Equals("Authorization", StringComparison.OrdinalIgnoreCase) && !field.Key.StartsWith("Impersonate-", StringComparison.OrdinalIgnoreCase)
        && !field.Key.Equals("Host", StringComparison.OrdinalIgnoreCase) && !field.Key.Equals("Expect", StringComparison.OrdinalIgnoreCase) && !field.Key.StartsWith(':'));

    /// <summary>Fields of a pod's answer for the client. What is not ASCII is left out: the server writes none.</summary>
    public static IEnumerable<KeyValuePair<string, StringValues>> ToClient(IEnumerable<KeyValuePair<string, StringValues>> fields, StringValues connection) =>
        Through(fields, connection).Where(field => field.Value.All(text => (text ?? "").All(letter => letter is '\t' or >= ' ' and < (char)127)));

    /// <param name="fields">Of a message.</param>
    /// <param name="connection">Its Connection field, which names more that end here.</param>
    private static IEnumerable<KeyValuePair<string, StringValues>> Through(IEnumerable<KeyValuePair<string, StringValues>> fields, StringValues connection)
    {
        var named = connection.SelectMany(text => (text ?? "").Split(',', StringSplitOptions.TrimEntries)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return fields.Where(field => !HopByHop.Contains(field.Key) && !named.Contains(field.Key));
    }

    /// <summary>Where a redirect leads: a place of the same server stays behind the proxy.</summary>
    /// <param name="location">As the pod wrote it.</param>
    /// <param name="server">The pod's own scheme, host and port.</param>
    /// <param name="prefix">Path of the proxy, without a slash at its end.</param>
    public static string Location(string location, Uri server, string prefix)
    {
        if (location.StartsWith('/') && !location.StartsWith("//", StringComparison.Ordinal)) return prefix + location;
        return Uri.TryCreate(location, UriKind.Absolute, out var to) && to.Scheme == server.Scheme && to.Authority == server.Authority ? prefix + to.PathAndQuery + to.Fragment : location;
    }
}
