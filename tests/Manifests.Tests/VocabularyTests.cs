using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Manifests.Tests;

/// <summary>What cannot be enforced is refused, never accepted in silence.</summary>
public sealed class VocabularyTests
{
    private static CompileResult Compile(string permissions) =>
        PermissionCompiler.Compile(JsonNode.Parse($$$"""{"metadata":{"namespace":"shop"},"spec":{"containers":[{"name":"a","permissions":{{{permissions}}}}]}}""")!.AsObject());

    [Theory]
    [InlineData("""{"connect":[{"host":"localhost","port":443}]}""", "connect[0].host", "is not a full name")]
    [InlineData("""{"connect":[{"host":"Api.example.com","port":443}]}""", "connect[0].host", "is not a full name")]
    [InlineData("""{"connect":[{"host":"10.0.0.1","port":443}]}""", "connect[0].host", "is not a full name")]
    [InlineData("""{"connect":[{"host":"db.shop.svc.cluster.local","port":443}]}""", "connect[0].host", "is not a full name")]
    [InlineData("""{"connect":[{"service":"dns","port":53,"protocol":"SCTP"}]}""", "connect[0].protocol", "must be TCP or UDP")]
    [InlineData("""{"connect":[{"service":"db","cidr":"10.0.0.0/8","port":1}]}""", "connect[0]", "exactly one")]
    [InlineData("""{"connect":[{"service":"db","ports":["1-9"]}]}""", "connect[0].ports", "port by port")]
    [InlineData("""{"connect":[{"cidr":"10.0.0.1/8","port":1}]}""", "connect[0].cidr", "no bits set")]
    [InlineData("""{"connect":[{"pods":{"app":"a b"},"port":1}]}""", "connect[0].pods", "no label")]
    [InlineData("""{"connect":[{"servce":"db","port":1}]}""", "connect[0].servce", "unknown field")]
    [InlineData("""{"connect":[{"service":"db\n","port":1}]}""", "connect[0].service", "is not NAME")]
    [InlineData("""{"connect":{"service":"db"}}""", "connect", "must be a list")]
    [InlineData("""{"devices":["/dev/kvm"]}""", "devices[0]", "must be an object")]
    [InlineData("""{"devices":[{"path":"/dev/null"}]}""", "devices[0].path", "every container has /dev/null")]
    [InlineData("""{"devices":[{"path":"/etc/passwd"}]}""", "devices[0].path", "is not the path of a device")]
    [InlineData("""{"devices":[{"path":"/dev/../etc/shadow"}]}""", "devices[0].path", "is not the path of a device")]
    [InlineData("""{"devices":[{"path":"/dev/pts/0"}]}""", "devices[0].path", "is not the path of a device")]
    [InlineData("""{"devices":[{"path":"/dev/fuse","access":"all"}]}""", "devices[0].access", "read or write")]
    [InlineData("""{"gates":[{"service":"Key vault"}]}""", "gates[0].service", "of a gate")]
    [InlineData("""{"gates":[{"service":"keyvault","rights":["call","serve"]}]}""", "gates[0].rights", "must be [call]")]
    [InlineData("""{"gates":[{"service":"keyvault","rights":["serve"]}]}""", "gates[0].rights", "must be [call]")]
    [InlineData("""{"gates":[{"gate":"keyvault"}]}""", "gates[0].gate", "unknown field")]
    [InlineData("""{"publish":[{"gate":"ops/keyvault"}]}""", "publish[0].gate", "a pod publishes in its own")]
    [InlineData("""{"publish":[{"gate":"keyvault","accept":[]}]}""", "publish[0].accept", "accepts nobody")]
    [InlineData("""{"publish":[{"gate":"keyvault","accept":[{}]}]}""", "publish[0].accept[0]", "must name pods")]
    [InlineData("""{"publish":[{"gate":"keyvault","accept":[{"pods":{"app":"web"},"port":80}]}]}""", "publish[0].accept[0].port", "unknown field")]
    [InlineData("""{"signals":["TERM"]}""", "signals[0]", "must be an object")]
    [InlineData("""{"signals":[{"container":"b","signals":["TERM"]}]}""", "signals[0]", "the pod has no container \"b\"")]
    [InlineData("""{"signals":[{"container":"a","signals":["LOUD"]}]}""", "signals[0].signals[0]", "known are HUP")]
    [InlineData("""{"signals":[{"container":"a"}]}""", "signals[0].signals", "must name signals")]
    [InlineData("""{"signals":[{"container":"../a","signals":["HUP"]}]}""", "signals[0].container", "is not the name")]
    [InlineData("""{"api":["get pods"]}""", "api", "must be an object")]
    [InlineData("""{"api":{"token":"yes"}}""", "api.token", "true or false")]
    [InlineData("""{"api":{"verbs":["get"]}}""", "api.verbs", "known are token, audiences")]
    [InlineData("""{"api":{"audiences":["a b"]}}""", "api.audiences[0]", "without spaces")]
    [InlineData("""{"hostFacts":["cpu"]}""", "hostFacts[0]", "cpu cannot be withheld, so it needs no grant")]
    [InlineData("""{"hostFacts":["memory","kernel"]}""", "hostFacts[1]", "kernel cannot be withheld")]
    [InlineData("""{"hostFacts":["load","phase"]}""", "hostFacts[1]", "known are memory, load, drivers")]
    [InlineData("""{"hostFacts":"memory"}""", "hostFacts", "must be a list")]
    [InlineData("""{"clock":"none"}""", "clock", "cannot be enforced")]
    [InlineData("""{"random":"none"}""", "random", "cannot be enforced")]
    [InlineData("""{"processes":{"fork":false,"max":2}}""", "processes.fork", "max must be 1")]
    [InlineData("""{"processes":{"fork":"no"}}""", "processes.fork", "true or false")]
    [InlineData("""{"processes":{"exec":["sh"]}}""", "processes.exec[0]", "must be an absolute path")]
    [InlineData("""{"processes":{"exec":[]}}""", "processes.exec", "at least the container's own program")]
    [InlineData("""{"processes":{"threads":3}}""", "processes.threads", "counts threads and processes as one")]
    [InlineData("""{"processes":{"max":4,"threads":3}}""", "processes.threads", "threads can only be 1")]
    [InlineData("""{"processes":{"fork":false,"threads":0}}""", "processes.threads", "between 1 and")]
    [InlineData("""{"processes":{"sharedMemory":"yes"}}""", "processes.sharedMemory", "true or false")]
    [InlineData("""{"host":{"paths":[{"path":"srv"}]}}""", "host.paths[0].path", "absolute path")]
    [InlineData("""{"host":{"paths":[{"path":"/srv","access":"own"}]}}""", "host.paths[0].access", "read or write")]
    [InlineData("""{"host":{"devices":[]}}""", "host.devices", "known is paths")]
    [InlineData("""{"processes":{"max":0}}""", "processes.max", "between 1 and")]
    [InlineData("""{"files":[{"path":"/a","access":"create"}]}""", "files[0].access", "create: false beside it")]
    [InlineData("""{"files":[{"path":"/a","create":false}]}""", "files[0].create", "how far access: write goes")]
    [InlineData("""{"files":[{"path":"/a","access":"write","create":"no"}]}""", "files[0].create", "true or false")]
    [InlineData("""{"host":{"paths":[{"path":"/srv","access":"write","create":false}]}}""", "host.paths[0].create", "unknown field")]
    [InlineData("""{"accept":[{"port":80}]}""", "accept[0]", "must name pods")]
    [InlineData("""{"optional":["db"]}""", "optional[0]", "no grant has the name")]
    [InlineData("""{"listen":[{"port":1,"name":"x"},{"port":2,"name":"x"}]}""", "listen[1].name", "names another grant")]
    [InlineData("[]", "", "must be an object")]
    public void What_cannot_be_had_is_refused_where_it_stands(string permissions, string field, string reason)
    {
        var error = Assert.Single(Compile(permissions).Errors);
        Assert.Equal(("spec.containers[0].permissions" + (field.Length > 0 ? "." : "") + field), error.Source.FieldPath);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_document_of_any_shape_is_compiled_without_an_exception()
    {
        foreach (var odd in new[] { "1", "\"x\"", "[]", "[1]", "{}", "null", "[[]]", "[null]", "{\"a\":1}" })
            foreach (var field in new[] { "name", "ports", "permissions", "resources", "securityContext", "volumeMounts" })
                PermissionCompiler.Compile(JsonNode.Parse($$$"""{"metadata":{{{odd}}},"spec":{"securityContext":{{{odd}}},"containers":[{"{{{field}}}":{{{odd}}}}]}}""")!.AsObject());
    }
}
