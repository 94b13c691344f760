using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;

namespace Eyrie.ControlPlane.Api.Wire;

/// <summary>
/// Documents that clients send as <c>application/vnd.kubernetes.protobuf</c>: the four bytes <c>k8s\0</c>, then runtime.Unknown (typeMeta, raw) around the message. Read
/// into JSON by the table of Wire.txt; what Kubernetes leaves out of JSON (zero values without a pointer) is left out here.
/// </summary>
public static class WireDocument
{
    public const string MediaType = "application/vnd.kubernetes.protobuf";
    private static ReadOnlySpan<byte> Magic => "k8s\0"u8;

    /// <exception cref="StatusException">400: it is not of that form. 415: a kind that has no table.</exception>
    public static JsonObject Read(ReadOnlySpan<byte> body)
    {
        if (!body.StartsWith(Magic)) throw StatusException.BadRequest("the body is not Kubernetes protobuf: it must begin with the bytes k8s and 0");
        try
        {
            string apiVersion = "", kind = "";
            var raw = ByteString.Empty;
            var input = new CodedInputStream(body[Magic.Length..].ToArray());
            while (input.ReadTag() is var tag and not 0)
            {
                switch (WireFormat.GetTagFieldNumber(tag))
                {
                    case 1: (apiVersion, kind) = TypeMeta(input.ReadBytes().CreateCodedInput()); break;
                    case 2: raw = input.ReadBytes(); break;
                    default: input.SkipLastField(); break;
                }
            }
            var made = Message(MessageName(apiVersion, kind), raw.CreateCodedInput(), 0);
            made["apiVersion"] = apiVersion;
            made["kind"] = kind;
            // Once through text, so that a number is any type of number, as in a document that came as JSON.
            return JsonNode.Parse(made.ToJsonString())!.AsObject();
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or JsonException or ArgumentOutOfRangeException)
        {
            throw StatusException.BadRequest("the body is not valid protobuf: " + exception.Message);
        }
    }

    private static (string ApiVersion, string Kind) TypeMeta(CodedInputStream input)
    {
        string apiVersion = "", kind = "";
        while (input.ReadTag() is var tag and not 0)
        {
            if (tag == WireFormat.MakeTag(1, WireFormat.WireType.LengthDelimited)) apiVersion = input.ReadString();
            else if (tag == WireFormat.MakeTag(2, WireFormat.WireType.LengthDelimited)) kind = input.ReadString();
            else input.SkipLastField();
        }
        return (apiVersion, kind);
    }

    /// <summary><c>rbac.authorization.k8s.io/v1 Role</c> is rbac/v1.Role.</summary>
    private static string MessageName(string apiVersion, string kind)
    {
        var parts = apiVersion.Split('/');
        var (group, version) = parts.Length == 1 ? ("core", parts[0]) : (parts[0].Split('.')[0], parts[1]);
        var name = kind == "DeleteOptions" ? "meta/v1.DeleteOptions" : $"{group}/{version}.{kind}";
        return WireTypes.All.ContainsKey(name) ? name : throw new StatusException(415, "UnsupportedMediaType", $"{apiVersion} {kind} is not known as protobuf; send application/json");
    }

    private static JsonObject Message(string name, CodedInputStream input, int depth)
    {
        if (depth > 40) throw StatusException.BadRequest("the body is nested too deeply");
        var made = new JsonObject();
        var fields = WireTypes.All[name];
        while (input.ReadTag() is var tag and not 0)
        {
            if (!fields.TryGetValue(WireFormat.GetTagFieldNumber(tag), out var field)) { input.SkipLastField(); continue; }
            switch (field.Shape)
            {
                case '[' when WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited && field.Scalar is WireScalar.Number or WireScalar.Boolean: Packed(List(made, field.Name), field, input.ReadBytes().CreateCodedInput(), depth); break;
                case '[': List(made, field.Name).Add(Value(field, input, depth)); break;
                case '{' or 'e':
                    var (key, value) = Entry(field, input.ReadBytes().CreateCodedInput(), depth);
                    if (made[field.Name] is not JsonObject map) made[field.Name] = map = [];
                    map[key] = value;
                    break;
                default: Put(made, field, Value(field, input, depth)); break;
            }
        }
        return made;
    }

    private static JsonArray List(JsonObject made, string name)
    {
        if (made[name] is not JsonArray list) made[name] = list = [];
        return list;
    }

