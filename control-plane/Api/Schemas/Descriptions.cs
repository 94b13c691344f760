namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>What the models package says of the standard kinds and their fields, for <c>kubectl explain</c>: its documentation, which is embedded when this is built (Descriptions.xslt).</summary>
public sealed class Descriptions
{
    private const string File = "Descriptions.txt";
    private static readonly WeakReference<Descriptions> Last = new(null!);

    private readonly Dictionary<string, string> _texts;

    private Descriptions() => _texts = MergeRules.Lines(File).Select(line => line.Split(' ', 2)).ToDictionary(words => words[0], words => words[1], StringComparer.Ordinal);

    /// <summary>They are needed when documents are made, which is seldom: kept as long as somebody uses them.</summary>
    public static Descriptions Read()
    {
        lock (Last)
        {
            if (Last.TryGetTarget(out var known)) return known;
            var read = new Descriptions();
            Last.SetTarget(read);
            return read;
        }
    }

    /// <param name="subject"><c>V1Container</c> or <c>V1Container.Args</c>.</param>
    /// <returns>Empty: nothing is known.</returns>
    public string Of(string? subject) => subject is null ? "" : _texts.GetValueOrDefault(subject, "");
}
