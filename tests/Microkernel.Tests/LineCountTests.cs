using Eyrie.Microkernel.Tools;
using Xunit;

namespace Eyrie.Microkernel.Tests;

/// <summary>What a container must trust stays small: the bounds are MettEagle's aims for a kernel and its servers.</summary>
public sealed class LineCountTests
{
    private const int KernelBound = 8_000, TrustedBound = 20_000;

    private static string Microkernel => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../microkernel"));

    [Fact]
    public void The_kernel_and_all_it_trusts_stay_within_their_bounds()
    {
        var parts = LineCount.Of(Microkernel);
        Assert.All(parts, part => Assert.True(part.Lines > 0, $"{part.Part}: nothing was counted"));
        Assert.InRange(LineCount.Kernel(parts), 1, KernelBound);
        Assert.InRange(parts.Sum(part => part.Lines), 1, TrustedBound);
    }

    [Fact]
    public void The_table_in_the_README_is_what_is_counted() => Assert.Contains("\n\n" + LineCount.Table(LineCount.Of(Microkernel)) + "\n", File.ReadAllText(Path.Combine(Microkernel, "../README.md")), StringComparison.Ordinal);

    [Fact]
    public void Every_source_of_the_programs_is_counted_in_some_part()
    {
        var programs = Directory.EnumerateDirectories(Path.Combine(Microkernel, "Servers")).Select(Path.GetFileName).Order();
        Assert.Equal(["Common", "MettEagle", "Network"], programs);
        Assert.Equal(["Linux"], Directory.EnumerateDirectories(Path.Combine(Microkernel, "Ports")).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("int a = 1;", 1)]
    [InlineData("int a = 1,\n    b = 2;", 1)]
    [InlineData("if (a) { b(); c(); }", 3)]
    [InlineData("for (int i = 0; i < 3; i++) b();", 1)]
    [InlineData("// a; b;\n/* c; { */ d();", 1)]
    [InlineData("var s = \"; { \\\" ;\"; var c = ';';", 2)]
    [InlineData("\n\n\n", 0)]
    public void A_logical_line_is_a_statement_or_a_body_however_it_is_written(string source, int lines) => Assert.Equal(lines, LineCount.CSharp(source));
}
