using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Api.Certificates;

/// <summary>Signs the requests for client certificates that somebody has approved.</summary>
public sealed partial class CertificateSigner(IObjects objects, ClusterKeys keys, TimeProvider clock, ILogger<CertificateSigner> log) : BackgroundService
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var list = await objects.ListAsync(Kinds.CertificateSigningRequest, null, stoppingToken);
                foreach (var item in list.Items) await DecideAsync(item, stoppingToken);
                await foreach (var batch in objects.WatchAsync(Kinds.CertificateSigningRequest, list.At, stoppingToken))
                    foreach (var change in batch.Changes.Where(change => change.Type != ChangeType.Deleted)) await DecideAsync(change.Document, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is RevisionCompactedException or StoreUnavailableException)
            {
                Behind(exception.Message);
                await Task.Delay(Retry, clock, stoppingToken);
            }
        }
    }

    private async Task DecideAsync(JsonObject request, CancellationToken cancellationToken)
    {
        if (!SigningRequest.Waits(request)) return;
        var (made, now) = ((JsonObject)request.DeepClone(), clock.GetUtcNow());
        if (SigningRequest.Wrong(request) is { } wrong) made["status"]!["conditions"]!.AsArray().Add(SigningRequest.Failed(wrong, now));
        else made["status"]!["certificate"] = Convert.ToBase64String(Encoding.ASCII.GetBytes(SigningRequest.Sign(request, keys.Authority, now)));
        try
        {
            await objects.UpdateStatusAsync(Kinds.CertificateSigningRequest, made, cancellationToken);
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
        {
            // Changed or gone meanwhile: the watch tells, and it is decided anew.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "requests for certificates are read anew: {Cause}")]
    private partial void Behind(string cause);
}
