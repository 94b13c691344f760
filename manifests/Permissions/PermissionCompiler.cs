using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// From what a pod declares to one capability set a container. Pure and total: the same pod gives the same sets, and every error is
/// found at once, with its field path. No entry comes from anything but a declaration (DESIGN section 4).
/// </summary>
public static partial class PermissionCompiler
{
    private const long DefaultMemory = 512L << 20, DefaultProcesses = 256;

    private static readonly string[] KnownPermissions = ["connect", "files", "processes", "clock"];

    public static CompileResult Compile(JsonObject pod)
    {
        var errors = new List<PermissionError>();
        var sets = new List<ContainerCapabilitySet>();
        string @namespace = pod["metadata"]?["namespace"]?.GetValue<string>() ?? "default";
        foreach (var list in new[] { "initContainers", "containers" })
        {
            if (pod["spec"]?[list] is not JsonArray containers) continue;
            for (int i = 0; i < containers.Count; i++)
                if (containers[i] is JsonObject container)
                    sets.Add(new Scope(@namespace, pod["spec"]!.AsObject(), container, $"spec.{list}[{i}]", errors).Compile());
        }
        return new CompileResult(sets, errors);
    }

    private sealed class Scope(string @namespace, JsonObject spec, JsonObject container, string path, List<PermissionError> errors)
    {
        private readonly List<ExplainedEntry> _entries = [];

        public ContainerCapabilitySet Compile()
        {
            Resources();
            Add("log write", "name");
            Ports();
            Files();
            Identity();
            if (container["permissions"] is { } permissions) Permissions(permissions);
            return new ContainerCapabilitySet(container["name"]?.GetValue<string>() ?? "", _entries);
        }

        private void Add(string entry, string field) => _entries.Add(new ExplainedEntry(entry, new SourceLocation($"{path}.{field}")));

        private void Fail(string field, string message) => errors.Add(new PermissionError(new SourceLocation($"{path}.{field}"), message));

        private void Resources()
        {
            var limits = container["resources"]?["limits"];
            var requests = container["resources"]?["requests"];
            long memory = Amount(limits?["memory"], "resources.limits.memory", 1) ?? DefaultMemory;
            long processes = container["permissions"]?["processes"]?["max"] is JsonValue max && max.TryGetValue(out long count) ? count : DefaultProcesses;
            if (processes is < 1 or > 1_000_000) Fail("permissions.processes.max", "must be between 1 and 1000000");
            // A limit is a number of whole pages: the kernel rounds down, and the set must say what is in force.
            Add(string.Create(CultureInfo.InvariantCulture, $"quota memory={Math.Max(memory / 4096, 1) * 4096} processes={processes}"), limits?["memory"] is null ? "resources" : "resources.limits.memory");
            long? limit = Amount(limits?["cpu"], "resources.limits.cpu", 1000), request = Amount(requests?["cpu"], "resources.requests.cpu", 1000);
            if (limit is null && request is null) return;
            long shares = Math.Max(2, (request ?? limit!.Value) * 1024 / 1000);
            Add(string.Create(CultureInfo.InvariantCulture, $"cpu shares={shares}") + (limit is { } bound ? string.Create(CultureInfo.InvariantCulture, $" limit={Math.Max(bound, 10)}m") : ""), "resources");
        }

        private long? Amount(JsonNode? node, string field, int scale)
        {
            if (node is null) return null;
            if (Quantity.TryParse(node.ToString(), scale, out long amount)) return amount;
            Fail(field, $"\"{node}\" is not a quantity; write for example 64Mi or 500m");
            return null;
        }

        private void Ports()
        {
            if (container["ports"] is not JsonArray ports) return;
            for (int i = 0; i < ports.Count; i++)
            {
                if (ports[i]?["containerPort"] is not JsonValue value || !value.TryGetValue(out int port) || port is < 1 or > 65535)
                    Fail($"ports[{i}].containerPort", "must be between 1 and 65535");
                else if ((ports[i]!["protocol"]?.GetValue<string>() ?? "TCP") == "TCP")
                    Add($"listen tcp {port.ToString(CultureInfo.InvariantCulture)}", $"ports[{i}]");
            }
        }

        private void Files()
        {
            bool writable = container["securityContext"]?["readOnlyRootFilesystem"] is JsonValue value && value.TryGetValue(out bool readOnly) && !readOnly;
            Add(writable ? "dir / read,write" : "dir / read", writable ? "securityContext.readOnlyRootFilesystem" : "image");
            if (container["volumeMounts"] is not JsonArray mounts) return;
            for (int i = 0; i < mounts.Count; i++)
            {
                var target = mounts[i]?["mountPath"]?.GetValue<string>();
                if (!IsPath(target)) { Fail($"volumeMounts[{i}].mountPath", "must be an absolute path without spaces or \"..\""); continue; }
                bool mountReadOnly = mounts[i]!["readOnly"]?.GetValue<bool>() ?? false;
                Add($"dir {target} {(mountReadOnly ? "read" : "read,write")}", $"volumeMounts[{i}]");
            }
        }

