using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

public sealed class TerminationMessageTests
{
    [Fact]
    public void The_root_is_no_place_for_it() =>
        Assert.DoesNotContain("dir / read,write", PermissionCompiler.Compile(JsonNode.Parse("""{"spec":{"containers":[{"name":"a","terminationMessagePath":"/"}]}}""")!.AsObject()).Sets[0].Lines);

    [Fact]
    public void A_declared_termination_message_file_may_be_written() =>
        Assert.Contains("dir /dev/termination-log read,write", PermissionCompiler.Compile(JsonNode.Parse("""{"spec":{"containers":[{"name":"a","terminationMessagePath":"/dev/termination-log"}]}}""")!.AsObject()).Sets[0].Lines);
}
