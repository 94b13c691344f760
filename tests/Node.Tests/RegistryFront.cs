using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Eyrie.Node.Tests;

/// <summary>A real HTTP server before a registry: it answers what it is told to and passes everything else on.</summary>
internal sealed class RegistryFront : IAsyncDisposable
{
    private static readonly string[] Passed = ["Accept", "Authorization", "Range"];

    private readonly WebApplication _server;
    private readonly HttpClient _registry = new();

    /// <summary>Every path that was asked for, and the answer's status.</summary>
    public ConcurrentQueue<(string Path, int Code)> Answers { get; } = new();

    public string Address => new Uri(_server.Urls.Single()).Authority;

    private RegistryFront(WebApplication server) => _server = server;

    /// <param name="registry">Host and port of what is behind it.</param>
    /// <param name="answer">Told a path and how often it was asked for, this time with it; a status and its Retry-After, 0: the connection is cut instead; or null: the registry answers.</param>
    /// <param name="instead">The path that the registry is asked for in place of another; null: for what was asked.</param>
    public static async Task<RegistryFront> StartAsync(string registry, Func<string, int, (HttpStatusCode Code, string? RetryAfter)?> answer, Func<string, string>? instead = null)
    {
        var front = new RegistryFront(HttpServer.Build());
        front._server.Run(async context =>
        {
            string path = context.Request.Path.ToString();
            int times = front.Answers.Count(answered => answered.Path == path) + 1;
            if (answer(path, times) is { } own)
            {
                if (own.Code == 0)
                {
                    front.Answers.Enqueue((path, 0));
                    context.Abort();
                    return;
                }
                (context.Response.StatusCode, context.Response.Headers.RetryAfter) = ((int)own.Code, own.RetryAfter);
                front.Answers.Enqueue((path, (int)own.Code));
                return;
            }
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{registry}{instead?.Invoke(path) ?? path}");
            foreach (var name in Passed.Where(context.Request.Headers.ContainsKey)) request.Headers.TryAddWithoutValidation(name, context.Request.Headers[name].ToString());
            using var response = await front._registry.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            (context.Response.StatusCode, context.Response.ContentType) = ((int)response.StatusCode, response.Content.Headers.ContentType?.ToString());
            front.Answers.Enqueue((path, (int)response.StatusCode));
            await response.Content.CopyToAsync(context.Response.Body);
        });
        await front._server.StartAsync();
        return front;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _registry.Dispose();
    }
}
