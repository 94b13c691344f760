namespace Eyrie.Node;

/// <summary>Metrics of the node agent.</summary>
public static class Metrics
{
    public static readonly Prometheus.Gauge Pods = Prometheus.Metrics.CreateGauge("eyrie_node_pods", "Pods on this node.");
    public static readonly Prometheus.Counter KernelStarts = Prometheus.Metrics.CreateCounter("eyrie_node_kernel_restarts_total", "Times the microkernel ended by itself and was started anew.");
    public static readonly Prometheus.Counter Uses = Prometheus.Metrics.CreateCounter("eyrie_node_audited_uses_total", "Uses of containers that are audited, by a grant or let through by the audit alone.", "operation", "verdict");
    public static readonly Prometheus.Counter NameQuestions = Prometheus.Metrics.CreateCounter("eyrie_node_dns_questions_total", "Questions about names that pods asked.");
    public static readonly Prometheus.Counter DenialsLost = Prometheus.Metrics.CreateCounter("eyrie_node_denials_unrecorded_total", "Denials that the audit record did not take, because the disk was full.");
    public static readonly Prometheus.Counter Denials = Prometheus.Metrics.CreateCounter("eyrie_node_denials_total", "Uses refused for want of a grant.", "operation");
}
