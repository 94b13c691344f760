using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests.Permissions.Learning;
using Eyrie.Manifests.Yaml;
using Xunit;

namespace Eyrie.Manifests.Tests;

/// <summary>Case folders below <c>Learning</c>: <c>input.yaml</c> (a workload, its PermissionRecord, and what is around them) and <c>expected.txt</c>. With EYRIE_UPDATE=1 the expectations are written anew.</summary>
public sealed class LearningTests
{
    private static string Cases => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../Learning"));

    public static TheoryData<string> Folders() => [.. Directory.EnumerateDirectories(Cases).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_record_leads_to_the_proposal_that_is_expected(string folder)
    {
        var documents = ManifestReader.Read(File.ReadAllText(Path.Combine(Cases, folder, "input.yaml")), "input.yaml").Select(document => document.Content).ToList();
        List<JsonObject> Of(string kind) => [.. documents.Where(document => document["kind"]!.ToString() == kind)];
        var cluster = new CompileContext { Namespaces = Of("Namespace"), Services = Of("Service"), Pods = Of("Pod"), PermissionSets = Of("PermissionSet"), PermissionRecords = Of("PermissionRecord") };
        var proposal = Suggestion.For(documents[0], RecordedUses.Of(Of("PermissionRecord").Single()), cluster);
        var lines = proposal.Containers.SelectMany(container => container.Grants.Select(grant => $"{container.Container}: {grant.Change switch { ProposedChange.Added => '+', ProposedChange.Removed => '-', _ => '=' }} {grant.Grant}    # {grant.Why}")
            .Append($"{container.Container}: {container.Permissions.ToJsonString()}")).Concat(proposal.Problems.Select(problem => "problem: " + problem));
        var text = string.Join('\n', lines) + "\n";
        var file = Path.Combine(Cases, folder, "expected.txt");
        if (Environment.GetEnvironmentVariable("EYRIE_UPDATE") == "1") File.WriteAllText(file, text);
        Assert.Equal(File.ReadAllText(file), text);
        Assert.True(Suggestion.For(proposal.AppliedTo(documents[0]), RecordedUses.Of(Of("PermissionRecord").Single()), cluster).ChangesNothing, "what is proposed for the proposal is the proposal");
    }

    private static Gen<string> Among(params string[] words) => Gen.Int[0, words.Length - 1].Select(index => words[index]);

    private static readonly Gen<SeenUse> Use = Gen.Select(Gen.OneOf(
            Gen.Select(Among("db", "web", "log"), Among("80", "443"), (service, port) => $"connect tcp service shop/{service} {port}"),
            Gen.Select(Gen.Int[0, 1], Gen.Int[1, 9], Among("80", "443"), (third, fourth, port) => $"connect tcp cidr 203.0.{third}.{fourth}/32 {port}"),
            Among("80", "8080", "9090").Select(port => $"listen tcp {port}"),
            Among("/", "/tmp", "/var/cache/a", "/var/cache/b", "/var/cache/c", "/var/cache/d", "/var/cache/d/e", "/var/log").Select(path => $"dir {path} read,write")),
        Gen.Int[1, 5], Among("granted", "audited", "denied"), (entry, count, verdict) => new SeenUse("c", verdict, entry.Split(' ')[0] == "dir" ? "write" : entry.Split(' ')[0], entry, entry, "", count));

    private static readonly Gen<SeenUse> Run = Gen.OneOf(
        Gen.Select(Among("execute", "load"), Among("/bin", "/usr/lib", "/lib", "/opt/tools/bin", "/opt/tools"), Gen.Int[1, 25], (operation, folder, file) => new SeenUse("c", "granted", operation, $"exec {folder}/f{file}", $"{folder}/f{file}", "", 1)),
        Gen.Select(Gen.Int[1, 300], Gen.Int[0, 60], (seen, more) => new SeenUse("c", "granted", "fork", $"quota memory=536870912 processes={seen}", more == 0 ? "0" : $"{seen + more}", "", 1)));

    private static readonly Gen<List<SeenUse>> Uses = Gen.Select(Use.List[0, 20], Run.List[0, 40], (uses, run) => uses.Concat(run).ToList());

    private static readonly Gen<JsonObject> Pod = Among("""{"connect":[{"service":"db","port":80}],"files":[{"path":"/var","access":"write"}]}""", "{}", """{"connect":[{"cidr":"203.0.0.0/16","ports":[80]},{"name":"x","service":"web","port":443}],"optional":["x"],"listen":[{"port":9090}]}""",
        """{"processes":{"exec":["/bin","/opt/unused"],"fork":false}}""", """{"processes":{"max":8,"threads":1,"sharedMemory":true},"files":[{"path":"/opt/tools","access":"execute"}]}""")
        .Select(permissions => JsonNode.Parse($$$"""{"kind":"Pod","metadata":{"name":"p","namespace":"shop"},"spec":{"containers":[{"name":"c","ports":[{"containerPort":8080}],"permissions":{{{permissions}}}}]}}""")!.AsObject());

    [Fact]
    public void What_is_proposed_covers_every_use_and_proposing_again_changes_nothing() => Gen.Select(Pod, Uses).Sample((pod, uses) =>
    {
        var applied = Suggestion.For(pod, uses, CompileContext.Nothing).AppliedTo(pod);
        var lines = PermissionCompiler.Compile(applied).Sets.Single().Lines;
        long processes = lines.Select(line => CapabilityEntry.TryParse(line, out var entry) && entry is CapabilityEntry.Quota quota ? quota.Limit.Total : 0).Sum();
        return uses.All(use => use.Operation == "fork" ? long.Parse(use.Entry.Split('=')[^1], System.Globalization.CultureInfo.InvariantCulture) <= processes : lines.Any(line => Coverage.Covers(line, use.Entry))) && Suggestion.For(applied, uses, CompileContext.Nothing).ChangesNothing;
    }, iter: 4_000);

    [Fact]
    public void No_grant_is_proposed_that_covers_nothing_seen() => Gen.Select(Pod, Uses).Sample((pod, uses) =>
        PermissionCompiler.Compile(Suggestion.For(pod, uses, CompileContext.Nothing).AppliedTo(pod)).Sets.Single().Entries.Where(entry => entry.Source.FieldPath.Contains(".permissions.", StringComparison.Ordinal) && !entry.Entry.StartsWith("quota ", StringComparison.Ordinal) && entry.Entry != "processes shared-memory")
            .All(entry => ClusterDns.Is(entry.Entry) || entry.Entry.StartsWith("exec ", StringComparison.Ordinal) && !uses.Any(use => use.Entry.StartsWith("exec ", StringComparison.Ordinal)) || uses.Any(use => Coverage.Covers(entry.Entry, use.Entry))), iter: 4_000);

    private static SeenUse Ran(string path, string operation = "execute", int count = 1) => new("c", "granted", operation, $"exec {path}", path, "", count);

    private static SeenUse Forked(int seen, int most) => new("c", "granted", "fork", $"quota memory=536870912 processes={seen}", $"{most}", "", 1);

    private static string Proposed(string permissions, params SeenUse[] uses) => Suggestion.For(JsonNode.Parse($$$"""{"kind":"Pod","metadata":{"name":"p","namespace":"shop"},"spec":{"containers":[{"name":"c","permissions":{{{permissions}}}}]}}""")!.AsObject(), uses, CompileContext.Nothing)
        .Containers[0].Permissions.ToJsonString();

    public static TheoryData<string, string, SeenUse[]> Processes() => new()
    {
        // Programs by themselves, libraries by their folder.
        { "{}", """{"processes":{"exec":["/bin/busybox","/lib/ld.so"]}}""", [Ran("/bin/busybox", count: 9), Ran("/lib/ld.so")] },
        { "{}", """{"processes":{"exec":["/bin/a","/usr/lib/x"]}}""", [Ran("/bin/a"), .. Enumerable.Range(1, 4).Select(i => Ran($"/usr/lib/x/{i}.so", "load"))] },
        { "{}", """{"processes":{"exec":["/bin/a","/usr/lib/1.so","/usr/lib/2.so","/usr/lib/3.so"]}}""", [Ran("/bin/a"), .. Enumerable.Range(1, 3).Select(i => Ran($"/usr/lib/{i}.so", "load"))] },
        { "{}", """{"processes":{"exec":["/opt/bin"]}}""", [.. Enumerable.Range(1, Programs.Many).Select(i => Ran($"/opt/bin/{i}"))] },
        // What the container makes itself, on a volume or in its own layer, is not there yet when it starts: its folder is named.
        { """{"files":[{"path":"/data","access":"write"}]}""", """{"files":[{"path":"/data","access":"write"}],"processes":{"exec":["/bin/a","/data"]}}""", [Ran("/bin/a"), Ran("/data/deep/tool"), new("c", "granted", "write", "dir /data read,write", "/data/deep", "", 1)] },
        { "{}", """{"processes":{"exec":["/www"]},"files":[{"path":"/www","access":"write"}]}""", [Ran("/www/tool"), new("c", "audited", "write", "dir /www read,write", "/www/tool", "", 1)] },
        // What is named and was run from stays, what was not goes, what was refused or audited comes.
        { """{"processes":{"exec":["/bin/a","/bin/b"]}}""", """{"processes":{"exec":["/bin/a","/bin/c"]}}""", [Ran("/bin/a"), Ran("/bin/c")] },
        { """{"files":[{"path":"/opt","access":"execute"}]}""", """{"files":[{"path":"/opt","access":"execute"}],"processes":{"exec":["/bin/a"]}}""", [Ran("/opt/x"), Ran("/bin/a")] },
        // Nothing is said of programs where the host told of none.
        { """{"processes":{"exec":["/bin/a"]}}""", """{"processes":{"exec":["/bin/a"]}}""", [] },
        // The number of processes: half as many again, up to a power of two; what is declared stays unless it was not enough.
        { "{}", """{"processes":{"fork":false}}""", [Forked(1, 1)] },
        { "{}", """{"processes":{"max":8}}""", [Forked(2, 2), Forked(4, 4)] },
        { "{}", """{"processes":{"max":64}}""", [Forked(3, 30)] },
        { "{}", "{}", [Forked(3, 0)] },
        { "{}", "{}", [Forked(200, 200)] },
        { """{"processes":{"max":16}}""", """{"processes":{"max":16}}""", [Forked(2, 2)] },
        { """{"processes":{"fork":false}}""", """{"processes":{"max":4}}""", [Forked(2, 2)] },
        { """{"processes":{"fork":false,"threads":8,"sharedMemory":true}}""", """{"processes":{"sharedMemory":true,"max":16}}""", [Forked(9, 9)] },
    };

    [Theory]
    [MemberData(nameof(Processes))]
    public void What_was_executed_and_how_many_there_were_becomes_what_processes_says(string declared, string proposed, SeenUse[] uses) => Assert.Equal(proposed, Proposed(declared, uses));

    [Fact]
    public void To_keep_what_is_unused_narrows_nothing_that_is_open()
    {
        var pod = JsonNode.Parse("""{"kind":"Pod","metadata":{"name":"p","namespace":"shop"},"spec":{"containers":[{"name":"c"}]}}""")!.AsObject();
        Assert.True(Suggestion.For(pod, [Ran("/bin/a"), Forked(1, 1)], CompileContext.Nothing, keepUnused: true).ChangesNothing);
        var grant = Assert.Single(Suggestion.For(pod, [Ran("/bin/a", count: 3), Forked(2, 2)], CompileContext.Nothing).Containers[0].Grants);
        Assert.Equal(("processes: {exec: [/bin/a], max: 4}", "everything could be executed: /bin/a was executed 3 times; there were 2 processes and threads at once"), (grant.Grant, grant.Why));
    }

    [Fact]
    public void A_changed_manifest_or_a_changed_proposal_is_told_apart_and_refused()
    {
        var pod = JsonNode.Parse("""{"kind":"Pod","metadata":{"name":"p","namespace":"shop"},"spec":{"containers":[{"name":"c","image":"a:1"}]}}""")!.AsObject();
        SeenUse one = new("c", "audited", "connect", "connect tcp service shop/db 80", "", "", 1), two = one with { Entry = "connect tcp service shop/web 80" };
        var reviewed = Suggestion.For(pod, [one], CompileContext.Nothing).Digest;
        Assert.Null(Suggestion.For(pod, [one with { Count = 9 }], CompileContext.Nothing).Differs(reviewed));
        Assert.Contains("proposal has changed", Suggestion.For(pod, [one, two], CompileContext.Nothing).Differs(reviewed), StringComparison.Ordinal);
        var other = pod.DeepClone().AsObject();
        other["spec"]!["containers"]![0]!["image"] = "a:2";
        Assert.Contains("workload has changed", Suggestion.For(other, [one], CompileContext.Nothing).Differs(reviewed), StringComparison.Ordinal);
        Assert.Contains("is no digest", Suggestion.For(pod, [one], CompileContext.Nothing).Differs("x"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_use_is_counted_and_what_finds_no_room_is_a_number()
    {
        var use = new SeenUse("c", "audited", "connect", "connect tcp service shop/db 80", "", "", 2);
        var status = RecordedUses.With(RecordedUses.With(null, [use, use]), [use, .. Enumerable.Range(0, RecordedUses.Most).Select(i => use with { Target = $"{i}" })]);
        Assert.Equal((RecordedUses.Most, 6L, 2L), (status["uses"]!.AsArray().Count, status["uses"]![0]!["count"]!.GetValue<long>(), status["dropped"]!.GetValue<long>()));
    }
}
