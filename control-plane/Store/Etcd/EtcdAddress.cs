using System.Globalization;
using System.Text.RegularExpressions;

namespace Eyrie.ControlPlane.Store;

/// <summary>Files in PEM that a connection by TLS is made with.</summary>
/// <param name="Authority">Who signs the etcd's certificates; null: whom this host trusts.</param>
/// <param name="Certificate">What this side shows; null: nothing. So <paramref name="Key"/>, its private key.</param>
public sealed record EtcdTls(string? Authority, string? Certificate, string? Key);

/// <summary>A user of the etcd and the file with the password, which is read anew at every login.</summary>
public sealed record EtcdUser(string Name, string PasswordFile);

/// <summary>
/// Where an etcd is and how it is spoken to. Keys of this cluster stand under <c>/PREFIX</c> (<c>/eyrie</c> when absent), so several clusters can share one etcd. With <c>etcds</c> by TLS. Files
/// are named by absolute paths; secrets stand in files and not in the address, which every user of the host can read.
/// </summary>
public sealed partial record EtcdAddress(IReadOnlyList<(string Host, int Port)> Members, string Prefix)
{
    public const string Form = "etcd[s]://[USER@]HOST:PORT[,HOST:PORT...][/PREFIX][?ca=FILE&cert=FILE&key=FILE&password-file=FILE]";

    private const string Authority = "ca", Certificate = "cert", Key = "key", Password = "password-file";

    /// <summary>null: without TLS.</summary>
    public EtcdTls? Tls { get; init; }
    /// <summary>null: as nobody, or as the common name of the client certificate.</summary>
    public EtcdUser? User { get; init; }

    /// <summary>null: the text is no such address.</summary>
    public static EtcdAddress? Parse(string text) => Read(text).Address;

    /// <returns>The address, or what is wrong with the text.</returns>
    public static (EtcdAddress? Address, string Problem) Read(string text)
    {
        if (Shape().Match(text) is not { Success: true } match) return (null, $"\"{Shown(text)}\" is not {Form}");
        var members = match.Groups["member"].Captures.Select(capture => (Host: capture.Value[..capture.Value.LastIndexOf(':')], Port: int.Parse(capture.Value[(capture.Value.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture))).ToList();
        if (members.FirstOrDefault(member => member.Port is < 1 or > 65535) is { Host: not null } wrong) return (null, $"{wrong.Host}:{wrong.Port}: a port is a number from 1 to 65535");
        if (match.Groups["secret"].Success) return (null, $"a password does not belong into the address, which every user of this host can read: put it into a file and name that one, ?{Password}=FILE");
        var (options, problem) = Options(match.Groups["query"].Value);
        if (options is null) return (null, problem);
        bool tls = match.Groups["tls"].Success;
        if (!tls && options.Keys.Any(name => name != Password)) return (null, "ca, cert and key are of TLS: write etcds://");
        if (options.ContainsKey(Certificate) != options.ContainsKey(Key)) return (null, "cert and key go together: name both files");
        var user = match.Groups["user"].Value;
        if ((user.Length > 0) != options.ContainsKey(Password)) return (null, user.Length > 0 ? $"user {user} needs a password: ?{Password}=FILE" : $"{Password} needs a user: etcd[s]://USER@HOST:PORT");
        return (new EtcdAddress(members, match.Groups["prefix"] is { Success: true, Value.Length: > 0 } prefix ? "/" + prefix.Value : "/eyrie")
        {
            Tls = tls ? new EtcdTls(options.GetValueOrDefault(Authority), options.GetValueOrDefault(Certificate), options.GetValueOrDefault(Key)) : null,
            User = user.Length > 0 ? new EtcdUser(user, options[Password]) : null,
        }, "");
    }

    private static (Dictionary<string, string>? Options, string Problem) Options(string query)
    {
        var options = new Dictionary<string, string>();
        foreach (var part in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var name = part.Split('=')[0];
            var value = Uri.UnescapeDataString(part[Math.Min(part.Length, name.Length + 1)..]);
            if (name is not (Authority or Certificate or Key or Password)) return (null, $"\"{name}\" is none of {Authority}, {Certificate}, {Key} and {Password}");
            if (!Path.IsPathRooted(value)) return (null, $"{name}=\"{value}\" is not the absolute path of a file");
            if (!options.TryAdd(name, value)) return (null, $"{name} is there twice");
        }
        return (options, "");
    }

    /// <summary>Without what might be a password.</summary>
    private static string Shown(string text) => text.Contains('@', StringComparison.Ordinal) ? "..." + text[text.LastIndexOf('@')..] : text;

    /// <summary>Without the files.</summary>
    public override string ToString() => $"{(Tls is null ? "etcd" : "etcds")}://{(User is null ? "" : User.Name + "@")}{string.Join(',', Members.Select(member => $"{member.Host}:{member.Port}"))}{Prefix}";

    [GeneratedRegex(@"^etcd(?<tls>s)?://((?<user>[A-Za-z0-9._-]+)(?<secret>:[^@/]*)?@)?(?<member>[A-Za-z0-9.-]+:[0-9]{1,5})(,(?<member>[A-Za-z0-9.-]+:[0-9]{1,5}))*(/(?<prefix>[A-Za-z0-9._-]*))?(\?(?<query>[^?#\s]*))?\z")]
    private static partial Regex Shape();
}
