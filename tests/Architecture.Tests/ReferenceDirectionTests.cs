using System.Xml.Linq;
using Xunit;

namespace Eyrie.Architecture.Tests;

/// <summary>Project references point the way that ARCHITECTURE.md says, and no other.</summary>
public sealed class ReferenceDirectionTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["microkernel/Abi"] = [], ["microkernel/Core"] = ["microkernel/Abi"], ["microkernel/Client"] = ["microkernel/Abi"],
        ["microkernel/Ports/Linux"] = [], ["microkernel/Servers/MettEagle"] = [], ["microkernel/Servers/Network"] = [], ["microkernel/Hello"] = [], ["microkernel/Gate"] = [], ["microkernel/Tools"] = [],
        ["manifests"] = ["microkernel/Abi"], ["node/Contract"] = [], ["node/Agent"] = ["microkernel/Abi", "microkernel/Client", "manifests", "node/Contract"],
        ["control-plane/Store"] = [], ["control-plane/Resources"] = ["control-plane/Store", "manifests"], ["control-plane/Scheduler"] = [], ["control-plane/Registry"] = [],
        ["control-plane/Controllers"] = ["control-plane/Resources", "control-plane/Scheduler", "node/Contract"], ["control-plane/Api"] = ["control-plane/Resources", "control-plane/Controllers"],
        ["control-plane/Dashboard"] = ["control-plane/Controllers"], ["control-plane/Host"] = ["control-plane/Api", "control-plane/Dashboard", "control-plane/Registry"], ["cli"] = ["manifests"],
    };

    private static string Root => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../.."));

    /// <summary>Not of folders such as .git, in which others come and go while they are looked through.</summary>
    public static TheoryData<string> Projects() => [.. Directory.EnumerateDirectories(Root).Where(folder => Path.GetFileName(folder) is not ("tests" or ['.', ..])).SelectMany(folder => Directory.EnumerateFiles(folder, "*.csproj", SearchOption.AllDirectories))
        .Select(file => Path.GetRelativePath(Root, file)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_what_it_may_know(string project)
    {
        var folder = Path.GetDirectoryName(project)!;
        Assert.True(Allowed.TryGetValue(folder, out var allowed), $"{folder} is a new project: give it its place in ARCHITECTURE.md and here");
        var referenced = XDocument.Load(Path.Combine(Root, project)).Descendants("ProjectReference")
            .Select(reference => Path.GetRelativePath(Root, Path.GetFullPath(Path.Combine(Root, folder, Path.GetDirectoryName(reference.Attribute("Include")!.Value)!))));
        Assert.Empty(referenced.Except(allowed!));
    }
}
