using Eyrie.Manifests.Yaml;
using Xunit;

namespace Eyrie.Manifests.Tests;

public sealed class ManifestReaderTests
{
    [Theory]
    [InlineData("a: [1\nb: 2", "m.yaml:1:")]
    [InlineData("a: {b: 1", "m.yaml:2:1: While parsing a flow mapping")]
    [InlineData("a: b: c", "m.yaml:1:")]
    [InlineData("a: 1\na: 2", "m.yaml:2:1: key \"a\" is there twice")]
    [InlineData("- a", "m.yaml:1:1: a manifest is a mapping")]
    [InlineData("a: *nobody", "m.yaml:1:4:")]
    public void A_mistake_is_told_with_file_line_and_column(string text, string expected) =>
        Assert.StartsWith(expected, Assert.Throws<ManifestException>(() => ManifestReader.Read(text, "m.yaml")).Message, StringComparison.Ordinal);

    [Fact]
    public void Only_true_and_false_are_booleans_and_quoted_numbers_are_text()
    {
        var content = ManifestReader.Read("a: yes\nb: true\nc: \"1\"\nd: 1\ne: on", "m.yaml")[0].Content;
        Assert.Equal("{\"a\":\"yes\",\"b\":true,\"c\":\"1\",\"d\":1,\"e\":\"on\"}", content.ToJsonString());
    }

    [Fact]
    public void A_field_knows_its_place()
    {
        var document = ManifestReader.Read("spec:\n  containers:\n  - name: web\n    image: a", "m.yaml")[0];
        Assert.Equal((4, 5), (document.PlaceOf("spec.containers[0].image").Line, document.PlaceOf("spec.containers[0].image").Column));
        Assert.Equal(3, document.PlaceOf("spec.containers[0].nothing").Line);
    }
}
