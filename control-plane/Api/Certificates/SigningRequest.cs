using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Certificates;

/// <summary>A CertificateSigningRequest: what it asks, whether it may be asked, and whether the cluster's authority signs it.</summary>
public static class SigningRequest
{
    /// <summary>The signer of client certificates for the API; requests to others are kept for whoever signs them.</summary>
    public const string ClientSigner = "kubernetes.io/kube-apiserver-client";

    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const long Shortest = 600;
    public static readonly TimeSpan Longest = TimeSpan.FromDays(365);
    private static readonly Dictionary<string, X509KeyUsageFlags> KeyUsages = new() { ["digital signature"] = X509KeyUsageFlags.DigitalSignature, ["key encipherment"] = X509KeyUsageFlags.KeyEncipherment };

    /// <summary>Who asks is not theirs to say; what was decided about a request before it was made neither.</summary>
    public static void Stamp(JsonObject document, Subject requester)
    {
        document.Remove("status");
        if (document["spec"] is not JsonObject spec) return;
        (spec["username"], spec["uid"]) = (requester.Name, requester.Uid.Length > 0 ? requester.Uid : null);
        if (spec["uid"] is null) spec.Remove("uid");
        spec["groups"] = new JsonArray([.. requester.Groups.Select(group => (JsonNode)group)]);
        if (spec["usages"] is null) spec["usages"] = new JsonArray("digital signature", "key encipherment");
    }

    /// <summary>Every mistake of a request.</summary>
    public static IEnumerable<FieldError> Check(JsonObject document, JsonObject? stored)
    {
        if (stored is not null && !JsonNode.DeepEquals(document["spec"], stored["spec"])) yield return new FieldError("spec", "Invalid value: field is immutable");
        var signer = Text(document, "spec.signerName");
        if (signer.Length == 0) yield return new FieldError("spec.signerName", "Required value", "FieldValueRequired");
        else if (signer.Split('/') is not [{ Length: > 0 } domain, { Length: > 0 }] || !domain.Contains('.', StringComparison.Ordinal)) yield return new FieldError("spec.signerName", $"Invalid value: \"{signer}\": must be a fully qualified domain and path of the form 'example.com/signer-name'");
        if (Read(document) is null) yield return new FieldError("spec.request", "Invalid value: PEM block type must be CERTIFICATE REQUEST, and hold a request signed with its own key");
        if (Fields.At(document, "spec.usages") is not JsonArray { Count: > 0 }) yield return new FieldError("spec.usages", "Required value: usages must be provided", "FieldValueRequired");
        if (Fields.At(document, "spec.expirationSeconds") is JsonValue seconds && (!seconds.TryGetValue(out long asked) || asked < Shortest)) yield return new FieldError("spec.expirationSeconds", $"Invalid value: {seconds}: may not specify a duration less than 600 seconds (10 minutes)");
        if (signer == ClientSigner && Read(document) is { } request && Organizations(request).Contains(Subject.Masters)) yield return new FieldError("spec.request", $"Forbidden: use of {ClientSigner} signer with {Subject.Masters} group is not allowed", "FieldValueForbidden");
        foreach (var both in Conditions(document)) yield return both;
    }

    private static IEnumerable<FieldError> Conditions(JsonObject document)
    {
        if (Is(document, "Approved") && Is(document, "Denied")) yield return new FieldError("status.conditions", "Invalid value: Approved and Denied conditions are mutually exclusive");
    }

    public static bool Is(JsonObject document, string condition) => (Fields.At(document, "status.conditions") as JsonArray ?? []).OfType<JsonObject>().Any(item => item.Text("type") == condition && (item.Text("status") ?? "") is ("" or "True"));

    /// <summary>Whether it is for the cluster's authority to sign now.</summary>
    public static bool Waits(JsonObject document) => Text(document, "spec.signerName") == ClientSigner && Is(document, "Approved") && !Is(document, "Denied") && !Is(document, "Failed") && Fields.At(document, "status.certificate") is null;

    /// <summary>Why an approved request for a client certificate is not signed; null: nothing is wrong with it.</summary>
    public static string? Wrong(JsonObject document)
    {
        var usages = (Fields.At(document, "spec.usages") as JsonArray ?? []).Select(usage => usage?.ToString() ?? "").ToList();
        if (!usages.Contains("client auth")) return "usages must contain \"client auth\"";
        if (usages.FirstOrDefault(usage => usage != "client auth" && !KeyUsages.ContainsKey(usage)) is { } other) return $"usage \"{other}\" is not one of a client certificate's: client auth, digital signature, key encipherment";
        if (Read(document) is not { } request) return "the request can not be read";
        return Values(request, DistinguishedNames.CommonName).Count == 1 ? null : "the subject must have one common name, which names the user";
    }

    /// <summary>The certificate, PEM.</summary>
    /// <param name="document">An approved request with which nothing is wrong.</param>
    /// <param name="authority">Signs; with its private key (P-256).</param>
    /// <param name="now">Valid from five minutes before, for as long as was asked, at most a year and never longer than the authority.</param>
    public static string Sign(JsonObject document, X509Certificate2 authority, DateTimeOffset now)
    {
        var asked = Read(document)!;
        var usages = (Fields.At(document, "spec.usages") as JsonArray ?? []).Select(usage => usage?.ToString() ?? "").ToList();
        var request = new CertificateRequest(asked.SubjectName, asked.PublicKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        var keyUsage = usages.Select(usage => KeyUsages.GetValueOrDefault(usage)).Aggregate(X509KeyUsageFlags.None, (all, one) => all | one);
        if (keyUsage != X509KeyUsageFlags.None) request.CertificateExtensions.Add(new X509KeyUsageExtension(keyUsage, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ClientAuthentication)], false));
        var length = Fields.At(document, "spec.expirationSeconds") is JsonValue seconds && seconds.TryGetValue(out long value) ? TimeSpan.FromSeconds(Math.Min(value, Longest.TotalSeconds)) : Longest;
        var until = now + length;
        if (until > authority.NotAfter) until = authority.NotAfter;
        using var key = authority.GetECDsaPrivateKey()!;
        using var made = request.Create(authority.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now.AddMinutes(-5), until, RandomNumberGenerator.GetBytes(16));
        return made.ExportCertificatePem() + "\n";
    }

    /// <summary>The request in PKCS #10 that it carries; null: none that can be read.</summary>
    private static CertificateRequest? Read(JsonObject document)
    {
        try
        {
            var pem = Encoding.ASCII.GetString(Convert.FromBase64String(Text(document, "spec.request")));
            return CertificateRequest.LoadSigningRequestPem(pem, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.Default, RSASignaturePadding.Pkcs1);
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or CryptographicException or NotSupportedException or AsnContentException)
        {
            return null;
        }
    }

    private static IReadOnlyList<string> Organizations(CertificateRequest request) => Values(request, DistinguishedNames.Organization);

    private static IReadOnlyList<string> Values(CertificateRequest request, string type)
    {
        try
        {
            return DistinguishedNames.Values(request.SubjectName.RawData, type);
        }
        catch (AsnContentException)
        {
            return [];
        }
    }

    private static string Text(JsonObject document, string path) => Fields.At(document, path)?.ToString() ?? "";

    /// <summary>What a condition adds to the list of a request's status.</summary>
    public static JsonObject Failed(string reason, DateTimeOffset now) => new()
    {
        ["type"] = "Failed", ["status"] = "True", ["reason"] = "SignerValidationFailure", ["message"] = reason, ["lastUpdateTime"] = now.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture), ["lastTransitionTime"] = now.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
    };
}
