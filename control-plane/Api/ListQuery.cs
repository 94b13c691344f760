using System.Globalization;
using System.Text;
using System.Text.Json;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Api;

/// <summary>Which part of a list is asked for, and as of when.</summary>
/// <param name="After">Key after which the page begins; null: from the start.</param>
/// <param name="Limit">Most objects; 0: all.</param>
/// <param name="At">Exactly this revision; zero: the newest.</param>
/// <param name="NotOlderThan">The newest must be at least this.</param>
public sealed record ListQuery(string? After, int Limit, Revision At, Revision NotOlderThan)
{
    public static ListQuery Of(Call call)
    {
        var query = call.Query;
        string version = query["resourceVersion"].ToString(), match = query["resourceVersionMatch"].ToString(), token = query["continue"].ToString(), count = query["limit"].ToString();
        int limit = 0;
        if (count.Length > 0 && (!int.TryParse(count, CultureInfo.InvariantCulture, out limit) || limit < 0)) throw StatusException.BadRequest($"limit must be a whole number that is not negative, not \"{count}\"");
        if (token.Length > 0)
        {
            if (match.Length > 0) throw Forbidden("resourceVersionMatch is forbidden when continue is provided");
            if (version is not ("" or "0")) throw StatusException.BadRequest("specifying resource version is not allowed when using continue");
            var continued = ContinueToken.Parse(token, call.Kind.KeyPrefix + (call.Kind.Namespaced && call.Request.Namespace is { } home ? home + "/" : "")); // of another namespace it would lead there
            return new ListQuery(continued.After, limit, continued.At, Revision.Zero);
        }
        var revision = ParseVersion(version);
        return match switch
        {
            "" when version.Length == 0 || version == "0" => new ListQuery(null, limit, Revision.Zero, Revision.Zero),
            "" when limit > 0 => new ListQuery(null, limit, revision, Revision.Zero),
            "" => new ListQuery(null, limit, Revision.Zero, revision),
            _ when version.Length == 0 => throw Forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"),
            "Exact" when version == "0" => throw Forbidden("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""),
            "Exact" => new ListQuery(null, limit, revision, Revision.Zero),
            "NotOlderThan" => new ListQuery(null, limit, Revision.Zero, revision),
            _ => throw Forbidden($"resourceVersionMatch: Unsupported value: \"{match}\": supported values: \"Exact\", \"NotOlderThan\""),
        };
    }

    public static Revision ParseVersion(string version) =>
        version.Length == 0 ? Revision.Zero : long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? new Revision(value) : throw StatusException.BadRequest($"invalid resource version \"{version}\"");

    private static StatusException Forbidden(string message) => StatusException.Invalid("ListOptions.meta.k8s.io", "", [new FieldError("resourceVersionMatch", "Forbidden: " + message, "FieldValueForbidden")]);
}

/// <summary>Where a list goes on: the revision it is read at, and the key of the last object that was given out.</summary>
public sealed record ContinueToken(Revision At, string After)
{
    public override string ToString() => Convert.ToBase64String(Encoding.UTF8.GetBytes(At + " " + After)).Replace('+', '-').Replace('/', '_').TrimEnd('=');

    /// <exception cref="StatusException">It is not a token of a list of these keys.</exception>
    public static ContinueToken Parse(string token, string keyPrefix)
    {
        var text = token.Replace('-', '+').Replace('_', '/');
        var bytes = new byte[token.Length];
        if (Convert.TryFromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='), bytes, out int length)
            && Encoding.UTF8.GetString(bytes, 0, length).Split(' ', 2) is [var revision, var key] && long.TryParse(revision, NumberStyles.None, CultureInfo.InvariantCulture, out long at) && key.StartsWith(keyPrefix, StringComparison.Ordinal))
            return new ContinueToken(new Revision(at), key);
        throw StatusException.BadRequest("continue key is not valid: it is not a token of this list");
    }
}
