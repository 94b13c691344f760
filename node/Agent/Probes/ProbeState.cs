using System.Text.Json.Nodes;

namespace Eyrie.Node.Probes;

public enum ProbeKind { Startup, Liveness, Readiness }

/// <summary>The numbers of a v1.Probe, with the defaults that Kubernetes has.</summary>
public sealed record ProbeTiming(TimeSpan InitialDelay, TimeSpan Period, TimeSpan Timeout, int SuccessThreshold, int FailureThreshold)
{
    public static ProbeTiming From(JsonObject probe)
    {
        int Number(string name, int absent) => probe[name] is JsonValue value && value.TryGetValue(out int number) && number > 0 ? number : absent;
        return new ProbeTiming(TimeSpan.FromSeconds(Number("initialDelaySeconds", 0)), TimeSpan.FromSeconds(Number("periodSeconds", 10)), TimeSpan.FromSeconds(Number("timeoutSeconds", 1)),
            Number("successThreshold", 1), Number("failureThreshold", 3));
    }
}

/// <summary>What one probe of one run of a container has found. Pure: <see cref="After"/> gives the state behind the next answer.</summary>
/// <param name="Holds">The verdict: null until a threshold was reached. A container lives until it is found dead, and is not ready until it is found ready.</param>
/// <param name="Last">The last answer.</param>
/// <param name="InRow">How often it came in a row.</param>
public sealed record ProbeState(bool? Holds, bool? Last, int InRow)
{
    public static ProbeState First(ProbeKind kind) => new(kind switch { ProbeKind.Liveness => true, ProbeKind.Readiness => false, _ => null }, null, 0);

    public ProbeState After(bool success, ProbeTiming timing)
    {
        int row = Last == success ? InRow + 1 : 1;
        return new ProbeState(row >= (success ? timing.SuccessThreshold : timing.FailureThreshold) ? success : Holds, success, row);
    }

    /// <summary>Whether the container is to be ended for it: a failed readiness probe only takes it out of its Services.</summary>
    public bool Fatal(ProbeKind kind) => kind != ProbeKind.Readiness && Holds == false;

    /// <summary>A startup probe asks until it has its answer, the others as long as the container lives.</summary>
    public bool Over(ProbeKind kind) => Fatal(kind) || (kind == ProbeKind.Startup && Holds == true);
}

/// <summary>The words that manifests and events have for the kinds.</summary>
public static class ProbeNames
{
    public static string Word(ProbeKind kind) => kind switch { ProbeKind.Startup => "startup", ProbeKind.Liveness => "liveness", _ => "readiness" };
    public static string Field(ProbeKind kind) => Word(kind) + "Probe";
}
