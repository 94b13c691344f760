namespace Eyrie.Servers.Tests;

/// <summary>Sections of microkernel/ATTACKS.md that tests write with EYRIE_UPDATE=1, and otherwise compare.</summary>
public static class AttackPage
{
    private static readonly SemaphoreSlim One = new(1, 1);

    private static string File => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../microkernel/ATTACKS.md"));

    /// <param name="title">The section's heading.</param>
    /// <param name="content">Everything below it, up to the next heading.</param>
    public static async Task CheckAsync(string title, string content)
    {
        await One.WaitAsync();
        try
        {
            var page = await System.IO.File.ReadAllTextAsync(File);
            var (heading, wanted) = ($"\n## {title}\n\n", content.Trim() + "\n");
            int start = page.IndexOf(heading, StringComparison.Ordinal), end = start < 0 ? -1 : page.IndexOf("\n## ", start + heading.Length, StringComparison.Ordinal);
            var now = start < 0 ? "" : page[(start + heading.Length)..(end < 0 ? page.Length : end)];
            if (Environment.GetEnvironmentVariable("EYRIE_UPDATE") == "1")
            {
                page = start < 0 ? page + heading + wanted : page[..(start + heading.Length)] + wanted + (end < 0 ? "" : page[end..]);
                await System.IO.File.WriteAllTextAsync(File, page);
                return;
            }
            Assert.Equal(wanted, now);
        }
        finally
        {
            One.Release();
        }
    }
}
