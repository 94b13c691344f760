using System.Globalization;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Streaming;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>pods/exec, pods/attach and pods/portforward: over a WebSocket, or over SPDY as older clients do.</summary>
public sealed class PodStreams(Reads reads, INodeGateway nodes)
{
    private const string SpdyProtocol = "SPDY/3.1", ProtocolHeader = "X-Stream-Protocol-Version";
    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(2);

    public async Task CommandAsync(Call call)
    {
        var pod = await reads.FoundAsync(call);
        var container = Running(pod, PodContainers.Choose(pod, call.Query["container"]));
        var options = new CommandOptions(Flag(call, "stdin"), Flag(call, "stdout"), Flag(call, "stderr"), Flag(call, "tty"));
        if (options is { Stdin: false, Stdout: false, Stderr: false }) throw StatusException.BadRequest("you must specify at least 1 of stdin, stdout, stderr");
        if (options is { Tty: true, Stderr: true }) options = options with { Stderr = false };
        var request = new StreamRequest { PodUid = pod.Metadata().Text("uid")!, Container = container };
        if (call.Request.Subresource == "exec")
        {
            request.Exec = new ExecRequest { Stdin = options.Stdin, Tty = options.Tty };
            request.Exec.Command.AddRange(call.Query["command"].Select(word => word ?? ""));
            if (request.Exec.Command.Count == 0) throw StatusException.BadRequest("you must specify at least one command for the container");
        }
        else request.Attach = new AttachRequest { Stdin = options.Stdin, Tty = options.Tty };
        var ends = call.Http.RequestAborted;
        var way = Way(call.Http, WebSocketCommand.Protocols, SpdyCommand.Protocol);
        call.GoOn();
        await using var stream = await nodes.OpenStreamAsync(PodContainers.NodeOf(pod), request, ends);
        if (way.WebSocket)
        {
            using var socket = await call.Http.WebSockets.AcceptWebSocketAsync(way.Protocol);
            await using var client = new WebSocketCommand(socket, options);
            await EndedAsync(Relays.CommandAsync(stream, client, ends));
        }
        else
        {
            await using var client = await SpdyCommand.AcceptAsync(await UpgradeAsync(call.Http, way.Protocol), options, ends);
            if (client is not null) await EndedAsync(Relays.CommandAsync(stream, client, ends));
        }
    }

    public async Task PortForwardAsync(Call call)
    {
        var pod = await reads.FoundAsync(call);
        if (pod["status"]?["phase"]?.ToString() is not "Running") throw StatusException.BadRequest($"unable to forward port because pod is not running. Current status={pod["status"]?["phase"]}");
        var ports = call.Query["ports"].SelectMany(text => (text ?? "").Split(',')).Where(text => text.Length > 0).Select(Port).ToList();
        var ends = call.Http.RequestAborted;
        var way = Way(call.Http, ports.Count > 0 ? [SpdyForwarding.Tunnelled, WebSocketForwarding.Protocol] : [SpdyForwarding.Tunnelled], SpdyForwarding.Protocol);
        call.GoOn();
        await using var stream = await nodes.OpenStreamAsync(PodContainers.NodeOf(pod), new StreamRequest { PodUid = pod.Metadata().Text("uid")!, PortForward = new PortForwardRequest() }, ends);
        if (way.WebSocket)
        {
            bool tunnelled = way.Protocol == SpdyForwarding.Tunnelled;
            using var socket = tunnelled ? await WebSocketUpgrade.AcceptAsync(call.Http, way.Protocol) : await call.Http.WebSockets.AcceptWebSocketAsync(way.Protocol);
            await using IForwardingClient client = tunnelled ? new SpdyForwarding(WebSocketStream.Create(socket, WebSocketMessageType.Binary, Goodbye), ends) : new WebSocketForwarding(socket, ports, ends);
            await EndedAsync(Relays.PortsAsync(stream, client, ends));
        }
        else
        {
            await using var client = new SpdyForwarding(await UpgradeAsync(call.Http, way.Protocol), ends);
            await EndedAsync(Relays.PortsAsync(stream, client, ends));
        }
    }

    private static string Running(JsonObject pod, string container)
    {
        if (PodContainers.Waiting(pod, container) is { } reason) throw StatusException.BadRequest($"container \"{container}\" in pod \"{pod.Metadata().Text("name")}\" is waiting to start: {reason}");
        return container;
    }

    private static bool Flag(Call call, string name) => call.Query[name].ToString() is "true" or "1";

    private static int Port(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port is > 0 and < 65536 ? port
        : throw StatusException.BadRequest($"ports must be numbers from 1 to 65535, not \"{text}\"");

    /// <summary>What carries the stream: the first protocol that the client offers and the server has.</summary>
    private static (bool WebSocket, string Protocol) Way(HttpContext http, IReadOnlyList<string> overWebSocket, string overSpdy)
    {
        if (http.WebSockets.IsWebSocketRequest)
            return (true, http.WebSockets.WebSocketRequestedProtocols.FirstOrDefault(overWebSocket.Contains)
                ?? throw StatusException.BadRequest($"none of the subprotocols {string.Join(", ", http.WebSockets.WebSocketRequestedProtocols)} is served here; there are {string.Join(", ", overWebSocket)}"));
        if (http.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true } || !http.Request.Headers.Upgrade.ToString().Equals(SpdyProtocol, StringComparison.OrdinalIgnoreCase))
            throw StatusException.BadRequest("Upgrade request required: connect by WebSocket or SPDY/3.1");
        var offered = http.Request.Headers[ProtocolHeader].SelectMany(text => (text ?? "").Split(',', StringSplitOptions.TrimEntries)).ToList();
        if (!offered.Contains(overSpdy)) throw new StatusException(403, "Forbidden", $"unable to upgrade: none of the protocols {string.Join(", ", offered)} is served here; there is {overSpdy}");
        return (false, overSpdy);
    }

    private static async Task<Stream> UpgradeAsync(HttpContext http, string protocol)
    {
        http.Response.Headers.Upgrade = SpdyProtocol;
        http.Response.Headers.Connection = "Upgrade";
        http.Response.Headers[ProtocolHeader] = protocol;
        return await http.Features.Get<IHttpUpgradeFeature>()!.UpgradeAsync();
    }

    /// <summary>The relay to its end. A client that goes in the middle is no failure of ours.</summary>
    private static async Task EndedAsync(Task relay)
    {
        try
        {
            await relay;
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or WebSocketException)
        {
            // The client has gone: there is nobody to tell.
        }
    }
}
