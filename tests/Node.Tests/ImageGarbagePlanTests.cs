using CsCheck;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class ImageGarbagePlanTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch.AddDays(1);

    private static KeptImage Image(string name, int minutesAgo, params string[] layers) => new(name, layers, Now.AddMinutes(-minutesAgo));
    private static KeptLayer Layer(string name, long bytes, int minutesAgo = 60) => new(name, bytes, Now.AddMinutes(-minutesAgo));

    [Fact]
    public void The_longest_unused_go_first_and_no_more_than_is_needed()
    {
        var (records, layers) = ImageGarbagePlan.Decide([Image("new", 5, "c"), Image("old", 50, "a"), Image("middle", 20, "b")], [Layer("a", 10), Layer("b", 10), Layer("c", 10)], new HashSet<string>(), 15, Now);
        Assert.Equal(["old", "middle"], records);
        Assert.Equal(["a", "b"], layers);
    }

    [Fact]
    public void What_a_pod_wants_and_what_is_young_stays()
    {
        var (records, layers) = ImageGarbagePlan.Decide([Image("wanted", 500, "a"), Image("young", 1, "b")], [Layer("a", 10), Layer("b", 10), Layer("coming", 10, 1), Layer("left", 10)], new HashSet<string> { "wanted" }, long.MaxValue, Now);
        Assert.Empty(records);
        Assert.Equal(["left"], layers);
    }

    [Fact]
    public void No_layer_goes_that_an_image_which_stays_has() => Gen.Select(Gen.Int[1, 6], Gen.Select(Gen.Int[0, 9].Array[0, 5], Gen.Int[0, 100], Gen.Bool).Array[0, 8], Gen.Long[0, 200]).Sample((_, made, bytes) =>
    {
        var images = made.Select((image, i) => Image($"i{i}", image.Item2, [.. image.Item1.Select(layer => $"l{layer}")])).ToList();
        var wanted = made.Select((image, i) => (image.Item3, $"i{i}")).Where(pair => pair.Item1).Select(pair => pair.Item2).ToHashSet();
        var layers = Enumerable.Range(0, 10).Select(layer => Layer($"l{layer}", layer + 1)).ToList();
        var (records, gone) = ImageGarbagePlan.Decide(images, layers, wanted, bytes, Now);
        Assert.Empty(records.Intersect(wanted));
        Assert.Empty(gone.Intersect(images.Where(image => !records.Contains(image.Record)).SelectMany(image => image.Layers)));
        Assert.Equal(gone.Count, gone.Distinct().Count());
        // Either enough was freed, or nothing is left that could go.
        if (gone.Sum(layer => layers.First(known => known.Path == layer).Bytes) < bytes) Assert.All(images.Where(image => !records.Contains(image.Record)), image => Assert.True(wanted.Contains(image.Record) || Now - image.LastUsed < ImageGarbagePlan.Youngest));
    });
}
