namespace Eyrie.Manifests.Permissions;

/// <summary>The cluster's API as containers find it: a Service, as in every Kubernetes. Whoever is granted a token for it may connect there; the grant brings this entry along.</summary>
public static class ClusterApi
{
    public const string Service = "default/kubernetes";
    public const int Port = 443;

    public static CapabilityEntry Entry { get; } = new CapabilityEntry.ConnectService(Service, Port);
}
