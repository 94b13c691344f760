using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Certificates;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Api;

/// <summary>Objects that are stored like any others and that nothing here acts on: whoever makes one is told, instead of waiting for what does not come.</summary>
public static class Unattended
{
    /// <param name="kind">Of the object.</param>
    /// <param name="document">What is made.</param>
    /// <param name="ingressClasses">Whether there is an IngressClass, by which people tell of a controller of their own.</param>
    /// <returns>One sentence each.</returns>
    public static IEnumerable<string> Warnings(ResourceKind kind, JsonObject document, bool ingressClasses)
    {
        if (kind == Kinds.Ingress && !ingressClasses) yield return "no controller acts on an Ingress in this cluster: it is stored, and leads nowhere until you run one and make its IngressClass";
        if (kind == Kinds.Service && document["spec"]?["type"]?.ToString() == "LoadBalancer") yield return "spec.type: nothing in this cluster gives a LoadBalancer an external address: it answers at its cluster IP and its node ports";
        if (kind == Kinds.StorageClass && document.Text("provisioner") is { } provisioner && provisioner != LocalVolume.Provisioner) yield return $"provisioner: nothing in this cluster makes volumes for {provisioner}: claims of this class wait ({LocalVolume.Provisioner} is there)";
        if (kind == Kinds.CertificateSigningRequest && Fields.At(document, "spec.signerName")?.ToString() is { } signer && signer != SigningRequest.ClientSigner) yield return $"spec.signerName: nobody in this cluster signs for {signer}: {SigningRequest.ClientSigner} is signed when it is approved";
    }
}
