using System.Xml.Linq;
using Xunit;

namespace Eyrie.Architecture.Tests;

/// <summary>The solution, which `./test` builds, is whole: what is referenced and does not stand in it would be built in another configuration than the rest.</summary>
public sealed class SolutionTests
{
    private static string Root => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../.."));

    private static HashSet<string> Listed => [.. XDocument.Load(Path.Combine(Root, "Eyrie.slnx")).Descendants("Project").Select(project => project.Attribute("Path")!.Value)];

    [Fact]
    public void What_a_project_of_the_solution_references_stands_in_it()
    {
        var referenced = Listed.SelectMany(project => XDocument.Load(Path.Combine(Root, project)).Descendants("ProjectReference")
            .Select(reference => Path.GetRelativePath(Root, Path.GetFullPath(Path.Combine(Root, Path.GetDirectoryName(project)!, reference.Attribute("Include")!.Value)))));
        Assert.Empty(referenced.Except(Listed));
    }

    [Fact]
    public void Every_project_of_tests_stands_in_the_solution()
    {
        var projects = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*.Tests.csproj", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(Root, file));
        Assert.Empty(projects.Except(Listed));
    }
}