        private void Identity()
        {
            long? Id(string name) => (container["securityContext"]?[name] ?? spec["securityContext"]?[name])?.GetValue<long>();
            if (Id("runAsUser") is { } user)
                Add(string.Create(CultureInfo.InvariantCulture, $"identity uid={user} gid={Id("runAsGroup") ?? 0}"), "securityContext");
        }

        private void Permissions(JsonNode node)
        {
            if (node is not JsonObject permissions) { Fail("permissions", "must be an object"); return; }
            foreach (var (name, _) in permissions)
                if (!KnownPermissions.Contains(name)) Fail($"permissions.{name}", $"unknown permission; known are {string.Join(", ", KnownPermissions)}");
            if (permissions["connect"] is { } connect) Connect(connect);
            if (permissions["files"] is { } files) PermittedFiles(files);
            if (permissions["clock"] is { } clock)
            {
                if (clock.ToString() == "read") Add("clock read", "permissions.clock");
                else if (clock.ToString() != "none") Fail("permissions.clock", "must be read or none");
            }
        }

        private void Connect(JsonNode node)
        {
            if (node is not JsonArray grants) { Fail("permissions.connect", "must be a list"); return; }
            for (int i = 0; i < grants.Count; i++)
            {
                var at = $"permissions.connect[{i}]";
                if (grants[i] is not JsonObject grant) { Fail(at, "must be an object with service or cidr, and port or ports"); continue; }
                var ports = Ports(grant, at);
                if (ports is null) continue;
                if (grant["service"]?.ToString() is { } service && grant["cidr"] is null) Service(service, ports, at);
                else if (grant["cidr"]?.ToString() is { } cidr && grant["service"] is null) Range(cidr, ports, at);
                else Fail(at, "must name exactly one of service or cidr");
            }
        }

        private void Service(string service, string ports, string at)
        {
            var parts = service.Split('/');
            var full = parts.Length == 1 ? $"{@namespace}/{service}" : service;
            if (parts.Length > 2 || parts.Any(part => !Label().IsMatch(part))) Fail($"{at}.service", $"\"{service}\" is not NAME or NAMESPACE/NAME");
            else if (ports.AsSpan().ContainsAny(',', '-')) foreach (var port in ports.Split(',')) Single(full, port, at);
            else Single(full, ports, at);
        }

        private void Single(string service, string port, string at)
        {
            if (port.Contains('-', StringComparison.Ordinal)) Fail($"{at}.ports", "a service is granted port by port, not by range");
            else Add($"connect tcp service {service} {port}", at);
        }

        private void Range(string cidr, string ports, string at)
        {
            if (!System.Net.IPNetwork.TryParse(cidr, out var network) || network.BaseAddress.AddressFamily != System.Net.Sockets.AddressFamily.InterNetwork)
                Fail($"{at}.cidr", $"\"{cidr}\" is not an IPv4 network such as 10.20.0.0/16 with no bits set behind the prefix");
            else Add($"connect tcp cidr {network} {ports}", at);
        }

        /// <summary>Normal form: ascending, comma separated; null after an error.</summary>
        private string? Ports(JsonObject grant, string at)
        {
            var listed = grant["port"] is { } single && grant["ports"] is null ? [single] : grant["ports"] is JsonArray many && grant["port"] is null && many.Count > 0 ? many.ToList() : null;
            if (listed is null) { Fail(at, "must have port, or a list ports"); return null; }
            var ranges = new SortedSet<(int Low, int High)>();
            foreach (var item in listed)
            {
                var bounds = (item?.ToString() ?? "").Split('-');
                if (bounds.Length > 2 || !bounds.All(bound => int.TryParse(bound, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port is > 0 and < 65536)
                    || int.Parse(bounds[0], CultureInfo.InvariantCulture) > int.Parse(bounds[^1], CultureInfo.InvariantCulture))
                {
                    Fail($"{at}.port", $"\"{item}\" is not a port between 1 and 65535 or a range of ports such as 8000-8100");
                    return null;
                }
                ranges.Add((int.Parse(bounds[0], CultureInfo.InvariantCulture), int.Parse(bounds[^1], CultureInfo.InvariantCulture)));
            }
            return string.Join(',', ranges.Select(range => range.Low == range.High ? $"{range.Low}" : $"{range.Low}-{range.High}"));
        }

        private void PermittedFiles(JsonNode node)
        {
            if (node is not JsonArray files) { Fail("permissions.files", "must be a list"); return; }
            for (int i = 0; i < files.Count; i++)
            {
                var target = files[i]?["path"]?.ToString();
                var access = files[i]?["access"]?.ToString() ?? "read";
                if (!IsPath(target)) Fail($"permissions.files[{i}].path", "must be an absolute path without spaces or \"..\"");
                else if (access is not ("read" or "write")) Fail($"permissions.files[{i}].access", "must be read or write");
                else Add($"dir {target} {(access == "write" ? "read,write" : "read")}", $"permissions.files[{i}]");
            }
        }

        private static bool IsPath(string? path) =>
            path is { Length: > 0 and < 150 } && path[0] == '/' && !path.AsSpan().ContainsAny(" \n\0") && !path.Split('/').Contains("..");
    }

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?\\z")]
    private static partial Regex Label();
}
