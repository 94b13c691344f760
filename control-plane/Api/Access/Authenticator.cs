using System.Formats.Asn1;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>Who holds a token or a certificate of this cluster.</summary>
public sealed class Authenticator(ClusterKeys keys, AccountTokens tokens, IObjects objects, TimeProvider clock)
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly ConditionalWeakTable<X509Certificate2, Subject> _known = [];

    public bool IsAdministrator(string token) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), Encoding.UTF8.GetBytes(keys.AdminToken));

    /// <summary>The holder of a bearer token that is for one of these audiences; null: nobody's, of another audience, over, or its account or pod is gone.</summary>
    public async Task<(Subject Subject, IReadOnlyList<string> Audiences)?> TokenAsync(string token, IReadOnlyList<string> audiences, CancellationToken cancellationToken)
    {
        if (IsAdministrator(token)) return (Subject.Administrator, audiences);
        if (await tokens.ReadAsync(token) is not { } read) return null;
        var shared = read.Audiences.Intersect(audiences).ToList();
        if (shared.Count == 0) return null;
        if (!await IsThereAsync(Kinds.ServiceAccount, read.Namespace, read.Account, cancellationToken)) return null;
        if (read.Pod is { } pod && !await IsThereAsync(Kinds.Pod, read.Namespace, pod, cancellationToken)) return null;
        var extra = new Dictionary<string, string> { ["authentication.kubernetes.io/credential-id"] = "JTI=" + read.Id };
        if (read.Pod is { } bound) (extra["authentication.kubernetes.io/pod-name"], extra["authentication.kubernetes.io/pod-uid"]) = (bound.Name, bound.Uid);
        return (Subject.Account(read.Namespace, read.Account.Name) with { Uid = read.Account.Uid, Extra = extra }, shared);
    }

    private async Task<bool> IsThereAsync(ResourceKind kind, string @namespace, BoundObject bound, CancellationToken cancellationToken) =>
        await objects.GetAsync(kind, new ObjectName(@namespace, bound.Name), cancellationToken) is { } found && found.Metadata().Text("uid") == bound.Uid;

    /// <summary>The user that a client certificate of the cluster's authority names (CN), with its groups (O); null: it is no such certificate, or not valid now.</summary>
    public Subject? Certificate(X509Certificate2 certificate)
    {
        var now = clock.GetUtcNow();
        if (now < certificate.NotBefore || now > certificate.NotAfter) return null;
        if (_known.TryGetValue(certificate, out var known)) return known;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(keys.Authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        chain.ChainPolicy.VerificationTime = now.LocalDateTime;
        if (!chain.Build(certificate) || Named(certificate.SubjectName.RawData) is not { } subject) return null;
        _known.AddOrUpdate(certificate, subject);
        return subject;
    }

    private static Subject? Named(byte[] name)
    {
        try
        {
            return DistinguishedNames.Values(name, DistinguishedNames.CommonName) is [var user] ? new Subject(user, [.. DistinguishedNames.Values(name, DistinguishedNames.Organization), Subject.Authenticated]) : null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }
}
