using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>What the API server knows clients by, and signs for them with. Held for as long as the process runs.</summary>
public sealed record ClusterKeys
{
    /// <summary>The cluster's authority with its private key: client certificates are its.</summary>
    public required X509Certificate2 Authority { get; init; }
    /// <summary>Signs the tokens of service accounts (P-256).</summary>
    public required ECDsa Tokens { get; init; }
    /// <summary>Secret of the cluster's administrator.</summary>
    public required string AdminToken { get; init; }
}
