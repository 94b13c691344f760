using System.Globalization;
using System.Net;

namespace Eyrie.Manifests.Permissions.Learning;

/// <summary>
/// From single uses to grants that will last: a range instead of many addresses of one network, a folder instead of many beneath it. Nothing is widened for fewer than
/// <see cref="Several"/> things seen, and no folder up to the root or a directory directly below it. Pure.
/// </summary>
public static class Generalisation
{
    public const int Several = 4;

    /// <summary>Directories directly below the root are the image's order of things, not one program's.</summary>
    private const int LeastDepth = 2;

    /// <summary>Entries that cover every use, each with what was seen.</summary>
    public static IReadOnlyList<(CapabilityEntry Entry, string Why)> Of(IReadOnlyList<SeenUse> uses)
    {
        var parsed = uses.Select(use => (Use: use, Entry: CapabilityEntry.TryParse(use.Entry, out var entry) ? entry : null)).Where(pair => pair.Entry is not null).Select(pair => (pair.Use, Entry: pair.Entry!)).ToList();
        var ranges = parsed.Where(pair => pair.Entry is CapabilityEntry.ConnectRange).Select(pair => (pair.Use, (CapabilityEntry.ConnectRange)pair.Entry)).ToList();
        var files = parsed.Where(pair => pair.Entry is CapabilityEntry.Files).Select(pair => (pair.Use, (CapabilityEntry.Files)pair.Entry)).ToList();
        var single = parsed.Where(pair => pair.Entry is not (CapabilityEntry.ConnectRange or CapabilityEntry.Files)).GroupBy(pair => pair.Entry).Select(group => (group.Key, Seen([.. group.Select(pair => pair.Use)])));
        return [.. single.Concat(Addresses(ranges)).Concat(Folders(files)).OrderBy(pair => pair.Item1.ToString(), StringComparer.Ordinal)];
    }

    private static string Seen(IReadOnlyList<SeenUse> uses)
    {
        var verb = uses[0].Operation switch { "connect" => "connected", "listen" => "listened", "write" => "written", "call" => "called", "signal" => "sent", "resolve" => "asked for", var other => other };
        var programs = uses.Select(use => use.Program.Split(' ')[^1]).Where(program => program is not ("" or "-")).Distinct().Order(StringComparer.Ordinal).ToList();
        return Words.Times(verb, uses.Sum(use => use.Count)) + (programs.Count > 0 ? " by " + string.Join(", ", programs.Take(3)) : "") + (uses.All(use => use.Verdict == "denied") ? ", and refused" : "");
    }

    /// <summary>One address with all its ports is one grant; many addresses of one /24 at the same ports are that network.</summary>
    private static IEnumerable<(CapabilityEntry, string)> Addresses(List<(SeenUse Use, CapabilityEntry.ConnectRange Entry)> uses)
    {
        var byAddress = uses.GroupBy(pair => (pair.Entry.Network, pair.Entry.Protocol)).Select(group => (group.Key.Network, group.Key.Protocol, Ports: new PortSet(group.SelectMany(pair => pair.Entry.Ports.Ranges)), Uses: group.Select(pair => pair.Use).ToList())).ToList();
        foreach (var network in byAddress.GroupBy(item => (Home: Network24(item.Network), item.Ports, item.Protocol)))
        {
            if (network.Count() >= Several)
            {
                yield return (new CapabilityEntry.ConnectRange(network.Key.Home, network.Key.Ports, network.Key.Protocol),
                    string.Create(CultureInfo.InvariantCulture, $"{network.Count()} addresses of this network were {Seen([.. network.SelectMany(item => item.Uses)])}"));
                continue;
            }
            foreach (var item in network) yield return (new CapabilityEntry.ConnectRange(item.Network, item.Ports, item.Protocol), Seen(item.Uses));
        }
    }

    private static IPNetwork Network24(IPNetwork network)
    {
        var bytes = network.BaseAddress.GetAddressBytes();
        bytes[3] = 0;
        return network.PrefixLength <= 24 ? network : new IPNetwork(new IPAddress(bytes), 24);
    }

    /// <summary>A directory covers those beneath it; many beside each other are the one that holds them.</summary>
    private static IEnumerable<(CapabilityEntry, string)> Folders(List<(SeenUse Use, CapabilityEntry.Files Entry)> uses)
    {
        var folders = uses.Select(pair => pair.Entry.Path).ToHashSet();
        bool joined = true;
        while (joined)
        {
            foreach (var path in folders.ToList()) if (folders.Any(other => other != path && Coverage.Below(other, path))) folders.Remove(path);
            var parent = folders.Where(path => path != "/").GroupBy(Parent).FirstOrDefault(group => group.Count() >= Several && Depth(group.Key) >= LeastDepth);
            joined = parent is not null;
            if (parent is not null) folders.Add(parent.Key);
        }
        foreach (var folder in folders)
        {
            var below = uses.Where(pair => Coverage.Below(folder, pair.Entry.Path)).ToList();
            int directories = below.Select(pair => pair.Entry.Path).Distinct().Count(), files = below.Select(pair => pair.Use.Target).Distinct().Count();
            var first = below.Select(pair => pair.Use.Target).Order(StringComparer.Ordinal).First();
            yield return (new CapabilityEntry.Files(folder, true), string.Create(CultureInfo.InvariantCulture,
                $"{files} {(files == 1 ? "file was" : "files were")} written{(directories > 1 ? $" in {directories} directories" : "")}, such as {first}{(folder == "/" ? "; the whole root becomes writable, so better let the program write elsewhere" : "")}"));
        }
    }

    private static string Parent(string path) => path.LastIndexOf('/') is > 0 and var slash ? path[..slash] : "/";

    private static int Depth(string path) => path == "/" ? 0 : path.Count(letter => letter == '/');
}
