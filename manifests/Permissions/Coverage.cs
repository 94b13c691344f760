namespace Eyrie.Manifests.Permissions;

/// <summary>Whether one entry allows everything that another does. Pure.</summary>
public static class Coverage
{
    public static bool Covers(CapabilityEntry wide, CapabilityEntry narrow) => (wide, narrow) switch
    {
        (CapabilityEntry.ConnectRange w, CapabilityEntry.ConnectRange n) => w.Protocol == n.Protocol && w.Network.PrefixLength <= n.Network.PrefixLength && w.Network.Contains(n.Network.BaseAddress) && w.Ports.Covers(n.Ports),
        (CapabilityEntry.ConnectHost w, CapabilityEntry.ConnectHost n) => w.Protocol == n.Protocol && w.Host == n.Host && w.Ports.Covers(n.Ports),
        (CapabilityEntry.ConnectPods w, CapabilityEntry.ConnectPods n) => w.Protocol == n.Protocol && w.Namespace == n.Namespace && w.Port == n.Port && (w.Pods.SelectsEverything || w.Pods == n.Pods),
        (CapabilityEntry.Files w, CapabilityEntry.Files n) => Below(w.Path, n.Path) && (w.Writable || !n.Writable) && (w.Creates || !n.Writable || !n.Creates),
        (CapabilityEntry.Execute w, CapabilityEntry.Execute n) => Below(w.Path, n.Path),
        (CapabilityEntry.Device w, CapabilityEntry.Device n) => w.Path == n.Path && (w.Writable || !n.Writable),
        (CapabilityEntry.Signal w, CapabilityEntry.Signal n) => w.Container == n.Container && n.Signals.Split(',').All(w.Signals.Split(',').Contains),
        (CapabilityEntry.HostPath w, CapabilityEntry.HostPath n) => Below(w.Path, n.Path) && (w.Writable || !n.Writable),
        (CapabilityEntry.Accept w, CapabilityEntry.Accept n) => w.Protocol == n.Protocol && w.Namespace == n.Namespace && (w.Pods.SelectsEverything || w.Pods == n.Pods) && w.Ports.Covers(n.Ports),
        (CapabilityEntry.GateAccept w, CapabilityEntry.GateAccept n) => w.Gate == n.Gate && w.Namespace == n.Namespace && (w.Pods.SelectsEverything || w.Pods == n.Pods),
        (CapabilityEntry.Quota w, CapabilityEntry.Quota n) => w.MemoryBytes >= n.MemoryBytes && n.Limit.IsWithin(w.Limit),
        (CapabilityEntry.ConnectAny, CapabilityEntry.ConnectService or CapabilityEntry.ConnectPods or CapabilityEntry.ConnectRange or CapabilityEntry.ConnectHost) => true,
        (CapabilityEntry.ListenAny, CapabilityEntry.Listen) => true,
        (CapabilityEntry.Audit w, CapabilityEntry.Audit n) => Covers(w.Bound, n.Bound),
        _ => wide == narrow,
    };

    /// <summary>The same for lines; what is no entry covers only itself.</summary>
    public static bool Covers(string wide, string narrow) =>
        wide == narrow || CapabilityEntry.TryParse(wide, out var w) && CapabilityEntry.TryParse(narrow, out var n) && Covers(w, n);

    public static bool Below(string directory, string path) => directory == "/" || path == directory || path.StartsWith(directory.TrimEnd('/') + "/", StringComparison.Ordinal);
}