    private static void Packed(JsonArray list, WireField field, CodedInputStream input, int depth)
    {
        while (!input.IsAtEnd) list.Add(Value(field, input, depth));
    }

    private static void Put(JsonObject made, WireField field, JsonNode? value)
    {
        if (field.Name.Length == 0)
        {
            foreach (var (name, inner) in ((JsonObject)value!).ToList()) made[name] = inner?.DeepClone();
            return;
        }
        if (value is null || (!field.Pointer && IsZero(value))) return;
        made[field.Name] = value;
    }

    private static bool IsZero(JsonNode value) => value switch
    {
        JsonObject map => map.Count == 0,
        JsonValue scalar => (scalar.TryGetValue(out string? text) && text.Length == 0) || (scalar.TryGetValue(out bool truth) && !truth) || (scalar.TryGetValue(out long number) && number == 0),
        _ => false,
    };

    private static (string Key, JsonNode? Value) Entry(WireField field, CodedInputStream input, int depth)
    {
        var key = "";
        JsonNode? value = field.Scalar == WireScalar.Text && field.Shape == '{' ? "" : null;
        while (input.ReadTag() is var tag and not 0)
        {
            int number = WireFormat.GetTagFieldNumber(tag);
            if (number == 1) key = input.ReadString();
            else if (number == 2) value = field.Shape == 'e' ? Texts(input.ReadBytes().CreateCodedInput()) : Value(field, input, depth);
            else input.SkipLastField();
        }
        return (key, value);
    }

    private static JsonArray Texts(CodedInputStream input)
    {
        var made = new JsonArray();
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == 1) made.Add(input.ReadString());
            else input.SkipLastField();
        }
        return made;
    }

    private static JsonNode? Value(WireField field, CodedInputStream input, int depth) => field.Scalar switch
    {
        WireScalar.None => Message(field.Message!, input.ReadBytes().CreateCodedInput(), depth + 1),
        WireScalar.Text => input.ReadString(),
        WireScalar.Number => input.ReadInt64(),
        WireScalar.Boolean => input.ReadBool(),
        WireScalar.Bytes => Convert.ToBase64String(input.ReadBytes().Span),
        WireScalar.Time => Time(input.ReadBytes().CreateCodedInput(), "yyyy-MM-dd'T'HH:mm:ss'Z'"),
        WireScalar.MicroTime => Time(input.ReadBytes().CreateCodedInput(), "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'"),
        WireScalar.Duration => Single(input.ReadBytes().CreateCodedInput(), static inner => JsonValue.Create(inner.ReadInt64() / 1e9 + "s")),
        WireScalar.Quantity => Single(input.ReadBytes().CreateCodedInput(), static inner => inner.ReadString()) ?? "0",
        WireScalar.RawJson => Single(input.ReadBytes().CreateCodedInput(), static inner => JsonNode.Parse(inner.ReadBytes().Span)),
        _ => IntOrString(input.ReadBytes().CreateCodedInput()),
    };

    /// <summary>The value of field 1, which is all that the message has.</summary>
    private static JsonNode? Single(CodedInputStream input, Func<CodedInputStream, JsonNode?> read)
    {
        JsonNode? made = null;
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == 1) made = read(input);
            else input.SkipLastField();
        }
        return made;
    }

    /// <summary>Seconds and nanoseconds since 1970; null for an empty message, which is no time.</summary>
    private static JsonNode? Time(CodedInputStream input, string format)
    {
        long seconds = 0, nanoseconds = 0;
        bool any = false;
        while (input.ReadTag() is var tag and not 0)
        {
            any = true;
            int number = WireFormat.GetTagFieldNumber(tag);
            if (number == 1) seconds = input.ReadInt64();
            else if (number == 2) nanoseconds = input.ReadInt64();
            else input.SkipLastField();
        }
        return any ? DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(nanoseconds / 100).ToString(format, CultureInfo.InvariantCulture) : null;
    }

    private static JsonNode? IntOrString(CodedInputStream input)
    {
        long type = 0, number = 0;
        var text = "";
        while (input.ReadTag() is var tag and not 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1: type = input.ReadInt64(); break;
                case 2: number = input.ReadInt64(); break;
                case 3: text = input.ReadString(); break;
                default: input.SkipLastField(); break;
            }
        }
        return type == 0 ? number : text;
    }
}
