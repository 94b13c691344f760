using System.Text.Json.Nodes;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>One cluster for every test of what a node does for a pod; each test has a namespace of its own.</summary>
public sealed class NodeCluster : IAsyncLifetime
{
    private readonly HelloCluster _cluster = new();
    private int _last;

    public string State => _cluster.State;

    public Task InitializeAsync() => _cluster.InitializeAsync();
    public Task DisposeAsync() => _cluster.DisposeAsync();

    public Task<(int Code, string Output)> KubectlAsync(params string[] arguments) => _cluster.KubectlAsync(arguments);

    public Task<(int Code, string Output)> EyrieAsync(params string[] arguments) => _cluster.EyrieAsync(arguments);

    public async Task<TestNamespace> NamespaceAsync()
    {
        var name = $"t{Interlocked.Increment(ref _last)}";
        var (code, output) = await KubectlAsync("create", "namespace", name);
        Assert.True(code == 0, output);
        return new TestNamespace(this, name);
    }
}

[CollectionDefinition(nameof(NodeCluster))]
[Takes(110)]
public sealed class NodeClusterCollection : ICollectionFixture<NodeCluster>;

/// <summary>A namespace and what a test does there.</summary>
public sealed class TestNamespace(NodeCluster cluster, string name)
{
    public string Name => name;

    public Task<(int Code, string Output)> KubectlAsync(params string[] arguments) => cluster.KubectlAsync(["-n", name, .. arguments]);

    public async Task ApplyAsync(string manifest)
    {
        var file = Path.Combine(cluster.State, Guid.NewGuid().ToString("N") + ".yaml");
        await File.WriteAllTextAsync(file, manifest);
        var (code, output) = await KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    /// <summary>A pod of one container named "a" that runs a script of busybox.</summary>
    /// <param name="pod">The pod's name.</param>
    /// <param name="script">Its shell script.</param>
    /// <param name="container">Further fields of the container, each line a field.</param>
    /// <param name="spec">Further fields of the pod's spec.</param>
    /// <param name="grace">Seconds that it has to end.</param>
    public Task PodAsync(string pod, string script, string container = "", string spec = "restartPolicy: Never", int grace = 2) => ApplyAsync(
        $"""
        apiVersion: v1
        kind: Pod
        metadata: {"{"}name: {pod}, labels: {"{"}app: {pod}{"}"}, annotations: {"{"}note: hello{"}"}{"}"}
        spec:
          terminationGracePeriodSeconds: {grace}
        {Indented(spec, 2)}
          containers:
          - name: a
            image: hello:1
            command: [sh, -c]
            args: ["{script.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}"]
        {Indented(container, 4)}
        """);

    private static string Indented(string text, int by) => string.Join('\n', text.Split('\n').Select(line => new string(' ', by) + line));

    public Task<string> UntilAsync(string pod, string path, Func<string, bool> wanted, string waitingFor) => Shell.UntilAsync(() => KubectlAsync("get", "pod", pod, "-o", $"jsonpath={path}"), wanted, waitingFor);

    public async Task<string> EndedAsync(string pod, string phase = "Succeeded")
    {
        await UntilAsync(pod, "{.status.phase}", now => now is "Succeeded" or "Failed", $"pod {pod} to end");
        var state = (await KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.phase}")).Output;
        var log = (await KubectlAsync("logs", pod, "-c", "a")).Output;
        Assert.True(state == phase, $"pod {pod} is {state}; log:\n{log}");
        return log;
    }

    /// <summary>The events of an object, each as "reason: message", one a line.</summary>
    public async Task<string> EventsAsync(string pod)
    {
        var events = JsonNode.Parse((await KubectlAsync("get", "events", "-o", "json")).Output)!["items"]!.AsArray();
        return string.Join('\n', events.Where(item => item!["involvedObject"]!["name"]!.ToString() == pod).Select(item => $"{item!["reason"]}: {item["message"]}"));
    }

    public Task<string> UntilEventAsync(string pod, string text) => Shell.UntilAsync(async () => (0, await EventsAsync(pod)), events => events.Contains(text, StringComparison.Ordinal), $"the event \"{text}\" on pod {pod}");
}
