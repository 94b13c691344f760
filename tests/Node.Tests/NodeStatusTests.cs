using Eyrie.Node.Contract.V1;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class NodeStatusTests
{
    private readonly List<NodeMessage> _told = [];

    private static Image Image(string digest, string name, long bytes) => new(digest, [], [], [], [], "", "", name, bytes);

    [Fact]
    public void Images_are_told_once_each_under_all_their_names_and_only_when_they_change()
    {
        var status = new NodeStatus(_told.Add);
        status.Set("DiskPressure", "full");
        Image[] images = [Image("sha256:2", "127.0.0.1:5000/big", 200), Image("sha256:1", "hello:1", 100), Image("sha256:1", "hello:stable", 100), Image("sha256:3", "hello@sha256:3", 50)];
        status.Set(ImageReports.Of(images));
        status.Set(ImageReports.Of(images));
        Assert.Equal(2, _told.Count);
        NodeImage[] expected = [new() { Names = { "127.0.0.1:5000/big:latest" }, SizeBytes = 200 }, new() { Names = { "hello:1", "hello:stable" }, SizeBytes = 100 }, new() { Names = { "hello@sha256:3" }, SizeBytes = 50 }];
        Assert.Equal(expected, _told[^1].NodeStatus.Images);
        Assert.Equal("full", _told[^1].NodeStatus.Conditions["DiskPressure"]); // nothing else is forgotten
        var hello = new NodeHello();
        status.AddTo(hello);
        Assert.Equal((expected.Length, "full"), (hello.Images.Count, hello.Conditions["DiskPressure"]));
        status.Set([]);
        Assert.Empty(_told[^1].NodeStatus.Images);
    }

    [Fact]
    public async Task What_is_told_last_is_what_holds()
    {
        using var overtaken = new ManualResetEventSlim();
        using var telling = new ManualResetEventSlim();
        var status = new NodeStatus(message =>
        {
            telling.Set();
            if (message.NodeStatus.Conditions.Count == 1) overtaken.Wait(300); // the first: the second has time to be told before it
            _told.Add(message);
            overtaken.Set();
        });
        var first = Task.Run(() => status.Set("A", "1"));
        telling.Wait();
        status.Set("B", "2");
        await first;
        Assert.Equal([1, 2], _told.Select(message => message.NodeStatus.Conditions.Count));
    }

    [Fact]
    public void No_more_are_told_than_the_kubelet_tells() =>
        Assert.Equal(ImageReports.Most, ImageReports.Of(Enumerable.Range(0, 200).Select(number => Image($"sha256:{number}", $"image:{number}", 1000 - number))).Count);
}
