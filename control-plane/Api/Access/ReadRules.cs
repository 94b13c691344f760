using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>
/// The roles and bindings as they are now, each read from its text once: whoever asks is checked against all of them at every request. What was read is known by the very bytes that the store holds, so
/// a change is seen at once and nothing has to be told. The documents are for reading only.
/// </summary>
public sealed class ReadRules(IObjects objects)
{
    private readonly ConditionalWeakTable<byte[], JsonObject> _read = [];

    public async Task<AccessObjects> ObjectsAsync(CancellationToken cancellationToken)
    {
        async Task<IReadOnlyList<JsonObject>> Of(ResourceKind kind) => [.. (await objects.EncodedPageAsync(kind, null, new PageQuery(null, 0, Store.Revision.Zero), cancellationToken)).Items.Select(Read)];
        return new AccessObjects(await Of(Kinds.Role), await Of(Kinds.ClusterRole), await Of(Kinds.RoleBinding), await Of(Kinds.ClusterRoleBinding));
    }

    private JsonObject Read(EncodedObject stored) =>
        MemoryMarshal.TryGetArray(stored.Stored, out var held) && held is { Array: { } array, Offset: 0 } && held.Count == array.Length ? _read.GetValue(array, _ => Parsed(stored)) : Parsed(stored);

    private static JsonObject Parsed(EncodedObject stored)
    {
        var document = JsonNode.Parse(stored.Stored.Span)!.AsObject();
        Unfold(document);
        return document;
    }

    /// <summary>A document is unfolded at the first look, which must not happen to two readers at once.</summary>
    private static void Unfold(JsonNode? node)
    {
        if (node is JsonObject map) foreach (var (_, value) in map) Unfold(value);
        else if (node is JsonArray list) foreach (var item in list) Unfold(item);
    }
}
