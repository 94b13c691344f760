namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>How a list or an object merges in server-side apply (x-kubernetes-list-type, x-kubernetes-map-type).</summary>
public enum MergeKind { Granular, Atomic, Set, Map }

/// <summary>An object of a schema, which may contain itself, or a value of another kind.</summary>
public sealed record ObjectOr(Lazy<Schema> Object, IReadOnlyList<System.Text.Json.JsonValueKind> Others);

/// <summary>A key of a list of objects, and the value it has where it is left out; null: it must be there.</summary>
public sealed record ListKey(string Name, string? Default);

/// <summary>What a value of a document may be, and how it merges. Immutable; the schema of a type that contains itself is finite because properties are made when asked for.</summary>
public sealed record Schema
{
    public static readonly Schema Anything = new() { PreserveUnknown = true };

    /// <summary><c>object</c>, <c>array</c>, <c>string</c>, <c>integer</c>, <c>number</c>, <c>boolean</c>, or empty: anything.</summary>
    public string Type { get; init; } = "";
    /// <summary>As OpenAPI names it, e.g. <c>date-time</c>, <c>byte</c>, <c>int32</c>; <c>int-or-string</c> for either.</summary>
    public string Format { get; init; } = "";
    public string Description { get; init; } = "";
    /// <summary>What <see cref="Descriptions"/> call its type, and the field that it stands in; null: they do not know it.</summary>
    public string? TypeDescribed { get; init; }
    public string? FieldDescribed { get; init; }
    /// <summary>Name of its definition in OpenAPI documents; null: it has none of its own.</summary>
    public string? Name { get; init; }
    /// <summary>Values of a map from string.</summary>
    public Schema? Values { get; init; }
    public Schema? Items { get; init; }
    /// <summary>Fields that it does not name are kept.</summary>
    public bool PreserveUnknown { get; init; }
    public IReadOnlyList<string> Required { get; init; } = [];
    public MergeKind Merge { get; init; }
    public IReadOnlyList<ListKey> Keys { get; init; } = [];
    /// <summary>Strategic merge patches merge this list: by <see cref="PatchKey"/>, or as a set without one.</summary>
    public bool PatchMerges { get; init; }
    public string? PatchKey { get; init; }
    public bool RetainKeys { get; init; }
    /// <summary>An object with apiVersion, kind and metadata of its own.</summary>
    public bool EmbeddedResource { get; init; }
    /// <summary>An object inside a standard kind that only Eyrie knows: it may be written as YAML text as well (<see cref="OwnFields"/>).</summary>
    public bool Own { get; init; }
    /// <summary>What values must satisfy beyond their type; null: nothing.</summary>
    public ValueRules? Rules { get; init; }
    /// <summary>The text of the schema as a CustomResourceDefinition has it, for OpenAPI documents; null: it is written from the fields here.</summary>
    public string? Published { get; init; }

    /// <summary>Of a value that is an object of a schema or of one of some other kinds; null: it is of one kind.</summary>
    public ObjectOr? Either { get; init; }

    internal Lazy<IReadOnlyDictionary<string, Schema>> LazyProperties { get; init; } = new(() => new Dictionary<string, Schema>());

    /// <summary>Named fields of an object.</summary>
    public IReadOnlyDictionary<string, Schema> Properties => LazyProperties.Value;

    public bool IsIntOrString => Format == "int-or-string";

    /// <summary>The schema of a field: named, or a map's values; null when it is not known.</summary>
    public Schema? Field(string name) => Properties.GetValueOrDefault(name) ?? Values ?? (PreserveUnknown ? Anything : null);

    public static Schema Object(IReadOnlyDictionary<string, Schema> properties) => new() { Type = "object", LazyProperties = new(() => properties) };

    public static Schema List(Schema items) => new() { Type = "array", Items = items, Merge = MergeKind.Atomic };

    public static Schema Text(string description) => new() { Type = "string", Description = description };
}
