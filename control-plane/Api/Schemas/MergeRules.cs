namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>The rules of MergeRules.txt.</summary>
internal static class MergeRules
{
    private static readonly Dictionary<string, string[]> Rules = Lines("MergeRules.txt").Select(line => line.Split(' ')).ToDictionary(words => words[0], words => words[1..]);

    /// <summary>Lines of an embedded data file, without comments.</summary>
    public static IEnumerable<string> Lines(string file)
    {
        using var reader = new StreamReader(typeof(MergeRules).Assembly.GetManifestResourceStream(file)!);
        while (reader.ReadLine() is { } line)
            if (line.Length > 0 && line[0] != '#') yield return line;
    }

    /// <summary>A schema with the rules for <c>TYPE</c> or <c>TYPE.FIELD</c>, if there are any.</summary>
    public static Schema Apply(string subject, Schema schema)
    {
        foreach (var word in Rules.GetValueOrDefault(subject, []))
            schema = word.Split(':') switch
            {
                ["atomic"] => schema with { Merge = MergeKind.Atomic },
                ["granular"] => schema with { Merge = MergeKind.Granular },
                ["set"] => schema with { Merge = MergeKind.Set },
                ["map", var keys] => schema with { Merge = MergeKind.Map, Keys = [.. keys.Split(',').Select(key => key.Split('=')).Select(pair => new ListKey(pair[0], pair.Length > 1 ? pair[1] : null))] },
                ["merge"] => schema with { PatchMerges = true },
                ["merge", var key] => schema with { PatchMerges = true, PatchKey = key },
                ["retainKeys"] => schema with { RetainKeys = true },
                _ => throw new InvalidOperationException($"MergeRules.txt: \"{word}\" of {subject} is no rule"),
            };
        return schema;
    }
}
