using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

public sealed class TerminationMessageTests
{
    [Fact]
    public void A_declared_termination_message_file_may_be_written() =>
        Assert.Contains("dir /dev/termination-log read,write", PermissionCompiler.Compile(JsonNode.Parse("""{"spec":{"containers":[{"name":"a","terminationMessagePath":"/dev/termination-log"}]}}""")!.AsObject()).Sets[0].Lines);
}
