using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Api;

/// <summary>
/// What a pod may ask of a host elsewhere and cannot have here: no container of Eyrie has authority over its host. Refused rather than ignored, so that nobody believes
/// to have it. Pure.
/// </summary>
public static class HostAuthority
{
    private const string Reason = "Forbidden: a container has no share in its host; remove the field, and declare what the program needs under `permissions`";

    /// <param name="spec">A pod's spec.</param>
    /// <param name="path">Path of the pod in its document: empty, or <c>spec.template.</c></param>
    public static IEnumerable<FieldError> Refused(JsonObject spec, string path)
    {
        foreach (var name in new[] { "hostNetwork", "hostPID", "hostIPC" })
            if (IsTrue(spec[name])) yield return Refusal($"{path}spec.{name}");
        foreach (var list in new[] { "initContainers", "containers", EphemeralContainers.Field })
        {
            var containers = spec[list] as JsonArray ?? [];
            for (int i = 0; i < containers.Count; i++)
                foreach (var field in Of(containers[i] as JsonObject ?? [])) yield return Refusal($"{path}spec.{list}[{i}].{field}");
        }
    }

    private static IEnumerable<string> Of(JsonObject container)
    {
        var context = container["securityContext"] as JsonObject;
        if (IsTrue(context?["privileged"])) yield return "securityContext.privileged";
        if (context?["capabilities"] is JsonObject capabilities && capabilities["add"] is JsonArray { Count: > 0 }) yield return "securityContext.capabilities.add";
        if (context?["procMount"]?.ToString() == "Unmasked") yield return "securityContext.procMount";
        if (context?["seccompProfile"] is JsonObject profile && profile["type"]?.ToString() == "Unconfined") yield return "securityContext.seccompProfile.type";
        if (container["volumeDevices"] is JsonArray { Count: > 0 }) yield return "volumeDevices";
    }

    private static bool IsTrue(JsonNode? node) => node is JsonValue value && value.TryGetValue(out bool set) && set;

    private static FieldError Refusal(string field) => new(field, Reason, "FieldValueForbidden");
}
