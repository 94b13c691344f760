using System.Net;
using System.Net.Security;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Proxying;
using Eyrie.ControlPlane.Api.Streaming;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>pods/proxy and services/proxy: the request to a port of a pod and its answer back, both streamed, over a port-forward through the pod's node.</summary>
public sealed class Proxies(IObjects objects, INodeGateway nodes)
{
    public async Task ProxyAsync(Call call)
    {
        var target = ProxyTarget.Parse(call.Kind, call.Name.Name);
        var name = call.Name with { Name = target.Name };
        var found = await objects.GetAsync(call.Kind, name, call.Ends) ?? throw new ObjectNotFoundException(call.Kind, name);
        var (pod, port) = call.Kind == Kinds.Pod ? (Running(found), target.PortOf(found)) : await EndpointAsync(target, found, call.Ends);
        var (http, ends) = (call.Http, call.Http.RequestAborted);
        if (call.Request.Rest is not { Length: > 0 } rest)
        {
            // Links of a page are relative to its folder: without the slash they would miss the proxy.
            if (HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method))
            {
                http.Response.Redirect(http.Request.Path.ToUriComponent() + "/" + http.Request.QueryString.ToUriComponent(), permanent: true);
                return;
            }
            rest = "/";
        }
        call.GoOn();
        await using var stream = await nodes.OpenStreamAsync(PodContainers.NodeOf(pod), new StreamRequest { PodUid = pod.Uid(), PortForward = new PortForwardRequest() }, ends);
        using var way = Way(stream, port);
        using var asked = Request(http, new Uri($"{target.Scheme}://{pod.PodAddress()}:{port}"), rest);
        using var answer = await AskAsync(way, asked, ends);
        await AnswerAsync(http, answer, asked.RequestUri!, http.Request.Path.ToUriComponent()[..^new PathString(rest).ToUriComponent().Length]);
    }

    private static JsonObject Running(JsonObject pod) => pod.Phase() == "Running" && pod.PodAddress().Length > 0 ? pod
        : throw ProxyTarget.Unavailable($"pod \"{pod.Name()}\" is not running: its phase is {pod.Phase()}");

    private async Task<(JsonObject Pod, int Port)> EndpointAsync(ProxyTarget target, JsonObject service, CancellationToken cancellationToken)
    {
        var endpoints = target.EndpointsOf(service, (await objects.ListAsync(Kinds.Pod, service.Namespace(), cancellationToken)).Items);
        return endpoints[Random.Shared.Next(endpoints.Count)];
    }

    /// <summary>A client of one connection. Its certificate is not looked at: the cluster's node is asked, by the pod's own uid.</summary>
    private static HttpMessageInvoker Way(INodeStream stream, int port) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) => await NodeConnection.OpenAsync(stream, port, cancellationToken),
        AllowAutoRedirect = false, AutomaticDecompression = DecompressionMethods.None, UseCookies = false, UseProxy = false, MaxConnectionsPerServer = 1, ActivityHeadersPropagator = null,
        RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8, // as the server read them
        SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, _, _, _) => true },
    });

    private static HttpRequestMessage Request(HttpContext http, Uri server, string rest)
    {
        var incoming = http.Request;
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = null;
        var made = new HttpRequestMessage(new HttpMethod(incoming.Method), new Uri(server, new PathString(rest).ToUriComponent() + incoming.QueryString.ToUriComponent())) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        if (http.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true) made.Content = new StreamContent(incoming.Body);
        foreach (var (name, values) in ProxyHeaders.ToPod(incoming.Headers))
            if (!made.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values)) made.Content?.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        made.Headers.TryAddWithoutValidation("X-Forwarded-Host", incoming.Host.Value);
        made.Headers.TryAddWithoutValidation("X-Forwarded-Proto", incoming.Scheme);
        made.Headers.TryAddWithoutValidation("X-Forwarded-Uri", incoming.Path.ToUriComponent());
        return made;
    }

    private static async Task<HttpResponseMessage> AskAsync(HttpMessageInvoker way, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await way.SendAsync(request, cancellationToken);
        }
        catch (HttpRequestException exception)
        {
            throw ProxyTarget.Unavailable("error trying to reach service: " + exception.GetBaseException().Message);
        }
    }

    private static async Task AnswerAsync(HttpContext http, HttpResponseMessage answer, Uri asked, string prefix)
    {
        http.Response.StatusCode = (int)answer.StatusCode;
        var fields = answer.Headers.NonValidated.Concat(answer.Content.Headers.NonValidated).Select(field => KeyValuePair.Create(field.Key, new Microsoft.Extensions.Primitives.StringValues([.. field.Value])));
        foreach (var (name, values) in ProxyHeaders.ToClient(fields, new([.. answer.Headers.Connection]))) http.Response.Headers[name] = values;
        if (http.Response.Headers.Location.ToString() is { Length: > 0 } location) http.Response.Headers.Location = ProxyHeaders.Location(location, asked, prefix);
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(http.RequestAborted);
            await http.Response.StartAsync(http.RequestAborted);
            var buffer = new byte[32 << 10];
            int read;
            while ((read = await body.ReadAsync(buffer, http.RequestAborted)) > 0)
            {
                await http.Response.Body.WriteAsync(buffer.AsMemory(0, read), http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
            }
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or OperationCanceledException)
        {
            http.Abort(); // half an answer must not look like a whole one
        }
    }
}
