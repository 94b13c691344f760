using System.Text.RegularExpressions;

namespace Eyrie.Servers.Tests;

/// <summary>microkernel/CVES.md and the attempts name the same weaknesses.</summary>
public sealed partial class WeaknessTableTests
{
    private static string Page(string name) => File.ReadAllText(Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../microkernel", name)));

    private static HashSet<string> Numbers(string text) => [.. Number().Matches(text).Select(match => match.Value)];

    [Fact]
    public void Every_weakness_that_an_attempt_is_known_from_stands_in_the_table() => Assert.Empty(Numbers(Page("ATTACKS.md")).Except(Numbers(Page("CVES.md"))));

    [Fact]
    public void Every_row_says_whether_it_is_reached_and_why()
    {
        var rows = Page("CVES.md").Split('\n').Where(line => line.StartsWith("| CVE-", StringComparison.Ordinal)).ToList();
        Assert.True(rows.Count > 40);
        Assert.All(rows, row => Assert.Matches(@"^\| CVE-[^|]+ \| [^|]+ \| (no|host) \| [^|]+ \|$", row));
        var all = rows.SelectMany(row => Number().Matches(row.Split('|')[1]).Select(match => match.Value)).ToList();
        Assert.Equal(all.Distinct().Count(), all.Count);
    }

    [GeneratedRegex(@"CVE-\d{4}-\d{4,}")]
    private static partial Regex Number();
}
