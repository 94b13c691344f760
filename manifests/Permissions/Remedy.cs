namespace Eyrie.Manifests.Permissions;

/// <summary>From a missing entry to the lines of YAML that would declare it.</summary>
public static class Remedy
{
    /// <summary>Lines to add to the container, indented as below <c>containers: - name: ...</c>.</summary>
    public static string For(string entry, string podNamespace)
    {
        var words = entry.Split(' ');
        return words switch
        {
            ["connect", "tcp", "service", var service, var port] =>
                $"permissions:\n  connect:\n  - service: {(service.StartsWith(podNamespace + "/", StringComparison.Ordinal) ? service[(podNamespace.Length + 1)..] : service)}\n    port: {port}",
            ["connect", "tcp", "cidr", var cidr, var ports] => $"permissions:\n  connect:\n  - cidr: {cidr}\n    ports: [{ports}]",
            ["listen", "tcp", var port] => $"ports:\n- containerPort: {port}",
            ["dir", var path, "read,write"] => $"permissions:\n  files:\n  - path: {path}\n    access: write",
            _ => $"# no declaration gives \"{entry}\"",
        };
    }
}
