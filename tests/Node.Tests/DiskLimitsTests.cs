using System.Diagnostics;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class DiskLimitsTests : IDisposable
{
    private const string Uid = "0123456789abcdef";
    private const long MiB = 1 << 20;
    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-disk-").FullName;

    public void Dispose()
    {
        using var remove = Process.Start("rm", ["-rf", _state]); // whatever its depth
        remove.WaitForExit();
    }

    private static JsonObject Pod(string spec) => JsonNode.Parse($$"""{"spec":{{spec}}}""")!.AsObject();

    private static string Limited(string name, string limit, string more = "") => $$$"""{"name":"{{{name}}}","resources":{"limits":{"ephemeral-storage":"{{{limit}}}"}}{{{more}}}}""";

    public static TheoryData<string, string?> Cases => new()
    {
        // containers a, b and c take 1, 2 and 3 MiB, the volumes d and e 4 and 5
        { """{"containers":[{"name":"a"}]}""", null },
        { $$"""{"containers":[{{Limited("a", "15Mi")}}]}""", null },
        { $$"""{"containers":[{{Limited("a", "15Mi")}},{"name":"b"}]}""", null },
        { $$"""{"containers":[{{Limited("a", "14Mi")}},{"name":"b"}]}""", "Pod ephemeral local storage usage exceeds the total limit of containers 14Mi. " },
        { $$"""{"containers":[{{Limited("a", "10Mi")}},{{Limited("b", "4096Ki")}}]}""", "Pod ephemeral local storage usage exceeds the total limit of containers 14Mi. " },
        { $$"""{"containers":[{{Limited("a", "14M")}}]}""", "Pod ephemeral local storage usage exceeds the total limit of containers 14M. " },
        { $$"""{"containers":[{{Limited("a", "1Gi")}},{{Limited("b", "2Mi")}}]}""", null },
        { $$"""{"containers":[{{Limited("a", "1Gi")}},{{Limited("b", "2047Ki")}}]}""", "Container b exceeded its local ephemeral storage limit \"2047Ki\". " },
        { $$"""{"containers":[{{Limited("a", "0")}},{"name":"b"}]}""", null },
        { $$"""{"initContainers":[{{Limited("c", "3Mi", ",\"restartPolicy\":\"Always\"")}}],"containers":[{{Limited("a", "12Mi")}}]}""", null },
        { $$"""{"initContainers":[{{Limited("c", "2Mi", ",\"restartPolicy\":\"Always\"")}}],"containers":[{{Limited("a", "13Mi")}}]}""", "Container c exceeded its local ephemeral storage limit \"2Mi\". " },
        { $$"""{"initContainers":[{{Limited("c", "5Mi", ",\"restartPolicy\":\"Always\"")}},{{Limited("b", "10Mi")}}],"containers":[{{Limited("a", "1Mi")}}]}""", null }, // while b runs, c does too
        { $$"""{"initContainers":[{{Limited("c", "5Mi")}},{{Limited("b", "9Mi")}}],"containers":[{{Limited("a", "1Mi")}}]}""", "Pod ephemeral local storage usage exceeds the total limit of containers 9Mi. " },
        { """{"volumes":[{"name":"d","emptyDir":{"sizeLimit":"4Mi"}},{"name":"e","emptyDir":{}}],"containers":[{"name":"a"}]}""", null },
        { """{"volumes":[{"name":"d","emptyDir":{"sizeLimit":"3Mi"}}],"containers":[{"name":"a"}]}""", "Usage of EmptyDir volume \"d\" exceeds the limit \"3Mi\". " },
        { """{"volumes":[{"name":"d","emptyDir":{"sizeLimit":"3Mi","medium":"Memory"}}],"containers":[{"name":"a"}]}""", null },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_first_limit_that_was_passed_is_told_as_Kubernetes_says_it(string spec, string? expected)
    {
        var used = new PodDiskUse(new Dictionary<string, long> { ["a"] = MiB, ["b"] = 2 * MiB, ["c"] = 3 * MiB }, new Dictionary<string, long> { ["d"] = 4 * MiB, ["e"] = 5 * MiB });
        Assert.Equal(expected, DiskLimits.Passed(Pod(spec), used));
        if (expected is not null) Assert.True(DiskLimits.Any(Pod(spec)), "it is measured");
    }

    [Theory]
    [InlineData("""{"containers":[{"name":"a","resources":{"limits":{"memory":"1Mi"},"requests":{"ephemeral-storage":"1Mi"}}}]}""")]
    [InlineData("""{"volumes":[{"name":"v","emptyDir":{}},{"name":"m","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}}],"containers":[{"name":"a"}]}""")]
    public void A_pod_without_a_limit_is_not_measured(string spec) => Assert.False(DiskLimits.Any(Pod(spec)));

    [Theory]
    [InlineData(null, 86400)]
    [InlineData(1, 5)]
    [InlineData(200, 20)]
    public void Measuring_takes_a_hundredth_of_the_time_at_most(int? took, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), PodBounds.Pause(took is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null, TimeSpan.MaxValue));

    [Fact]
    public void The_deadline_is_not_missed_for_a_measurement() => Assert.Equal(TimeSpan.FromSeconds(2), PodBounds.Pause(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)));

    private string Put(string path, int bytes)
    {
        var file = Path.Combine(_state, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, new byte[bytes]);
        return file;
    }

    private PodDiskUse Look(string spec, params (string, string)[] runs) => new DiskMeter(ImageStoreTests.Options(_state), Uid).Look(Pod(spec), runs);

    [Fact]
    public void Each_container_has_what_it_wrote_its_logs_and_its_message_and_no_others()
    {
        const int Size = 1 << 18;
        var (prefix, named) = (PodFiles.Prefix(Uid), new string('n', 60));
        Put($"containers/{prefix}-a-3/upper/x/y", Size);
        Put($"containers/{prefix}-a-3/work/z", 8 * Size); // of the host's overlayfs
        Put($"containers/{prefix}-a-1-0/upper/x", 2 * Size); // of a container whose name begins alike
        Put($"containers/{PodFiles.ContainerId(Uid, named, 2)}/upper/x", 4 * Size);
        Put($"containers/other-a-0/upper/x", 8 * Size);
        Put($"logs/{Uid}/a-2.log", Size);
        Put($"logs/{Uid}/a-3.log.7", Size);
        Put($"logs/{Uid}/{named}-2.log", Size);
        Put($"pods/{Uid}/messages/{prefix}-a-3", Size);
        Put($"pods/{Uid}/volumes/v/x", Size);
        Put($"pods/{Uid}/volumes/m/x", 8 * Size);
        var used = Look("""{"volumes":[{"name":"v","emptyDir":{}},{"name":"m","emptyDir":{"medium":"Memory"}}]}""", ("a", $"{prefix}-a-3"), ("a-1", $"{prefix}-a-1-0"), (named, PodFiles.ContainerId(Uid, named, 2)), ("waits", ""));
        Assert.Equal([("a", 4), ("a-1", 2), (named, 5), ("waits", 0)], used.Containers.Select(pair => (pair.Key, (int)(pair.Value / Size))));
        Assert.Equal([("v", 1)], used.Volumes.Select(pair => (pair.Key, (int)(pair.Value / Size))));
        Assert.All(used.Containers.Values, bytes => Assert.InRange(bytes % Size, 0, Size / 4)); // besides, the directories
    }

    private static async Task ShellAsync(string script, string at)
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-ec", script]) { WorkingDirectory = at })!;
        await shell.WaitForExitAsync();
        Assert.Equal(0, shell.ExitCode);
    }

    [Fact]
    public async Task What_is_measured_is_what_the_disk_holds_whatever_its_names_and_where_its_links_lead()
    {
        var tree = Directory.CreateDirectory(Path.Combine(_state, "tree")).FullName;
        await ShellAsync("dd if=/dev/zero of=one bs=64k count=16 2>/dev/null; ln one two; ln -s / outside; truncate -s 1G hole; n=$(printf 'a\\377b'); mkdir \"$n\"; dd if=/dev/zero of=\"$n/$n\" bs=64k count=16 2>/dev/null; mkfifo pipe", tree);
        Assert.InRange(HostDisk.Bytes(tree), 2 * MiB, 2 * MiB + 64 * 1024);
        Assert.Equal(0, HostDisk.Bytes(tree + "/none"));
    }

    [Fact]
    public async Task What_is_nested_too_deep_to_be_measured_is_over_every_limit_and_says_so()
    {
        var volume = Directory.CreateDirectory(Path.Combine(_state, $"pods/{Uid}/volumes/v")).FullName;
        await ShellAsync($"n=0; while [ $n -lt {HostDisk.Deepest + 10} ]; do mkdir d; cd d; n=$((n+1)); done", volume);
        const string Spec = """{"volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Gi"}}],"containers":[{"name":"a"}]}""";
        Assert.Equal("Usage of EmptyDir volume \"v\" exceeds the limit \"1Gi\". It has directories nested deeper than 512, which are not measured. ", DiskLimits.Passed(Pod(Spec), Look(Spec)));
    }
}
