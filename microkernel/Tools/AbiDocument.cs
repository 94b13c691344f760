using System.Text.Json;

namespace Eyrie.Microkernel.Tools;

/// <summary>The ABI as <c>Abi/abi.json</c> has it.</summary>
public sealed record AbiDocument(
    string Summary, int Version, int First, int Last, IReadOnlyList<AbiErrorEntry> Errors, IReadOnlyList<AbiEnum> Enums, IReadOnlyList<AbiConstants> Constants, IReadOnlyList<AbiCall> Calls)
{
    private static readonly JsonSerializerOptions s_strict = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true,
    };

    /// <exception cref="InvalidDataException">The document contradicts itself; the message says where.</exception>
    public static AbiDocument Parse(string json)
    {
        var document = JsonSerializer.Deserialize<AbiDocument>(json, s_strict)!;
        var problems = AbiCheck.Problems(document).ToList();
        return problems.Count == 0 ? document : throw new InvalidDataException("abi.json: " + string.Join("; ", problems));
    }
}

/// <summary>A result below zero that several calls have.</summary>
public sealed record AbiErrorEntry(string Name, int Value, string Meaning);

public sealed record AbiEnum(string Name, string Type, string Summary, IReadOnlyList<AbiMember> Members, bool Flags = false);

public sealed record AbiConstants(string Name, string Summary, IReadOnlyList<AbiMember> Members);

public sealed record AbiMember(string Name, int Value, string? Summary = null);

/// <summary>One call. Payload: what the caller puts into the message buffer's payload beforehand.</summary>
public sealed record AbiCall(string Name, int Number, string Summary, IReadOnlyList<AbiArgument> Arguments, string Rights, IReadOnlyList<AbiResult> Results, string? Payload = null);

public sealed record AbiArgument(string Name, string Type, string Meaning);

/// <summary>A result of a call: a value, or names of errors. After: what has changed then.</summary>
public sealed record AbiResult(string Result, string Meaning, string After);
