using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Api.Limits;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>A control plane in this process, over an embedded store, without nodes: every request over a real connection on loopback, by whoever asks.</summary>
public sealed class ApiServer : IAsyncLifetime
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("eyrie-api-");
    private readonly ClusterKeys _keys = Keys();
    private readonly X509Certificate2 _certificate;
    private IStore? _store;
    private WebApplication? _app;

    /// <summary>How much one user may have of it.</summary>
    public LimitOptions Limits { get; init; } = new();
    public ErrorLog Log { get; } = new();
    public HttpClient Client { get; private set; } = new();
    public string Address => Client.BaseAddress!.ToString();
    public IServiceProvider Services => _app!.Services;

    public ApiServer() => _certificate = X509CertificateLoader.LoadPkcs12(_keys.Authority.Export(X509ContentType.Pkcs12), null);

    public Task InitializeAsync() => StartAsync();

    /// <summary>Starts, or starts again over what is stored.</summary>
    private async Task StartAsync()
    {
        _store = EmbeddedStore.Open(Path.Combine(_directory.FullName, "store.db"));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(Log).SetMinimumLevel(LogLevel.Error);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.UseHttps(_certificate)));
        builder.Services.AddSingleton(_store).AddSingleton(TimeProvider.System).AddEyrieObjects();
        builder.Services.AddEyrieControllers(new ControllerOptions { ClusterOctet = 64, NodeToken = "none" });
        builder.Services.AddEyrieApi(new ApiOptions { ClusterOctet = 64, Limits = Limits }, _keys);
        _app = builder.Build();
        _app.UseEyrieRefusals();
        _app.Use(AuthenticateAsync);
        _app.UseWebSockets();
        _app.UseRouting();
        _app.MapEyrieApi();
        _app.MapEyriePodTokens();
        await _app.StartAsync();
        Client = new HttpClient(new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, shown, _, _) => shown?.Thumbprint == _certificate.Thumbprint }) { BaseAddress = new Uri(_app.Urls.First()) };
        await SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"default"}}""");
    }

    private static ClusterKeys Keys()
    {
        var request = new CertificateRequest("CN=authority", ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return new ClusterKeys { Authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(5)), Tokens = ECDsa.Create(ECCurve.NamedCurves.nistP256), AdminToken = "administrator" };
    }

    /// <summary>Without a token a request is the administrator's; a token is looked at as in a cluster.</summary>
    private static async Task AuthenticateAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Path.StartsWithSegments("/eyrie.node.v1.PodTokens")) // nodes show a token of their own, which the service checks
        {
            await next(context);
            return;
        }
        var found = context.Request.Headers.Authorization.Count == 0 ? (Subject.Administrator, []) : await context.RequestServices.GetRequiredService<Authenticator>().TokenAsync(BearerToken.Of(context.Request), [AccountTokens.Issuer], context.RequestAborted);
        if (found is not var (subject, _))
        {
            await Refusals.SendAsync(context, new StatusException(401, "Unauthorized", "Unauthorized"));
            return;
        }
        Authorizer.Set(context, subject);
        await next(context);
    }

    private async Task StopAsync()
    {
        Client.Dispose();
        await _app!.StopAsync();
        await _app.DisposeAsync();
        await _store!.DisposeAsync();
    }

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    public async Task DisposeAsync()
    {
        await StopAsync();
        _directory.Delete(true);
    }

    public async Task<(HttpStatusCode Code, JsonNode Body)> SendAsync(string method, string path, string? body = null, string type = "application/json", string? accept = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, type);
        if (accept is not null) request.Headers.TryAddWithoutValidation("Accept", accept);
        using var response = await Client.SendAsync(request);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    /// <summary>The answer to a request that must succeed.</summary>
    public async Task<JsonNode> DoneAsync(string method, string path, string? body = null, string type = "application/json", string? accept = null)
    {
        var (code, answer) = await SendAsync(method, path, body, type, accept);
        Assert.True((int)code is >= 200 and < 300, $"{method} {path}: {answer}");
        return answer;
    }

    public Task NamespaceAsync(string name) => DoneAsync("POST", "api/v1/namespaces", $$$"""{"metadata":{"name":"{{{name}}}"}}""");

    /// <summary>Asks until the answer satisfies; after 20 s says what it saw last.</summary>
    public async Task<JsonNode> UntilAsync(string path, Func<HttpStatusCode, JsonNode, bool> wanted, string waitingFor)
    {
        var end = DateTimeOffset.UtcNow.AddSeconds(20);
        while (true)
        {
            var (code, body) = await SendAsync("GET", path);
            if (wanted(code, body)) return body;
            if (DateTimeOffset.UtcNow > end) throw new TimeoutException($"waited 20 s for {waitingFor}; saw last:\n{body}");
        }
    }

    /// <summary>A shell script in which K is kubectl in a namespace of its own, made first.</summary>
    public async Task<string> KubectlAsync(string @namespace, string script, string program = "kubectl")
    {
        var kubeconfig = Path.Combine(_directory.FullName, Guid.NewGuid().ToString("N"));
        await File.WriteAllTextAsync(kubeconfig, $"apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: '{Address}', insecure-skip-tls-verify: true}}}}]\nusers: [{{name: t, user: {{token: administrator}}}}]\ncontexts: [{{name: t, context: {{cluster: t, user: t, namespace: {@namespace}}}}}]\n");
        var start = new ProcessStartInfo("sh") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _directory.FullName };
        foreach (var argument in new[] { "-c", $"K() {{ {program} \"$@\"; }}\nK get ns {@namespace} >/dev/null 2>&1 || K create ns {@namespace} >/dev/null\n{script}" }) start.ArgumentList.Add(argument);
        start.Environment["KUBECONFIG"] = kubeconfig;
        start.Environment["KUBECACHEDIR"] = kubeconfig + ".cache";
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        var errors = process.StandardError.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        return await output + await errors;
    }
}

/// <summary>One control plane for every test of the API; each test has names of its own.</summary>
[CollectionDefinition(nameof(ApiServer))]
[Takes(60)]
public sealed class ApiServerCollection : ICollectionFixture<ApiServer>;
