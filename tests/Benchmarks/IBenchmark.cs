namespace Eyrie.Benchmarks;

/// <summary>One benchmark: a class of its own is all it takes, <c>Program.cs</c> finds it.</summary>
public interface IBenchmark
{
    /// <summary>The word after <c>./bench</c>.</summary>
    string Name { get; }

    /// <summary>What is measured, in one line.</summary>
    string Description { get; }

    /// <summary>Rounds when none are given.</summary>
    int DefaultRounds { get; }

    /// <summary>Measures and prints its tables, Markdown, on standard output.</summary>
    Task RunAsync(int rounds);
}
