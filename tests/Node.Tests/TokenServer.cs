using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Eyrie.Node.Tests;

/// <summary>Gives tokens for a registry (distribution: token authentication; JWT by RFC 7519, signed with RS256): to everybody for what is beneath "public/", to its user for everything.</summary>
internal sealed class TokenServer : IAsyncDisposable
{
    private const string Issuer = "eyrie-test", Service = "registry.test";

    private readonly WebApplication _server = HttpServer.Build();
    private readonly RSA _key = RSA.Create(2048);
    private readonly X509Certificate2 _certificate;
    private readonly string _bundle = Path.GetTempFileName();
    private int _given;

    /// <summary>How many tokens it gave.</summary>
    public int Given => _given;

    /// <summary>What a registry that trusts it has in its configuration.</summary>
    public string Configuration => $"auth: {{token: {{realm: '{_server.Urls.Single()}/token', service: {Service}, issuer: {Issuer}, rootcertbundle: {_bundle}}}}}\n";

    private TokenServer()
    {
        _certificate = new CertificateRequest("CN=tokens", _key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        File.WriteAllText(_bundle, _certificate.ExportCertificatePem());
    }

    public static async Task<TokenServer> StartAsync()
    {
        var tokens = new TokenServer();
        tokens._server.Run(tokens.AnswerAsync);
        await tokens._server.StartAsync();
        return tokens;
    }

    private Task AnswerAsync(HttpContext context)
    {
        var user = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{RegistryServer.User}:{RegistryServer.Password}"));
        bool known = context.Request.Headers.Authorization == user;
        // "repository:NAME:ACTIONS"; skopeo asks for none when it only looks who it is.
        var scope = context.Request.Query["scope"].ToString().Split(':');
        bool granted = known || (scope is [_, var name, "pull"] && name.StartsWith("public/", StringComparison.Ordinal));
        if (!granted || context.Request.Query["service"] != Service)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return Task.CompletedTask;
        }
        var access = scope is [var type, var repository, var actions] ? new JsonArray(new JsonObject { ["type"] = type, ["name"] = repository, ["actions"] = new JsonArray([.. actions.Split(',').Select(action => (JsonNode)action)]) }) : [];
        Interlocked.Increment(ref _given);
        return context.Response.WriteAsJsonAsync(new Dictionary<string, string> { ["token"] = Signed(access) });
    }

    private string Signed(JsonArray access)
    {
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        static string Part(JsonObject part) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(part.ToJsonString()));
        var claims = new JsonObject { ["iss"] = Issuer, ["aud"] = Service, ["sub"] = RegistryServer.User, ["iat"] = now, ["nbf"] = now - 5, ["exp"] = now + 300, ["access"] = access };
        var text = $"{Part(new JsonObject { ["typ"] = "JWT", ["alg"] = "RS256", ["x5c"] = new JsonArray(Convert.ToBase64String(_certificate.RawData)) })}.{Part(claims)}";
        return $"{text}.{Base64Url.EncodeToString(_key.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _certificate.Dispose();
        _key.Dispose();
        File.Delete(_bundle);
    }
}
