using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests.Yaml;
using Xunit;

namespace Eyrie.Manifests.Tests;

/// <summary>How many system calls a container reaches with each sample set, and with none.</summary>
public sealed class SystemCallCountTests
{
    private const int EmptyBound = 45;

    /// <summary>What every container has: room for itself, and its log.</summary>
    private static readonly string[] Empty = ["log write", "quota memory=67108864 processes=1"];

    private static string Manifests => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../manifests"));

    [Fact]
    public void The_empty_set_reaches_45_calls_or_fewer() => Assert.InRange(PermissionScore.ReachableCalls(Empty), 1, EmptyBound);

    [Theory]
    [InlineData("listen tcp 80")]
    [InlineData("connect tcp service default/hello 80")]
    [InlineData("dir /data read,write")]
    [InlineData("quota memory=67108864 processes=2")]
    public void A_grant_brings_calls_and_no_set_comes_near_to_what_others_allow(string line)
    {
        int with = PermissionScore.ReachableCalls([.. Empty, line]);
        Assert.InRange(with, PermissionScore.ReachableCalls(Empty) + 1, PermissionScore.DockerDefault - 50);
    }

    private static IEnumerable<(string Name, IReadOnlyList<string> Lines)> Samples()
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Manifests, "samples"), "*.yaml", SearchOption.AllDirectories).Where(file => !file.EndsWith(".images.yaml", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            var documents = ManifestReader.Read(File.ReadAllText(file), file).Select(document => document.Content).ToList();
            List<JsonObject> Of(string kind) => [.. documents.Where(document => document["kind"]?.ToString() == kind)];
            var around = new CompileContext { Namespaces = Of("Namespace"), NetworkPolicies = Of("NetworkPolicy"), Services = Of("Service"), PermissionSets = Of("PermissionSet") };
            foreach (var document in documents)
            {
                if (DescribedPod.Of(document) is not var (pod, _)) continue;
                foreach (var set in PermissionCompiler.Compile(pod, around).Sets) yield return ($"{Path.GetRelativePath(Path.Combine(Manifests, "samples"), file)}, {document["metadata"]!["name"]}/{set.Container}", set.Lines);
            }
        }
    }

    /// <summary>With EYRIE_UPDATE=1 the page is written anew.</summary>
    [Fact]
    public void The_table_in_the_docs_counts_what_the_filters_let_through()
    {
        var text = new StringBuilder("""
            # System calls that a container reaches

            Written by `microkernel/tool calls`, and compared at every run of the tests. Counted are the calls of x86-64 that a container's filter lets through to the host's kernel for some argument; the filter is
            compiled from the classes that the container's set brings (`microkernel/Abi/CallClasses.cs`, `microkernel/Ports/Linux/Sandbox/SystemCallPolicy.cs`). What traps (connect, bind, listen, sockets of the
            internet) ends in Eyrie's own kernel, which acts in the container's place or refuses and records; without a network grant it only refuses and records.

            | set | system calls |
            |---|---|

            """);
        void Row(string name, int count) => text.Append(CultureInfo.InvariantCulture, $"| {name} | {count} |\n");
        Row("empty: one process, no network, nothing writable", PermissionScore.ReachableCalls(Empty));
        Row("and writable files", PermissionScore.ReachableCalls([.. Empty, "dir /data read,write"]));
        Row("and a network grant", PermissionScore.ReachableCalls([.. Empty, "listen tcp 80"]));
        Row("and further processes or threads", PermissionScore.ReachableCalls([.. Empty, "quota memory=67108864 processes=2"]));
        Row("and further threads of the one process", PermissionScore.ReachableCalls([.. Empty[..1], "quota memory=67108864 processes=1 threads=2"]));
        Row("and further processes of one thread each", PermissionScore.ReachableCalls([.. Empty[..1], "quota memory=67108864 processes=2 threads=1"]));
        Row("all classes", PermissionScore.ReachableCalls([.. Empty, "quota memory=67108864 processes=2", "listen tcp 80", "dir /data read,write", "processes shared-memory"]));
        foreach (var (name, lines) in Samples()) Row(name, PermissionScore.ReachableCalls(lines));
        Row("Docker's default profile (published)", PermissionScore.DockerDefault);
        Row("gVisor's sandbox, to its host (published)", PermissionScore.GvisorHost);
        var file = Path.Combine(Manifests, "SYSTEM-CALLS.md");
        if (Environment.GetEnvironmentVariable("EYRIE_UPDATE") == "1") File.WriteAllText(file, text.ToString());
        Assert.Equal(text.ToString(), File.ReadAllText(file));
    }
}
