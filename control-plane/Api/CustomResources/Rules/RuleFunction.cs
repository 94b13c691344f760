namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>One form of a function of expressions.</summary>
/// <param name="Arguments">Types of its arguments; of a method the receiver is the first.</param>
/// <param name="Body">What it is of values of these types.</param>
internal sealed record RuleFunction(Type[] Arguments, Func<object?[], object?> Body)
{
    public static RuleFunction Of<T>(Func<T, object?> body) => new([typeof(T)], values => body((T)values[0]!));

    public static RuleFunction Of<T1, T2>(Func<T1, T2, object?> body) => new([typeof(T1), typeof(T2)], values => body((T1)values[0]!, (T2)values[1]!));

    public static RuleFunction Of<T1, T2, T3>(Func<T1, T2, T3, object?> body) => new([typeof(T1), typeof(T2), typeof(T3)], values => body((T1)values[0]!, (T2)values[1]!, (T3)values[2]!));
}

/// <summary>A value of a type that the language does not know. It is a map to it, of one text: that is how two of them are compared.</summary>
internal abstract class RuleObject : Dictionary<string, object?>
{
    /// <param name="type">Tells values of different types apart.</param>
    /// <param name="text">The same for values that are equal.</param>
    protected RuleObject(string type, string text) => this[type] = text;
}
