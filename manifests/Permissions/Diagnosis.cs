using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>Something that a pod wants and does not get, or is granted and cannot use.</summary>
/// <param name="Remedy">Lines of YAML for the container, or empty.</param>
public sealed record Finding(string Container, string Problem, string Remedy);

/// <summary>Why a pod is refused something, and the lines that would change that. Pure.</summary>
public static class Diagnosis
{
    private const string Missing = "missing grant: ";

    /// <param name="pod">The pod.</param>
    /// <param name="events">Events about it.</param>
    /// <param name="cluster">What is around it.</param>
    public static IReadOnlyList<Finding> Of(JsonObject pod, IEnumerable<JsonObject> events, CompileContext cluster)
    {
        var findings = new List<Finding>();
        var compiled = PermissionCompiler.Compile(pod, cluster);
        foreach (var denied in events.Where(item => item["reason"].Word() is "PermissionDenied" or "PermissionAudited"))
        {
            var message = denied["message"].Word() ?? "";
            int at = message.IndexOf(Missing, StringComparison.Ordinal), end = at < 0 ? -1 : message.IndexOf(". To allow", at, StringComparison.Ordinal);
            if (end < 0) continue;
            var entry = message[(at + Missing.Length)..end];
            var container = message.Split(' ') is ["container", var name, ..] ? name : "";
            if (compiled.Sets.FirstOrDefault(set => set.Container == container)?.Lines.Contains(entry) == true) continue; // granted since
            findings.Add(new Finding(container, $"{message[..at].TrimEnd(' ', ';')} ({denied["count"].Whole() ?? 1} times): no grant \"{entry}\"", Remedy.For(entry, pod.NamespaceOf())));
        }
        findings.AddRange(compiled.Errors.Concat(compiled.Notes).Select(problem => new Finding("", $"{problem.Source}: {problem.Message}", "")));
        foreach (var set in compiled.Sets)
            foreach (var line in set.Lines)
                if (CapabilityEntry.TryParse(line, out var entry) && Useless(entry, cluster) is { } why) findings.Add(new Finding(set.Container, $"\"{line}\" is granted, but {why}", ""));
        return findings;
    }

    private static string? Useless(CapabilityEntry entry, CompileContext cluster)
    {
        if (entry is CapabilityEntry.GateCall call) return cluster.Pods.Any(pod => GatePublishers.Serves(pod, call.Gate, cluster)) ? null : $"no pod publishes gate {call.Gate}";
        if (entry is not CapabilityEntry.ConnectService grant || ClusterDns.Is(entry)) return null;
        var service = cluster.Services.FirstOrDefault(item => $"{item.NamespaceOf()}/{item.NameOf()}" == grant.Service);
        if (service is null) return $"there is no Service {grant.Service}";
        return service.At("spec", "ports").Objects().Any(port => port["port"].Whole() == grant.Port && (Protocols.Of(port["protocol"].Word()) ?? Protocol.Tcp) == grant.Protocol) ? null : $"the Service has no port {grant.Port}/{grant.Protocol.Entry()}";
    }
}
