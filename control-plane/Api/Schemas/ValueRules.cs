using System.Text.RegularExpressions;
using Eyrie.ControlPlane.Api.CustomResources;

namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>What a schema of a CustomResourceDefinition asks of a value beyond its type. Immutable; values are kept as JSON text.</summary>
public sealed record ValueRules
{
    public bool Nullable { get; init; }
    /// <summary>What stands where the field is left out; null: nothing does.</summary>
    public string? Default { get; init; }
    /// <summary>The only values allowed; empty: any.</summary>
    public IReadOnlyList<string> Enum { get; init; } = [];
    public double? Minimum { get; init; }
    public double? Maximum { get; init; }
    public bool ExclusiveMinimum { get; init; }
    public bool ExclusiveMaximum { get; init; }
    public double? MultipleOf { get; init; }
    /// <summary>Of strings, in code points.</summary>
    public long? MinLength { get; init; }
    public long? MaxLength { get; init; }
    public Regex? Pattern { get; init; }
    public long? MinItems { get; init; }
    public long? MaxItems { get; init; }
    public long? MinProperties { get; init; }
    public long? MaxProperties { get; init; }
    public IReadOnlyList<Schema> AllOf { get; init; } = [];
    public IReadOnlyList<Schema> AnyOf { get; init; } = [];
    public IReadOnlyList<Schema> OneOf { get; init; } = [];
    public Schema? Not { get; init; }
    /// <summary>Expressions over the value.</summary>
    public IReadOnlyList<ValidationRule> Validations { get; init; } = [];
}
