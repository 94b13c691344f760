using Xunit.Abstractions;
using Xunit.Sdk;

namespace Eyrie.Tests;

/// <summary>Of a class of tests, or of what defines a collection of them: about how long it takes, where that is long.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class TakesAttribute(int seconds) : Attribute
{
    public int Seconds { get; } = seconds;
}

/// <summary>Collections run beside each other, one a core: those that take long begin first, so that none runs on alone at the end.</summary>
public sealed class LongestFirst : Xunit.ITestCollectionOrderer
{
    private const string OfClass = "Test collection for ";

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) => testCollections.OrderByDescending(Seconds);

    private static int Seconds(ITestCollection collection)
    {
        var named = collection.CollectionDefinition ?? (collection.DisplayName.StartsWith(OfClass, StringComparison.Ordinal) ? collection.TestAssembly.Assembly.GetType(collection.DisplayName[OfClass.Length..]) : null);
        return named?.GetCustomAttributes(typeof(TakesAttribute).AssemblyQualifiedName).FirstOrDefault()?.GetNamedArgument<int>(nameof(TakesAttribute.Seconds)) ?? 0;
    }
}
