using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests.Yaml;
using Xunit;

namespace Eyrie.Manifests.Tests;

/// <summary>
/// Case folders below <c>Cases</c>: <c>input.yaml</c> (the first Pod is compiled, everything else is around it) and <c>expected.txt</c>. With EYRIE_UPDATE=1 the expectations are written anew.
/// </summary>
public sealed class PolicyTests
{
    private static string Cases => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../Cases"));

    public static TheoryData<string> Folders() => [.. Directory.EnumerateDirectories(Cases).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_case_compiles_to_what_is_expected(string folder)
    {
        var documents = ManifestReader.Read(File.ReadAllText(Path.Combine(Cases, folder, "input.yaml")), "input.yaml");
        List<JsonObject> Of(string kind) => [.. documents.Select(document => document.Content).Where(document => document["kind"]!.ToString() == kind)];
        var pods = Of("Pod");
        var result = PermissionCompiler.Compile(pods[0], new CompileContext { Namespaces = Of("Namespace"), NetworkPolicies = Of("NetworkPolicy"), Services = Of("Service"), Pods = pods, PermissionSets = Of("PermissionSet"), PermissionRecords = Of("PermissionRecord") });
        var lines = result.Sets.SelectMany(set => set.Entries.DistinctBy(entry => entry.Entry).OrderBy(entry => entry.Entry, StringComparer.Ordinal).Select(entry => $"{set.Container}: {entry.Entry}    # {entry.Source}"))
            .Concat(result.Errors.Select(error => $"error {error.Source}: {error.Message}")).Concat(result.Notes.Select(note => $"note {note.Source}: {note.Message}"));
        var text = string.Join('\n', lines) + "\n";
        var file = Path.Combine(Cases, folder, "expected.txt");
        if (Environment.GetEnvironmentVariable("EYRIE_UPDATE") == "1") File.WriteAllText(file, text);
        Assert.Equal(File.ReadAllText(file), text);
    }
}
