using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>
/// The server's side of the WebSocket handshake (RFC 6455, section 4.2.2), for a subprotocol whose name the framework refuses: <c>SPDY/3.1+portforward.k8s.io</c>
/// holds a character that the RFC does not allow there, and kubectl sends it all the same.
/// </summary>
public static class WebSocketUpgrade
{
    private const string Guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(30);

    public static async Task<WebSocket> AcceptAsync(HttpContext http, string protocol)
    {
        http.Response.Headers.Upgrade = "websocket";
        http.Response.Headers.Connection = "Upgrade";
        http.Response.Headers.SecWebSocketProtocol = protocol;
#pragma warning disable CA5350 // the handshake is defined with SHA-1; nothing is secret in it
        http.Response.Headers.SecWebSocketAccept = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(http.Request.Headers.SecWebSocketKey + Guid)));
#pragma warning restore CA5350
        var stream = await http.Features.Get<IHttpUpgradeFeature>()!.UpgradeAsync();
        return WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = KeepAlive });
    }
}
