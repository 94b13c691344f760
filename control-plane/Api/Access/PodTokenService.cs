using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>The gRPC end of a node's request for a token: given for a pod of that node whose compiled sets hold it, bound to the pod, and for no one else.</summary>
public sealed class PodTokenService(IObjects objects, ObjectCache cache, AccountTokens tokens, TimeProvider clock, ControllerOptions options) : PodTokens.PodTokensBase
{
    private const long Shortest = 600, Longest = 24 * 3600;

    public override async Task<IssuedToken> Issue(TokenRequest request, ServerCallContext context)
    {
        NodeSessionService.Authenticate(context, options);
        var name = new ObjectName(request.PodNamespace, request.PodName);
        if (await objects.GetAsync(Kinds.Pod, name, context.CancellationToken) is not { } pod || pod.Metadata().Text("uid") != request.PodUid) throw Refused(StatusCode.NotFound, $"pod {name.Namespace}/{name.Name} is not there");
        if (Fields.At(pod, "spec.nodeName")?.ToString() != request.NodeName) throw Refused(StatusCode.PermissionDenied, $"pod {name.Namespace}/{name.Name} is not on node {request.NodeName}");
        var entry = new CapabilityEntry.ApiToken(request.Audience).ToString();
        if (!PermissionCompiler.Compile(pod, DesiredPods.Around(cache)).Sets.Any(set => set.Lines.Contains(entry))) throw Refused(StatusCode.PermissionDenied, $"no container of pod {name.Namespace}/{name.Name} holds \"{entry}\"");
        var accountName = Fields.At(pod, "spec.serviceAccountName")?.ToString() is { Length: > 0 } named ? named : "default";
        if (await objects.GetAsync(Kinds.ServiceAccount, new ObjectName(name.Namespace, accountName), context.CancellationToken) is not { } account) throw Refused(StatusCode.NotFound, $"service account {name.Namespace}/{accountName} is not there");
        if (request.Automatic && (Fields.At(pod, "spec.automountServiceAccountToken") ?? account["automountServiceAccountToken"])?.GetValue<bool>() == false) return new IssuedToken();
        var (now, uid) = (clock.GetUtcNow(), account.Metadata().Text("uid")!);
        var until = now.AddSeconds(Math.Clamp(request.ExpirationSeconds, Shortest, Longest));
        var token = new AccountToken(name.Namespace, new BoundObject(accountName, uid), new BoundObject(name.Name, request.PodUid), [request.Audience.Length == 0 ? AccountTokens.Issuer : request.Audience]);
        return new IssuedToken { Token = tokens.Make(token, now, until), IssuedUnixMilliseconds = now.ToUnixTimeMilliseconds(), ExpiresUnixMilliseconds = until.ToUnixTimeMilliseconds() };
    }

    private static RpcException Refused(StatusCode code, string reason) => new(new Grpc.Core.Status(code, reason));
}
