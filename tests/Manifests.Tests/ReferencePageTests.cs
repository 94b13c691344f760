using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests.Yaml;
using Xunit;

namespace Eyrie.Manifests.Tests;

/// <summary>Every example of PERMISSIONS.md compiles, and to the entry that stands behind it.</summary>
public sealed partial class ReferencePageTests
{
    private static string Page => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "../../../../../manifests/PERMISSIONS.md"));

    public static TheoryData<string> Examples() => [.. Block().Matches(Page).Select(match => match.Groups[1].Value)];

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_of_the_reference_page_becomes_what_it_says(string example)
    {
        var container = ManifestReader.Read("name: a\n" + example, "PERMISSIONS.md")[0].Content;
        var result = PermissionCompiler.Compile(new JsonObject { ["metadata"] = new JsonObject { ["namespace"] = "shop" }, ["spec"] = new JsonObject { ["containers"] = new JsonArray(container) } });
        Assert.Empty(result.Errors);
        var said = Comment().Matches(example).Select(match => match.Groups[1].Value.Trim()).ToList();
        Assert.NotEmpty(said);
        Assert.Empty(said.Except(result.Sets[0].Lines));
    }

    [Fact]
    public void Every_permission_that_is_known_stands_on_the_page()
    {
        var errors = new List<PermissionError>();
        new DeclarationReader("shop", "", errors).Read(new JsonObject { ["fly"] = true }, "permissions");
        var known = errors.Single().Message.Split("known are ")[1].Split(", ");
        Assert.True(known.Length > 10);
        Assert.All(known, name => Assert.Matches($@"\b{name}\b", Page));
    }

    [GeneratedRegex("```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@" # (.*)$", RegexOptions.Multiline)]
    private static partial Regex Comment();
}
