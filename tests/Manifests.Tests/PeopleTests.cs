using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

/// <summary>What people are told about permissions.</summary>
public sealed class PeopleTests
{
    private static JsonObject Pod(string name, string permissions, string more = "") =>
        JsonNode.Parse($$$"""{"metadata":{"name":"{{{name}}}","namespace":"shop","labels":{"app":"{{{name}}}"}},"spec":{"containers":[{"name":"c","permissions":{{{permissions}}}{{{more}}}}]}}""")!.AsObject();

    private static JsonObject Service(string name) => JsonNode.Parse($$$"""{"metadata":{"name":"{{{name}}}","namespace":"shop"},"spec":{"selector":{"app":"{{{name}}}"},"ports":[{"port":80}]}}""")!.AsObject();

    [Fact]
    public void A_difference_tells_wider_from_restated()
    {
        var before = PermissionCompiler.Compile(Pod("a", """{"connect":[{"cidr":"10.0.0.0/8","port":443},{"service":"db","port":80}],"files":[{"path":"/data","access":"write"}]}""")).Sets;
        var after = PermissionCompiler.Compile(Pod("a", """{"connect":[{"cidr":"10.1.0.0/16","port":443},{"service":"mail","port":25}],"files":[{"path":"/data/deep","access":"write"}]}""")).Sets;
        var difference = Assert.Single(SetDifference.Of(before, after));
        Assert.Equal(["connect tcp service shop/mail 25"], difference.Wider);
        Assert.Equal(["connect tcp cidr 10.0.0.0/8 443", "connect tcp service shop/db 80", "dir /data read,write"], difference.Narrower);
        Assert.Equal(["connect tcp cidr 10.1.0.0/16 443", "dir /data/deep read,write"], difference.Restated);
        Assert.True(SetDifference.Of(before, before).Single().Nothing);
    }

    [Fact]
    public void A_folder_does_not_cover_its_namesake() => Assert.False(Coverage.Covers("dir /data read,write", "dir /database read,write"));

    [Fact]
    public void The_graph_has_one_edge_for_all_pods_of_a_workload()
    {
        JsonObject Replica(string name)
        {
            var pod = Pod(name, """{"connect":[{"service":"db","ports":[80,81]}]}""");
            pod["metadata"]!["labels"]!["pod-template-hash"] = "5d4";
            pod["metadata"]!["ownerReferences"] = new JsonArray(new JsonObject { ["kind"] = "ReplicaSet", ["name"] = "web-5d4" });
            return pod;
        }
        var edges = PermissionGraph.Of(new CompileContext { Pods = [Replica("web-5d4-a"), Replica("web-5d4-b"), Pod("alone", "{}")] });
        Assert.Equal([new GraphEdge("shop/web", "service shop/db", "80,81")], edges);
    }

    [Fact]
    public void The_doctor_names_what_was_refused_what_leads_nowhere_and_nothing_that_was_granted_since()
    {
        static JsonObject Denied(string entry) => new() { ["reason"] = "PermissionDenied", ["count"] = 3, ["message"] = $"container c tried to connect 127.79.0.10:80; missing grant: {entry}. To allow it, add to the container:\n  ..." };
        var pod = Pod("a", """{"connect":[{"service":"db","port":80},{"service":"gone","port":80},{"service":"mail","port":26}]}""");
        var findings = Diagnosis.Of(pod, [Denied("connect tcp service shop/mail 80"), Denied("connect tcp service shop/db 80")], new CompileContext { Services = [Service("db"), Service("mail")] });
        Assert.Equal(3, findings.Count);
        Assert.Equal(("c", "permissions:\n  connect:\n  - service: mail\n    port: 80"), (findings[0].Container, findings[0].Remedy));
        Assert.Contains("(3 times): no grant \"connect tcp service shop/mail 80\"", findings[0].Problem, StringComparison.Ordinal);
        Assert.Contains("there is no Service shop/gone", findings[1].Problem, StringComparison.Ordinal);
        Assert.Contains("the Service has no port 26", findings[2].Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("connect tcp service shop/db 5432")]
    [InlineData("connect tcp pods ops/app=log,tier=a|b 514")]
    [InlineData("connect tcp cidr 10.20.0.0/16 443,8000-8100")]
    [InlineData("accept tcp pods ops/* 1-65535")]
    [InlineData("listen tcp 8080")]
    [InlineData("dir /var/cache read,write")]
    [InlineData("dir /srv/state read,change")]
    [InlineData("facts memory")]
    [InlineData("quota memory=536870912 processes=1 threads=32")]
    [InlineData("quota memory=536870912 processes=16 threads=1")]
    [InlineData("clock read")]
    [InlineData("processes shared-memory")]
    [InlineData("host dir /srv/data read,write")]
    [InlineData("identity uid=7 gid=8")]
    public void The_lines_that_a_remedy_gives_grant_what_was_missing(string entry)
    {
        var container = Yaml.ManifestReader.Read("name: a\n" + Remedy.For(entry, "shop"), "remedy")[0].Content;
        var result = PermissionCompiler.Compile(new JsonObject { ["metadata"] = new JsonObject { ["namespace"] = "shop" }, ["spec"] = new JsonObject { ["containers"] = new JsonArray(container) } });
        Assert.Empty(result.Errors);
        Assert.Contains(entry, result.Sets[0].Lines);
    }

    [Fact]
    public void The_score_moves_with_the_set()
    {
        var score = PermissionScore.Of(PermissionCompiler.Compile(Pod("a", """{"connect":[{"cidr":"10.0.0.0/24","port":443},{"service":"db","port":80}],"listen":[{"port":1}],"files":[{"path":"/a","access":"write"}],"processes":{"max":9}}""")).Sets[0]);
        Assert.Equal((1, 256L, 1, 1, 9L), (score.ClusterPeers, score.Addresses, score.ListeningPorts, score.WritablePaths, score.Processes));
        Assert.InRange(score.SystemCalls, 45, PermissionScore.DockerDefault);
    }

    [Fact]
    public void What_is_transitional_is_granted_and_said_to_be_removed_with_the_place_where_it_stands()
    {
        var result = PermissionCompiler.Compile(Pod("a", """{"connect":[{"service":"db","port":80},{"name":"old","cidr":"10.1.2.3/32","port":5432}],"transitional":["old"]}"""));
        Assert.Empty(result.Errors);
        Assert.Contains("connect tcp cidr 10.1.2.3/32 5432", result.Sets[0].Lines);
        Assert.Equal(new PermissionError(new SourceLocation("spec.containers[0].permissions.connect[1]"), "transitional, to be removed: connect tcp cidr 10.1.2.3/32 5432"), Assert.Single(result.Notes));
    }
}
