using System.Text.Json;
using Eyrie.ControlPlane.Api.OpenApi;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>Every kind that the API serves now, with its schema: the standard ones, and those that CustomResourceDefinitions add. Replaced whole, so that a request sees one state.</summary>
public sealed class Catalog
{
    private sealed class State(IReadOnlyList<ResourceKind> kinds, IReadOnlyDictionary<ResourceKind, Schema?> schemas)
    {
        public IReadOnlyList<ResourceKind> Kinds { get; } = kinds;
        public IReadOnlyDictionary<ResourceKind, Schema?> Schemas { get; } = schemas;
        public Dictionary<(string Group, string Version, string Plural), ResourceKind> ByPath { get; } = kinds.ToDictionary(kind => (kind.Group, kind.Version, kind.Plural));
        public Dictionary<string, Lazy<byte[]>> Version3 { get; } = kinds.GroupBy(OpenApiDocuments.PathOf).ToDictionary(group => group.Key, group => new Lazy<byte[]>(() => JsonSerializer.SerializeToUtf8Bytes(OpenApiDocuments.Version3(group.Key, group.Select(kind => (kind, schemas[kind]))))));
        public Lazy<(byte[] Json, byte[] Message)> Version2 { get; } = new(() => OpenApiDocuments.Version2(kinds.Select(kind => (kind, schemas[kind]))) is var document ? (JsonSerializer.SerializeToUtf8Bytes(document), OpenApi.OpenApi2Message.Write(document)) : default);
    }

    private volatile State _state = Make([]);

    private static State Make(IReadOnlyCollection<(ResourceKind Kind, Schema Schema)> custom)
    {
        var standard = Resources.Kinds.Served.Concat(Resources.Kinds.Views).Concat(Resources.Kinds.Reviews).Concat([Resources.Kinds.NodeMetrics, Resources.Kinds.PodMetrics]).ToList();
        var kinds = standard.Concat(custom.Select(pair => pair.Kind)).ToList();
        var schemas = standard.ToDictionary(kind => kind, ModelSchemas.Of);
        foreach (var (kind, schema) in custom) schemas[kind] = schema;
        return new State(kinds, schemas);
    }

    public IReadOnlyList<ResourceKind> Kinds => _state.Kinds;

    public ResourceKind? Find(string group, string version, string plural) => _state.ByPath.GetValueOrDefault((group, version, plural));

    /// <summary>null: nothing is known of the kind's fields.</summary>
    public Schema? SchemaOf(ResourceKind kind) => _state.Schemas.GetValueOrDefault(kind);

    /// <summary>The kinds beside the standard ones are these from now on.</summary>
    public void SetCustom(IReadOnlyCollection<(ResourceKind Kind, Schema Schema)> custom) => _state = Make(custom);

    public IEnumerable<string> OpenApiPaths => _state.Version3.Keys;

    /// <summary>OpenAPI 3 of a group and version; null: there is none.</summary>
    public byte[]? OpenApi3(string path) => _state.Version3.GetValueOrDefault(path)?.Value;

    /// <summary>OpenAPI 2 of everything, as JSON.</summary>
    public byte[] OpenApi2 => _state.Version2.Value.Json;

    /// <summary>The same in protobuf.</summary>
    public byte[] OpenApi2Message => _state.Version2.Value.Message;
}
