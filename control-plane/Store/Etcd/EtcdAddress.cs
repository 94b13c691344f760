using System.Globalization;
using System.Text.RegularExpressions;

namespace Eyrie.ControlPlane.Store;

/// <summary>Where an etcd is: <c>etcd://HOST:PORT[,HOST:PORT...][/PREFIX]</c>. Keys of this cluster stand under <c>/PREFIX</c> (<c>/eyrie</c> when absent), so several clusters can share one etcd.</summary>
public sealed partial record EtcdAddress(IReadOnlyList<(string Host, int Port)> Members, string Prefix)
{
    public const string Form = "etcd://HOST:PORT[,HOST:PORT...][/PREFIX]";

    /// <summary>null: the text has another form.</summary>
    public static EtcdAddress? Parse(string text)
    {
        if (Shape().Match(text) is not { Success: true } match) return null;
        var members = match.Groups["member"].Captures.Select(capture => (Host: capture.Value[..capture.Value.LastIndexOf(':')], Port: int.Parse(capture.Value[(capture.Value.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture))).ToList();
        return members.Any(member => member.Port is < 1 or > 65535) ? null : new EtcdAddress(members, match.Groups["prefix"] is { Success: true, Value.Length: > 0 } prefix ? "/" + prefix.Value : "/eyrie");
    }

    public override string ToString() => $"etcd://{string.Join(',', Members.Select(member => $"{member.Host}:{member.Port}"))}{Prefix}";

    [GeneratedRegex(@"^etcd://(?<member>[A-Za-z0-9.-]+:[0-9]{1,5})(,(?<member>[A-Za-z0-9.-]+:[0-9]{1,5}))*(/(?<prefix>[A-Za-z0-9._-]*))?\z")]
    private static partial Regex Shape();
}
