using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>One cluster with the sample in it, brought up by the command that a user types.</summary>
public sealed class HelloCluster : IAsyncLifetime
{
    public string State { get; } = Directory.CreateTempSubdirectory("eyrie-e2e-").FullName;

    public Task<(int Code, string Output)> EyrieAsync(params string[] arguments) => Shell.RunAsync(Path.Combine(Shell.Root, "eyrie"), arguments.Concat(["--state-dir", State]));

    public Task<(int Code, string Output)> KubectlAsync(params string[] arguments) =>
        Shell.RunAsync("kubectl", arguments, new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(State, "kubeconfig") });

    public async Task InitializeAsync()
    {
        var (code, output) = await EyrieAsync("up", "manifests/samples/hello.yaml");
        Assert.True(code == 0, output);
    }

    public async Task DisposeAsync()
    {
        var (code, output) = await EyrieAsync("down", "--purge");
        Assert.True(code == 0, output);
        Assert.False(Directory.Exists(State));
    }
}

public sealed class HelloTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    [Fact]
    public async Task Every_pod_runs_and_the_printed_address_answers()
    {
        var pods = (await cluster.KubectlAsync("get", "pods", "--no-headers")).Output;
        Assert.All(pods.Trim().Split('\n'), line => Assert.Contains("Running", line, StringComparison.Ordinal));
        var (code, again) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml");
        Assert.Equal(0, code);
        Assert.Contains("deployment/hello unchanged", again, StringComparison.Ordinal);
        var address = again.Split('\n').First(line => line.Contains("answers at", StringComparison.Ordinal)).Split(' ')[^1];
        await Shell.UntilAsync(() => Shell.RunAsync("curl", ["-sf", address]), said => said.Contains("hello from", StringComparison.Ordinal), $"{address} to answer");
    }

    [Fact]
    public async Task The_visitor_is_answered_by_more_than_one_replica()
    {
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "deploy/visitor"),
            log => log.Split('\n').Where(line => line.StartsWith("hello from", StringComparison.Ordinal)).Distinct().Count() > 1, "answers from two replicas");
    }

    [Fact]
    public async Task The_uninvited_is_refused_and_its_pod_says_which_grant_is_missing()
    {
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "deploy/uninvited"), log => log.Contains("Permission denied", StringComparison.Ordinal), "Permission denied");
        await Shell.UntilAsync(() => cluster.KubectlAsync("describe", "pod", "-l", "app=uninvited"), text => text.Contains("missing grant: connect tcp service default/hello 80", StringComparison.Ordinal), "the event");
    }

    [Fact]
    public async Task The_kernel_holds_exactly_the_compiled_set()
    {
        foreach (var pod in (await cluster.KubectlAsync("get", "pods", "-o", "name")).Output.Trim().Split('\n'))
            Assert.Contains("equal to the compiled set", (await cluster.EyrieAsync("caps", pod["pod/".Length..])).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a: [1\nb: 2", ":1:4: a [ or { is not closed")]
    [InlineData("kind: Pod\nkind: Pod", ":2:1: key \"kind\" is there twice")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: b\n    colour: red", "unknown field \"spec.containers[0].colour\"")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: b\n    ports: [{containerPort: 70000}]", "must be between 1 and 65535")]
    [InlineData("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]", "more than 200000 nodes")]
    public async Task Bad_input_is_refused_with_its_place_and_changes_nothing(string manifest, string expected)
    {
        var file = Path.Combine(cluster.State, "bad.yaml");
        await File.WriteAllTextAsync(file, manifest);
        var (code, output) = await cluster.EyrieAsync("apply", "-f", file);
        Assert.Equal(1, code);
        Assert.Contains(expected, output, StringComparison.Ordinal);
        Assert.Contains("bad.yaml:", output, StringComparison.Ordinal);
        Assert.DoesNotContain("pod/a", (await cluster.KubectlAsync("get", "pods", "-o", "name")).Output, StringComparison.Ordinal);
    }
}
