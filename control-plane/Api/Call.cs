using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Limits;
using Eyrie.ControlPlane.Api.Wire;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Yaml;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Eyrie.ControlPlane.Api;

/// <summary>One request to a resource: what it asks for, its body, and the way to answer it.</summary>
public sealed class Call(HttpContext http, ApiRequest request, RequestLimits.Admitted admitted, CancellationToken deadline)
{
    public const int MaxBody = 3 << 20, MaxDepth = 64;

    public HttpContext Http { get; } = http;
    public ApiRequest Request { get; } = request;
    public ResourceKind Kind => Request.Kind;
    public ObjectName Name => Request.ObjectName;
    public IQueryCollection Query => Http.Request.Query;

    /// <summary>The client has gone, or the request has taken too long.</summary>
    public CancellationToken Ends { get; } = deadline;

    public Shape Shape { get; } = Shape.Of(http.Request.Headers.Accept.ToString(), http.Request.Query["includeObject"].ToString());
    public WriteOptions Options => field ??= WriteOptions.Of(Http.Request);
    public string ContentType => Http.Request.ContentType?.Split(';')[0].Trim() ?? "";

    public KubectlView View { get; } = KubectlViews.Of(http.Request.Headers["Kubectl-Command"].ToString());

    /// <summary>Parts of the document that were written as text, by their field paths.</summary>
    public IReadOnlyDictionary<string, ManifestDocument> Texts { get; set; } = new Dictionary<string, ManifestDocument>();

    /// <summary>What is to be said of fields that stand in the body more than once, as Kubernetes words it; the last of them counted.</summary>
    public IReadOnlyList<string> Repeated { get; private set; } = [];

    /// <summary>The error with its line, when it is in such a part.</summary>
    public FieldError Placed(FieldError error)
    {
        foreach (var (path, text) in Texts)
            if (error.Field.StartsWith(path + '.', StringComparison.Ordinal) && text.PlaceOf(error.Field[(path.Length + 1)..]) is { Line: > 0 } place)
                return error with { Message = string.Create(CultureInfo.InvariantCulture, $"{error.Message} (line {place.Line} of {path[(path.LastIndexOf('.') + 1)..]})") };
        return error;
    }

    /// <summary>A document in JSON, YAML or Kubernetes protobuf, as the content type says.</summary>
    public async Task<JsonObject> BodyAsync() => await OptionalBodyAsync() ?? throw StatusException.BadRequest("the body must be an object");

    /// <summary>null: there is no body.</summary>
    public async Task<JsonObject?> OptionalBodyAsync()
    {
        var bytes = await BytesAsync();
        if (bytes.Length == 0) return null;
        return ContentType switch
        {
            WireDocument.MediaType => WireDocument.Read(bytes),
            "application/yaml" or "text/yaml" => Yaml(Encoding.UTF8.GetString(bytes)),
            "application/json" or "" or "text/plain" or "application/octet-stream" or "application/x-www-form-urlencoded" => Read(bytes) as JsonObject ?? throw StatusException.BadRequest("the body must be an object"),
            var type => throw new StatusException(415, "UnsupportedMediaType", $"the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, {WireDocument.MediaType}; this one is {type}"),
        };
    }

    /// <summary>From now on the request waits for what happens: its turn is over, and others have theirs.</summary>
    public void GoOn() => admitted.GoOn();

    private byte[]? _body;

    /// <summary>Takes the whole body in.</summary>
    public async Task ReceiveAsync() => _body = await BytesAsync();

    public async Task<byte[]> BytesAsync()
    {
        if (_body is not null) return _body;
        if (Http.Request.ContentLength > MaxBody) throw TooLarge();
        if (Http.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false }) return [];
        var body = Http.Request.BodyReader;
        while (true)
        {
            var read = await body.ReadAsync(Ends);
            if (read.Buffer.Length > MaxBody) throw TooLarge();
            if (!read.IsCompleted) { body.AdvanceTo(read.Buffer.Start, read.Buffer.End); continue; }
            var bytes = read.Buffer.ToArray();
            body.AdvanceTo(read.Buffer.End);
            return bytes;
        }
    }

    private static StatusException TooLarge() => new(413, "RequestEntityTooLarge", $"Request entity too large: limit is {MaxBody} bytes");

    /// <summary>JSON of the body. What it says more than once stands in <see cref="Repeated"/>.</summary>
    public JsonNode? Read(ReadOnlySpan<byte> text)
    {
        if (!System.Text.Unicode.Utf8.IsValid(text)) throw StatusException.BadRequest("the body is not valid UTF-8");
        try
        {
            if (text.IndexOf("\\ud"u8) >= 0 || text.IndexOf("\\uD"u8) >= 0) CheckSurrogates(text);
            return Once(text) ?? Again(text);
        }
        catch (JsonException exception)
        {
            throw StatusException.BadRequest("the body is not valid JSON: " + exception.Message);
        }
    }

    /// <summary>null also when a field stands in it twice, or it is no JSON: both are looked at apart, because nearly no body has either.</summary>
    private static JsonNode? Once(ReadOnlySpan<byte> text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private JsonNode? Again(ReadOnlySpan<byte> text)
    {
        var (document, paths) = RepeatedFields.Read(text, new JsonReaderOptions { MaxDepth = MaxDepth });
        Repeated = [.. paths.Select(path => $"duplicate field \"{path}\"")];
        return document;
    }

    /// <summary>Half of a character above U+FFFF is no text that can be stored.</summary>
    private static void CheckSurrogates(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = MaxDepth });
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName)) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException exception)
            {
                throw StatusException.BadRequest($"the body is not valid JSON: at byte {reader.TokenStartIndex}: {exception.Message}");
            }
        }
    }

    /// <summary>YAML of the body, one document. What it says more than once stands in <see cref="Repeated"/>.</summary>
    public JsonObject Yaml(string text)
    {
        try
        {
            var repeated = new List<string>();
            var documents = ManifestReader.Read(text, "body", repeated: repeated);
            Repeated = repeated;
            return documents is [var only] ? only.Content : throw StatusException.BadRequest("the body must be one YAML document");
        }
        catch (ManifestException exception)
        {
            throw StatusException.BadRequest("the body is not valid YAML: " + exception.Message);
        }
    }

    /// <summary>Answers with an object, in the shape that was asked for.</summary>
    public Task AnswerAsync(JsonObject document, int code = 200)
    {
        Http.Response.StatusCode = code;
        return SendAsync(Http, Shape, Shape.Show(Kind, document));
    }

    /// <summary>Answers with a document as it is: a list, a table, a status.</summary>
    public Task SendAsync(JsonObject document) => SendAsync(Http, Shape, document);

    public static async Task SendAsync(HttpContext http, Shape shape, JsonObject document)
    {
        http.Response.ContentType = shape.Yaml ? "application/yaml" : "application/json";
        if (shape.Yaml) await http.Response.WriteAsync(YamlText.Write(document), http.RequestAborted);
        else
        {
            await using var writer = new Utf8JsonWriter(http.Response.BodyWriter);
            document.WriteTo(writer);
        }
    }
}
