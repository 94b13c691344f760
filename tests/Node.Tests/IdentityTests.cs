using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class IdentityTests
{
    private static Identity Of(string podContext, string context, string imageUser) => Identity.Of(
        JsonNode.Parse($$$"""{"metadata":{"name":"p","namespace":"d","uid":"u"},"spec":{"securityContext":{{{podContext}}} }}""")!.AsObject(), JsonNode.Parse($$$"""{"name":"a","securityContext":{{{context}}} }""")!.AsObject(), imageUser,
        path => path == "etc/passwd" ? ["root:x:0:0:root:/root:/bin/sh", "redis:x:101:102::/var/lib/redis:/bin/false"] : ["root:x:0:", "redis:x:102:", "audio:x:29:redis"]);

    [Theory]
    [InlineData("{}", "{}", "", 0, 0, "", "/root")]
    [InlineData("{}", "{}", "redis", 101, 102, "29", "/var/lib/redis")]
    [InlineData("{}", "{}", "redis:audio", 101, 29, "", "/var/lib/redis")]
    [InlineData("{}", "{}", "1000:1001", 1000, 1001, "", "/")]
    [InlineData("{}", """{"runAsUser":101}""", "", 101, 102, "29", "/var/lib/redis")]
    [InlineData("""{"runAsUser":7,"runAsGroup":8,"fsGroup":9,"supplementalGroups":[10]}""", "{}", "redis", 7, 8, "10 9", "/")]
    [InlineData("""{"runAsUser":7}""", """{"runAsUser":8}""", "", 8, 0, "", "/")]
    [InlineData("""{"runAsNonRoot":true}""", "{}", "1000", 1000, 0, "", "/")]
    public void It_is_the_manifests_user_or_else_the_images(string pod, string container, string image, uint user, uint group, string groups, string home)
    {
        var identity = Of(pod, container, image);
        Assert.Equal((user, group, groups, home), (identity.User, identity.Group, string.Join(' ', identity.Groups), identity.Home));
    }

    [Theory]
    [InlineData("""{"runAsNonRoot":true}""", "{}", "", "container has runAsNonRoot and image will run as root")]
    [InlineData("""{"runAsNonRoot":true}""", "{}", "0", "container has runAsNonRoot and image will run as root")]
    [InlineData("""{"runAsNonRoot":true}""", "{}", "redis", "image has non-numeric user (redis), cannot verify")]
    [InlineData("{}", """{"runAsNonRoot":true,"runAsUser":0}""", "", "container's runAsUser breaks non-root policy")]
    [InlineData("{}", "{}", "nobody", "the image's user \"nobody\" is not in its /etc/passwd")]
    public void Who_may_not_be_or_is_not_known_is_refused(string pod, string container, string image, string expected) =>
        Assert.Contains(expected, Assert.Throws<ContainerConfigException>(() => Of(pod, container, image)).Message, StringComparison.Ordinal);
}
