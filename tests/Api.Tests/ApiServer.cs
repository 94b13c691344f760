using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>A control plane in this process, over an embedded store, without nodes: every request over a real connection on loopback, by whoever asks.</summary>
public sealed class ApiServer : IAsyncLifetime
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("eyrie-api-");
    private IStore? _store;
    private WebApplication? _app;

    public HttpClient Client { get; private set; } = new();
    public string Address => Client.BaseAddress!.ToString();
    public IServiceProvider Services => _app!.Services;

    public Task InitializeAsync() => StartAsync();

    /// <summary>Starts, or starts again over what is stored.</summary>
    private async Task StartAsync()
    {
        _store = EmbeddedStore.Open(Path.Combine(_directory.FullName, "store.db"));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton(_store).AddSingleton(TimeProvider.System).AddSingleton<IObjects, Objects>();
        builder.Services.AddEyrieControllers(new ControllerOptions { ClusterOctet = 64, NodeToken = "none" });
        builder.Services.AddEyrieApi(new ApiOptions { ClusterOctet = 64 });
        _app = builder.Build();
        _app.UseWebSockets();
        _app.UseRouting();
        _app.MapEyrieApi();
        await _app.StartAsync();
        Client = new HttpClient { BaseAddress = new Uri(_app.Urls.First()) };
        await SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"default"}}""");
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
        await File.WriteAllTextAsync(kubeconfig, $"apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: '{Address}'}}}}]\nusers: [{{name: t, user: {{}}}}]\ncontexts: [{{name: t, context: {{cluster: t, user: t, namespace: {@namespace}}}}}]\n");
        var start = new ProcessStartInfo("sh") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _directory.FullName };
        foreach (var argument in new[] { "-c", $"K() {{ {program} \"$@\"; }}\nK get ns {@namespace} >/dev/null 2>&1 || K create ns {@namespace} >/dev/null\n{script}" }) start.ArgumentList.Add(argument);
        start.Environment["KUBECONFIG"] = kubeconfig;
        start.Environment["KUBECACHEDIR"] = kubeconfig + ".cache";
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        var errors = process.StandardError.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        return await output + await errors;
    }
}

/// <summary>One control plane for every test of the API; each test has names of its own.</summary>
[CollectionDefinition(nameof(ApiServer))]
public sealed class ApiServerCollection : ICollectionFixture<ApiServer>;
