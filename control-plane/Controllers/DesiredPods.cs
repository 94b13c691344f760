using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>From a pod and the Services to what its node is told. Pure; equal inputs give equal messages, so an unchanged pod is not sent again.</summary>
public static class DesiredPods
{
    private static readonly string ApiToken = new CapabilityEntry.ApiToken().ToString();

    /// <summary>What the compiler looks at beside the pod, as the controllers know it.</summary>
    /// <summary>Listed when somebody looks, which few pods need.</summary>
    private sealed class AllPods(ObjectCache cache) : IReadOnlyCollection<JsonObject>
    {
        public int Count => cache.All(Kinds.Pod).Count;
        public IEnumerator<JsonObject> GetEnumerator() => cache.All(Kinds.Pod).GetEnumerator();
        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    public static CompileContext Around(ObjectCache cache) => new()
    {
        Namespaces = cache.All(Kinds.Namespace), NetworkPolicies = cache.All(Kinds.NetworkPolicy), Services = cache.All(Kinds.Service), Pods = new AllPods(cache), PermissionSets = cache.All(Kinds.PermissionSet),
        PermissionRecords = cache.All(Kinds.PermissionRecord),
    };

    /// <param name="pod">The pod.</param>
    /// <param name="around">The cluster around it.</param>
    /// <param name="lookUp">A ConfigMap or Secret by its reference and namespace; null: it does not exist.</param>
    /// <param name="terminating">The grace period begins.</param>
    public static DesiredPod For(JsonObject pod, CompileContext around, Func<PodReference, string, JsonObject?> lookUp, bool terminating)
    {
        var desired = new DesiredPod { Uid = pod.Uid(), PodJson = Told(pod), Terminating = terminating, GraceSeconds = pod.Metadata()["deletionGracePeriodSeconds"]?.GetValue<long>() ?? 0 };
        var sets = PermissionCompiler.Compile(pod, around).Sets;
        foreach (var set in sets)
        {
            var capabilities = new ContainerCapabilities { Container = set.Container };
            capabilities.Entries.AddRange(set.Lines);
            desired.Capabilities.Add(capabilities);
        }
        desired.HostAliases.AddRange(Names(pod.Namespace(), sets.SelectMany(set => set.Lines), around.Services));
        foreach (var (name, value) in Environment(pod.Namespace(), around.Services, sets.Any(set => set.Lines.Contains(ApiToken)))) desired.ServiceEnvironment[name] = value;
        foreach (var reference in PodReferences.Of(pod))
            if (lookUp(reference, pod.Namespace()) is { } found) desired.Objects.Add(new ReferencedObject { Kind = reference.Kind, Name = reference.Name, Json = Content(found).ToJsonString() });
        return desired;
    }

    /// <summary>What a node needs of the document.</summary>
    private static string Told(JsonObject pod)
    {
        var text = new ArrayBufferWriter<byte>(2048);
        using (var writer = new Utf8JsonWriter(text))
        {
            writer.WriteStartObject();
            writer.WriteString("apiVersion"u8, "v1"u8);
            writer.WriteString("kind"u8, "Pod"u8);
            writer.WriteStartObject("metadata"u8);
            foreach (var (name, value) in pod.Metadata())
                if (name is not ("resourceVersion" or "managedFields" or "deletionTimestamp" or "deletionGracePeriodSeconds" or "generation")) Write(writer, name, value);
            writer.WriteEndObject();
            Write(writer, "spec", pod["spec"]);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter writer, string name, JsonNode? value)
    {
        writer.WritePropertyName(name);
        if (value is null) writer.WriteNullValue();
        else value.WriteTo(writer);
    }

    private static JsonObject Content(JsonObject document)
    {
        var content = new JsonObject();
        if (document["spec"]?["volumeName"] is { } volume) content["volumeName"] = volume.DeepClone(); // of a claim
        foreach (var name in new[] { "data", "binaryData", "type" })
            if (document[name] is { } field) content[name] = field.DeepClone();
        return content;
    }

    /// <summary>Names only of Services that the set lets the pod reach: what it may not reach has no name.</summary>
    private static IEnumerable<HostAlias> Names(string @namespace, IEnumerable<string> lines, IReadOnlyCollection<JsonObject> services)
    {
        var entries = lines.Select(line => CapabilityEntry.TryParse(line, out var entry) ? entry : null).Select(entry => entry is CapabilityEntry.Audit audit ? audit.Bound : entry).ToList();
        var granted = (entries.OfType<CapabilityEntry.ConnectAny>().Any() ? services.Select(service => $"{service.Namespace()}/{service.Name()}") : entries.OfType<CapabilityEntry.ConnectService>().Select(entry => entry.Service)).Distinct().Order(StringComparer.Ordinal);
        foreach (var grant in granted)
        {
            if (services.FirstOrDefault(service => $"{service.Namespace()}/{service.Name()}" == grant)?["spec"]?["clusterIP"]?.ToString() is not { Length: > 0 } address || address == "None") continue;
            var (home, name) = (grant.Split('/')[0], grant.Split('/')[1]);
            var alias = new HostAlias { Address = address };
            if (home == @namespace) alias.Names.Add(name);
            alias.Names.AddRange([$"{name}.{home}", $"{name}.{home}.svc", $"{name}.{home}.svc.cluster.local"]);
            yield return alias;
        }
    }

    /// <param name="namespace">The pod's.</param>
    /// <param name="services">Every Service.</param>
    /// <param name="api">Whether the pod is told of the cluster's API, which is in every pod's environment then.</param>
    private static IEnumerable<(string Name, string Value)> Environment(string @namespace, IReadOnlyCollection<JsonObject> services, bool api)
    {
        foreach (var service in services.Where(service => ClusterApiService.Is(service) ? api : service.Namespace() == @namespace).OrderBy(service => service.Name(), StringComparer.Ordinal))
        {
            var prefix = service.Name().ToUpperInvariant().Replace('-', '_');
            if (service["spec"]?["clusterIP"]?.ToString() is not { Length: > 0 } address || address == "None") continue;
            yield return (prefix + "_SERVICE_HOST", address);
            if ((service["spec"]?["ports"] as JsonArray)?.FirstOrDefault()?["port"].Int() is { } port) yield return (prefix + "_SERVICE_PORT", port.ToString(CultureInfo.InvariantCulture));
        }
    }
}
