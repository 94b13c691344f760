using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>An object by name and uid.</summary>
public sealed record BoundObject(string Name, string Uid);

/// <summary>What a service account's token says.</summary>
/// <param name="Namespace">Of the account and of the pod.</param>
/// <param name="Account">Whose token it is.</param>
/// <param name="Pod">The pod that it ends with; null: it is bound to none.</param>
/// <param name="Audiences">Whom it is for.</param>
public sealed record AccountToken(string Namespace, BoundObject Account, BoundObject? Pod, IReadOnlyList<string> Audiences)
{
    /// <summary>Name of this one token.</summary>
    public string Id { get; init; } = "";
}

/// <summary>Tokens of service accounts: JSON Web Tokens (RFC 7519), signed ES256 with the cluster's key, with the claims that Kubernetes' have.</summary>
public sealed class AccountTokens(ClusterKeys keys, TimeProvider clock)
{
    public const string Issuer = "https://kubernetes.default.svc";
    private const string Private = "kubernetes.io";

    private readonly JsonWebTokenHandler _handler = new() { SetDefaultTimesOnTokenCreation = false };
    private readonly ECDsaSecurityKey _key = new(keys.Tokens) { KeyId = Base64UrlEncoder.Encode(System.Security.Cryptography.SHA256.HashData(keys.Tokens.ExportSubjectPublicKeyInfo())) };

    public string Make(AccountToken token, DateTimeOffset from, DateTimeOffset until)
    {
        var claims = new JsonObject { ["namespace"] = token.Namespace, ["serviceaccount"] = Named(token.Account) };
        if (token.Pod is { } pod) claims["pod"] = Named(pod);
        var payload = new JsonObject
        {
            ["aud"] = new JsonArray([.. token.Audiences.Select(audience => (JsonNode)audience)]), ["exp"] = until.ToUnixTimeSeconds(), ["iat"] = from.ToUnixTimeSeconds(), ["iss"] = Issuer, ["jti"] = Guid.NewGuid().ToString(),
            [Private] = claims, ["nbf"] = from.ToUnixTimeSeconds(), ["sub"] = Subject.Account(token.Namespace, token.Account.Name).Name,
        };
        return _handler.CreateToken(payload.ToJsonString(), new SigningCredentials(_key, SecurityAlgorithms.EcdsaSha256));
    }

    /// <summary>null: it is not signed by this cluster, or is not valid now, or says something else.</summary>
    public async Task<AccountToken?> ReadAsync(string text)
    {
        if (text.Length > 16 << 10 || text.Count(letter => letter == '.') != 2) return null;
        var result = await _handler.ValidateTokenAsync(text, new TokenValidationParameters
        {
            ValidIssuer = Issuer, IssuerSigningKey = _key, ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256], ValidateAudience = false,
            LifetimeValidator = (from, until, _, _) => clock.GetUtcNow().UtcDateTime is var now && until is { } end && now < end && (from is null || from <= now),
        });
        if (!result.IsValid || result.SecurityToken is not JsonWebToken token || !token.TryGetPayloadValue(Private, out JsonElement element) || JsonNode.Parse(element.GetRawText()) is not JsonObject claims) return null;
        if (claims["namespace"]?.ToString() is not { } space || Read(claims["serviceaccount"]) is not { } account) return null;
        return new AccountToken(space, account, Read(claims["pod"]), [.. token.Audiences]) { Id = token.Id };
    }

    /// <summary>The public key, as a JSON Web Key Set (RFC 7517).</summary>
    public JsonObject KeySet()
    {
        var point = keys.Tokens.ExportParameters(false).Q;
        return new JsonObject
        {
            ["keys"] = new JsonArray(new JsonObject { ["use"] = "sig", ["kty"] = "EC", ["kid"] = _key.KeyId, ["crv"] = "P-256", ["alg"] = "ES256", ["x"] = Base64UrlEncoder.Encode(point.X), ["y"] = Base64UrlEncoder.Encode(point.Y) }),
        };
    }

    private static JsonObject Named(BoundObject bound) => new() { ["name"] = bound.Name, ["uid"] = bound.Uid };

    private static BoundObject? Read(JsonNode? node) => node?["name"]?.ToString() is { } name && node["uid"]?.ToString() is { } uid ? new BoundObject(name, uid) : null;
}
