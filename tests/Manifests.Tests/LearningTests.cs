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

    private static readonly Gen<JsonObject> Pod = Among("""{"connect":[{"service":"db","port":80}],"files":[{"path":"/var","access":"write"}]}""", "{}", """{"connect":[{"cidr":"203.0.0.0/16","ports":[80]},{"name":"x","service":"web","port":443}],"optional":["x"],"listen":[{"port":9090}]}""")
        .Select(permissions => JsonNode.Parse($$$"""{"kind":"Pod","metadata":{"name":"p","namespace":"shop"},"spec":{"containers":[{"name":"c","ports":[{"containerPort":8080}],"permissions":{{{permissions}}}}]}}""")!.AsObject());

    [Fact]
    public void What_is_proposed_covers_every_use_and_proposing_again_changes_nothing() => Gen.Select(Pod, Use.List[0, 20]).Sample((pod, uses) =>
    {
        var applied = Suggestion.For(pod, uses, CompileContext.Nothing).AppliedTo(pod);
        var lines = PermissionCompiler.Compile(applied).Sets.Single().Lines;
        return uses.All(use => lines.Any(line => Coverage.Covers(line, use.Entry))) && Suggestion.For(applied, uses, CompileContext.Nothing).ChangesNothing;
    }, iter: 4_000);

    [Fact]
    public void No_grant_is_proposed_that_covers_nothing_seen() => Gen.Select(Pod, Use.List[0, 20]).Sample((pod, uses) =>
        PermissionCompiler.Compile(Suggestion.For(pod, uses, CompileContext.Nothing).AppliedTo(pod)).Sets.Single().Entries.Where(entry => entry.Source.FieldPath.Contains(".permissions.", StringComparison.Ordinal) && !entry.Source.FieldPath.EndsWith(".max", StringComparison.Ordinal))
            .All(entry => ClusterDns.Is(entry.Entry) || uses.Any(use => Coverage.Covers(entry.Entry, use.Entry))), iter: 4_000);

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
