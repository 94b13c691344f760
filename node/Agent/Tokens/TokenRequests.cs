using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;
using Grpc.Net.Client;

namespace Eyrie.Node.Tokens;

/// <summary>Asks the control plane for tokens of pods of this node, and has every pod look at the time of its own.</summary>
public sealed class TokenRequests(NodeOptions options, HttpClient client)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10), Deadline = TimeSpan.FromSeconds(10);

    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(options.Server, new GrpcChannelOptions { HttpClient = client });

    public HeldTokens For(string uid, JsonObject pod)
    {
        var (home, name) = (pod["metadata"]!["namespace"]!.ToString(), pod["metadata"]!["name"]!.ToString());
        return new HeldTokens(async (need, cancellationToken) =>
        {
            var request = new TokenRequest { NodeName = options.Name, PodNamespace = home, PodName = name, PodUid = uid, Audience = need.Audience, ExpirationSeconds = need.Seconds, Automatic = need.Automatic };
            var issued = await new PodTokens.PodTokensClient(_channel).IssueAsync(request, deadline: DateTime.UtcNow + Deadline, cancellationToken: cancellationToken);
            return issued.Token.Length == 0 ? new TimedToken("", DateTimeOffset.UtcNow, DateTimeOffset.MaxValue)
                : new TimedToken(issued.Token, DateTimeOffset.FromUnixTimeMilliseconds(issued.IssuedUnixMilliseconds), DateTimeOffset.FromUnixTimeMilliseconds(issued.ExpiresUnixMilliseconds));
        }, TimeProvider.System);
    }

    /// <summary>Until the agent ends.</summary>
    public static async Task RenewAsync(Func<IEnumerable<PodWorker>> pods, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Period);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
                foreach (var pod in pods()) await pod.RenewTokensAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The agent ends.
        }
    }
}
