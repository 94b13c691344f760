using Eyrie.ControlPlane.Controllers;
using Eyrie.Manifests.Permissions;
using Xunit;

namespace Eyrie.Controllers.Tests;

public sealed class PodReferencesTests
{
    private static readonly System.Text.Json.Nodes.JsonObject Pod = Documents.Json("""
        {"metadata":{"name":"p","namespace":"shop","uid":"uid-of-the-pod"},"spec":{
          "imagePullSecrets":[{"name":"pull"}],
          "initContainers":[{"name":"i","envFrom":[{"configMapRef":{"name":"c1"}},{"secretRef":{"name":"s1"}}]}],
          "containers":[{"name":"a","env":[{"name":"X","valueFrom":{"configMapKeyRef":{"name":"c2","key":"k"}}},{"name":"Y","valueFrom":{"secretKeyRef":{"name":"s2","key":"k"}}},{"name":"Z","value":"v"}]}],
          "volumes":[{"name":"v","configMap":{"name":"c3"}},{"name":"w","secret":{"secretName":"s3"}},{"name":"e","emptyDir":{}},
            {"name":"p","projected":{"sources":[{"configMap":{"name":"c4"}},{"secret":{"name":"s4"}},{"configMap":{"name":"c1"}}]}}]}}
        """);

    [Fact]
    public void Every_place_that_names_an_object_is_found_once() =>
        Assert.Equal("c1 c2 c3 c4 pull s1 s2 s3 s4", string.Join(' ', PodReferences.Of(Pod).Select(reference => reference.Name)));

    [Fact]
    public void A_node_is_told_the_content_of_what_exists_and_nothing_else_of_it()
    {
        var desired = DesiredPods.For(Pod, new CompileContext(), (reference, home) => reference.Name == "s2" && home == "shop"
            ? Documents.Json("""{"kind":"Secret","metadata":{"name":"s2","managedFields":[{}]},"type":"Opaque","data":{"k":"dg=="}}""") : null, false);
        var told = Assert.Single(desired.Objects);
        Assert.Equal(("Secret", "s2", """{"data":{"k":"dg=="},"type":"Opaque"}"""), (told.Kind, told.Name, told.Json));
    }
}
