using System.Text.Json.Nodes;
using Eyrie.Node.Probes;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>A gRPC probe against the health service of gRPC's own library.</summary>
public sealed class GrpcProbeTests
{
    private static int Port(WebApplication server) => new Uri(server.Urls.Single()).Port;

    private static async Task<ProbeOutcome> AskAsync(int port, string service)
    {
        var container = new JsonObject { ["ports"] = new JsonArray(new JsonObject { ["name"] = "grpc", ["containerPort"] = port }) };
        var checks = new ProbeChecks("127.0.0.1", container, (_, _) => throw new InvalidOperationException("nothing is executed"));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await checks.AskAsync(new JsonObject { ["grpc"] = new JsonObject { ["port"] = "grpc", ["service"] = service } }, deadline.Token);
    }

    [Fact]
    public async Task It_succeeds_while_the_service_that_it_names_serves()
    {
        var health = new HealthServiceImpl();
        await using var server = HttpServer.Build(builder =>
        {
            builder.Services.AddGrpc();
            builder.Services.AddSingleton(health);
        }, HttpProtocols.Http2);
        server.MapGrpcService<HealthServiceImpl>();
        await server.StartAsync();
        int port = Port(server);
        health.SetStatus("", HealthCheckResponse.Types.ServingStatus.Serving);
        health.SetStatus("ready", HealthCheckResponse.Types.ServingStatus.NotServing);
        Assert.True((await AskAsync(port, "")).Success);
        Assert.Equal(new ProbeOutcome(false, "service unhealthy (responded with \"NOT_SERVING\")"), await AskAsync(port, "ready"));
        health.SetStatus("ready", HealthCheckResponse.Types.ServingStatus.Serving);
        Assert.True((await AskAsync(port, "ready")).Success);
        var unknown = await AskAsync(port, "nobody");
        Assert.False(unknown.Success);
        Assert.StartsWith("error: health rpc failed: NotFound", unknown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_without_the_health_service_is_told_so_and_none_at_all_has_failed()
    {
        int port;
        await using (var server = HttpServer.Build(protocols: HttpProtocols.Http2))
        {
            await server.StartAsync();
            port = Port(server);
            Assert.Equal(new ProbeOutcome(false, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"), await AskAsync(port, ""));
        }
        var gone = await AskAsync(port, "");
        Assert.False(gone.Success);
        Assert.StartsWith("error: health rpc failed: Unavailable", gone.Message, StringComparison.Ordinal);
    }
}
