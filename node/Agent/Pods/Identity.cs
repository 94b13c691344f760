using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>Who a container's program is: what its manifest says, else what its image says.</summary>
/// <param name="Home">Home directory of that user in the image.</param>
public sealed record Identity(uint User, uint Group, IReadOnlyList<uint> Groups, string Home)
{
    /// <param name="pod">The pod.</param>
    /// <param name="container">The container's spec.</param>
    /// <param name="imageUser">User of the image's config: name or number, with a group or without.</param>
    /// <param name="readFile">A file of the image's root as lines, for /etc/passwd and /etc/group; empty: it has none.</param>
    /// <exception cref="ContainerConfigException">It may not be that user, or the image does not know it.</exception>
    public static Identity Of(JsonObject pod, JsonObject container, string imageUser, Func<string, IReadOnlyList<string>> readFile)
    {
        JsonNode? Context(string name) => container["securityContext"]?[name] ?? pod["spec"]?["securityContext"]?[name];
        long? Id(string name) => Context(name) is JsonValue value && value.TryGetValue(out long id) ? id : null;
        var where = $"(pod: \"{pod["metadata"]!["name"]}_{pod["metadata"]!["namespace"]}({pod["metadata"]!["uid"]})\", container: {container["name"]})";
        var users = new Accounts(readFile("etc/passwd"));
        var (named, namedGroup) = imageUser.Split(':', 2) is [var first, var second] ? (first, second) : (imageUser, "");
        bool mustNotBeRoot = Context("runAsNonRoot") is JsonValue must && must.TryGetValue(out bool non) && non;
        if (mustNotBeRoot && Id("runAsUser") == 0) throw new ContainerConfigException($"container's runAsUser breaks non-root policy {where}");
        if (mustNotBeRoot && Id("runAsUser") is null && named.Length > 0 && !uint.TryParse(named, out _)) throw new ContainerConfigException($"container has runAsNonRoot and image has non-numeric user ({named}), cannot verify user is non-root {where}; set runAsUser to its number");
        var account = named.Length == 0 ? null : users.Find(named);
        uint user = (uint)(Id("runAsUser") ?? account?.Id ?? (named.Length == 0 ? 0 : uint.TryParse(named, out uint number) ? number : throw new ContainerConfigException($"the image's user \"{named}\" is not in its /etc/passwd {where}; set runAsUser")));
        if (mustNotBeRoot && user == 0) throw new ContainerConfigException($"container has runAsNonRoot and image will run as root {where}; set runAsUser to a number other than 0");
        var entry = users.Find(user.ToString(CultureInfo.InvariantCulture));
        var groups = new Accounts(readFile("etc/group"));
        uint group = (uint)(Id("runAsGroup") ?? (Id("runAsUser") is null && namedGroup.Length > 0
            ? groups.Find(namedGroup)?.Id ?? (uint.TryParse(namedGroup, out uint given) ? given : throw new ContainerConfigException($"the image's group \"{namedGroup}\" is not in its /etc/group {where}; set runAsGroup")) : entry?.Group ?? 0));
        var more = (pod["spec"]?["securityContext"]?["supplementalGroups"] as JsonArray ?? []).Select(item => (uint)item!.GetValue<long>()).ToList();
        if (pod["spec"]?["securityContext"]?["fsGroup"] is JsonValue fs && fs.TryGetValue(out long files)) more.Add((uint)files);
        if (entry is not null) more.AddRange(groups.With(entry.Name));
        return new Identity(user, group, [.. more.Distinct().Where(id => id != group).Take(32)], entry?.Home is { Length: > 0 } home ? home : "/");
    }
}

/// <summary>Lines of passwd(5) or group(5).</summary>
public sealed class Accounts(IReadOnlyList<string> lines)
{
    public sealed record Account(string Name, uint Id, uint Group, string Home);

    /// <summary>By name or number.</summary>
    public Account? Find(string account) => lines.Select(Parse).FirstOrDefault(candidate => candidate is not null && (candidate.Name == account || candidate.Id.ToString(CultureInfo.InvariantCulture) == account));

    private static Account? Parse(string line)
    {
        var fields = line.Split(':');
        if (fields.Length < 3 || !uint.TryParse(fields[2], out uint id)) return null;
        return new Account(fields[0], id, fields.Length > 3 && uint.TryParse(fields[3], out uint group) ? group : 0, fields.Length > 5 ? fields[5] : "");
    }

    /// <summary>Numbers of the groups that list a user as a member.</summary>
    public IEnumerable<uint> With(string user) => lines.Select(line => line.Split(':')).Where(fields => fields.Length > 3 && fields[3].Split(',').Contains(user) && uint.TryParse(fields[2], out _)).Select(fields => uint.Parse(fields[2], CultureInfo.InvariantCulture));
}
