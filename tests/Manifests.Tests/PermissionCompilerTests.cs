using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

public sealed class PermissionCompilerTests
{
    private static CompileResult Compile(string container) =>
        PermissionCompiler.Compile(JsonNode.Parse($"{{\"metadata\":{{\"namespace\":\"shop\"}},\"spec\":{{\"containers\":[{container}]}}}}")!.AsObject());

    [Fact]
    public void A_container_that_declares_nothing_gets_its_quota_its_log_and_its_image_to_read()
    {
        var result = Compile("{\"name\":\"a\"}");
        Assert.Empty(result.Errors);
        Assert.Equal(["dir / read", "log write", "quota memory=536870912 processes=256"], result.Sets[0].Lines);
    }

    [Fact]
    public void What_is_declared_becomes_entries_with_their_source()
    {
        var set = Compile("""{"name":"a","ports":[{"containerPort":8080}],"resources":{"limits":{"memory":"64Mi","cpu":"500m"}},"permissions":{"connect":[{"service":"db","port":5432},{"cidr":"10.20.0.0/16","ports":["8000-8100",443]}]}}""").Sets[0];
        Assert.Equal(["connect tcp cidr 10.20.0.0/16 443,8000-8100", "connect tcp service kube-system/kube-dns 53", "connect tcp service shop/db 5432", "connect udp service kube-system/kube-dns 53", "cpu shares=512 limit=500m", "dir / read", "listen tcp 8080", "log write", "quota memory=67108864 processes=256"], set.Lines);
        Assert.Equal("spec.containers[0].permissions.connect[0]", set.Entries.Single(entry => entry.Entry.EndsWith("5432", StringComparison.Ordinal)).Source.FieldPath);
    }

    [Theory]
    [InlineData("""{"path":"/srv/data","access":"write"}""", "", true)]
    [InlineData("""{"path":"/srv","access":"write"}""", "", true)]
    [InlineData("""{"path":"/srv/data","access":"read"}""", ""","readOnly":true""", true)]
    [InlineData("""{"path":"/srv/data","access":"read"}""", "", false)]
    [InlineData("""{"path":"/srv/data/deeper","access":"write"}""", "", false)]
    [InlineData("""{"path":"/srv/dat","access":"write"}""", "", false)]
    public void A_volume_of_the_host_is_mounted_only_as_far_as_it_is_granted(string grant, string mount, bool allowed)
    {
        var result = PermissionCompiler.Compile(JsonNode.Parse($$$$"""
            {"metadata":{"namespace":"shop"},"spec":{"volumes":[{"name":"v","hostPath":{"path":"/srv/data"}}],
             "containers":[{"name":"a","volumeMounts":[{"name":"v","mountPath":"/v"{{{{mount}}}}}],"permissions":{"host":{"paths":[{{{{grant}}}}]}}}]}}
            """)!.AsObject());
        Assert.Equal(allowed, result.Sets[0].Lines.Any(line => line.StartsWith("dir /v ", StringComparison.Ordinal)));
        if (allowed) Assert.Empty(result.Errors);
        else Assert.Equal("spec.containers[0].volumeMounts[0]", Assert.Single(result.Errors).Source.FieldPath);
    }

    [Fact]
    public void Every_mistake_is_found_at_once_with_its_field()
    {
        var errors = Compile("""{"name":"a","ports":[{"containerPort":70000}],"permissions":{"fly":true,"connect":[{"service":"db"},{"port":1}],"files":[{"path":"../x"}]}}""").Errors;
        Assert.Equal(["spec.containers[0].permissions.connect[0]", "spec.containers[0].permissions.connect[1]", "spec.containers[0].permissions.files[0].path", "spec.containers[0].permissions.fly", "spec.containers[0].ports[0].containerPort"],
            errors.Select(error => error.Source.FieldPath).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Adding_a_grant_never_takes_another_away() =>
        Gen.Select(Gen.Int[1, 65535].Array[0, 6], Gen.Int[1, 65535]).Sample((ports, more) =>
        {
            static string Grants(IEnumerable<int> ports) => $"{{\"name\":\"a\",\"permissions\":{{\"connect\":[{string.Join(',', ports.Select(port => $"{{\"service\":\"db\",\"port\":{port}}}"))}]}}}}";
            var before = Compile(Grants(ports)).Sets[0].Lines;
            var after = Compile(Grants(ports.Append(more))).Sets[0].Lines;
            return before.All(after.Contains) && after.Count(line => line.StartsWith("connect", StringComparison.Ordinal) && !ClusterDns.Is(line)) == ports.Append(more).Distinct().Count();
        });
}
