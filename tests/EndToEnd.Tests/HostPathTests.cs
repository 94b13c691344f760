using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A cluster whose nodes offer two directories of the host, one to be read only, and a device.</summary>
public sealed class HostPathCluster : IAsyncLifetime
{
    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-host-").FullName;

    public string Offered { get; } = Directory.CreateTempSubdirectory("eyrie-offered-").FullName;
    public string ReadOnly { get; } = Directory.CreateTempSubdirectory("eyrie-readonly-").FullName;
    public string Other { get; } = Directory.CreateTempSubdirectory("eyrie-other-").FullName;

    public async Task InitializeAsync()
    {
        foreach (var folder in new[] { Offered, ReadOnly, Other }) await File.WriteAllTextAsync(Path.Combine(folder, "words"), "hello");
        var (code, output) = await Shell.RunAsync(Path.Combine(Shell.Root, "eyrie"), ["up", "manifests/samples/hello.yaml", "--nodes", "1", "--host-path", Offered, "--host-path", ReadOnly + ":ro", "--host-path", "/dev/net/tun", "--state-dir", _state]);
        Assert.True(code == 0, output);
    }

    public async Task DisposeAsync()
    {
        var (code, output) = await Shell.RunAsync(Path.Combine(Shell.Root, "eyrie"), ["down", "--purge", "--state-dir", _state]);
        Assert.True(code == 0, output);
        foreach (var folder in new[] { Offered, ReadOnly, Other }) Directory.Delete(folder, true);
    }

    public Task<(int Code, string Output)> KubectlAsync(params string[] arguments) => Shell.RunAsync("kubectl", arguments, new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(_state, "kubeconfig") });

    public async Task<(int Code, string Output)> PodAsync(string name, string script, string path, string grant, string mount = "", string type = "")
    {
        var file = Path.Combine(_state, name + ".yaml");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: v1
            kind: Pod
            metadata: { name: {{name}} }
            spec:
              restartPolicy: Never
              containers:
              - name: a
                image: hello:1
                command: [sh, -c, "{{script}}"]
                volumeMounts: [ { name: v, mountPath: /v{{mount}} } ]
                permissions: {{grant}}
              volumes:
              - name: v
                hostPath: { path: "{{path}}"{{type}} }
            """);
        return await KubectlAsync("apply", "-f", file);
    }

    public async Task ApplyAsync(string name, string manifest)
    {
        var file = Path.Combine(_state, name + ".yaml");
        await File.WriteAllTextAsync(file, manifest);
        var (code, output) = await KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    public async Task<string> EndedAsync(string name)
    {
        await Shell.UntilAsync(() => KubectlAsync("get", "pod", name, "-o", "jsonpath={.status.phase}"), phase => phase is "Succeeded" or "Failed", $"pod {name} to end");
        return (await KubectlAsync("logs", name)).Output.Trim();
    }
}

/// <summary>Files of the host are there for whom they were granted, on a node that offers them, and no further.</summary>
public sealed class HostPathTests(HostPathCluster cluster) : IClassFixture<HostPathCluster>
{
    private static string Grant(string path, string access) => $"{{host: {{paths: [{{path: {path}, access: {access}}}]}}}}";

    [Fact]
    public async Task What_is_granted_for_writing_can_be_written_and_a_directory_is_made()
    {
        var path = Path.Combine(cluster.Offered, "made/here");
        var (code, output) = await cluster.PodAsync("writes", "echo words >/v/file && cat /v/file", path, Grant(cluster.Offered, "write"), type: ", type: DirectoryOrCreate");
        Assert.True(code == 0, output);
        Assert.Equal("words", await cluster.EndedAsync("writes"));
        Assert.Equal("words\n", await File.ReadAllTextAsync(Path.Combine(path, "file")));
    }

    [Fact]
    public async Task What_is_granted_or_offered_for_reading_cannot_be_written()
    {
        const string Script = "cat /v/words; echo; echo x 2>/dev/null >/v/new || echo refused";
        var (code, output) = await cluster.PodAsync("reads", Script, cluster.Offered, Grant(cluster.Offered, "read"), ", readOnly: true");
        Assert.True(code == 0, output);
        (code, output) = await cluster.PodAsync("offered", Script, cluster.ReadOnly, Grant(cluster.ReadOnly, "write"));
        Assert.True(code == 0, output);
        Assert.Equal("hello\nrefused", await cluster.EndedAsync("reads"));
        Assert.Equal("hello\nrefused", await cluster.EndedAsync("offered"));
        Assert.False(File.Exists(Path.Combine(cluster.ReadOnly, "new")) || File.Exists(Path.Combine(cluster.Offered, "new")));
    }

    [Fact]
    public async Task Without_the_grant_the_pod_is_refused_with_the_lines_that_would_allow_it()
    {
        foreach (var grant in new[] { "{}", Grant(cluster.Offered, "read"), Grant(cluster.Offered + "/deeper", "write") })
        {
            var (code, output) = await cluster.PodAsync("refused", "true", cluster.Offered, grant);
            Assert.NotEqual(0, code);
            Assert.Contains($"permissions:   host:     paths:     - path: {cluster.Offered}", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_the_node_does_not_offer_and_what_a_link_leads_to_is_not_mounted()
    {
        var (code, output) = await cluster.PodAsync("beyond", "cat /v/words", cluster.Other, Grant(cluster.Other, "write"));
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name}: {.message}{\"\\n\"}{end}"),
            events => events.Contains($"beyond: hostPath \"{cluster.Other}\": this node offers it to no pod; start it with --host-path {cluster.Other}", StringComparison.Ordinal), "the event");
        File.CreateSymbolicLink(Path.Combine(cluster.Offered, "link"), cluster.Other);
        (code, output) = await cluster.PodAsync("link", "cat /v/words", Path.Combine(cluster.Offered, "link"), Grant(cluster.Offered, "write"));
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "link", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}"), reason => reason.Length > 0 && reason != "ContainerCreating", "the refusal");
        Assert.DoesNotContain("hello", (await cluster.KubectlAsync("logs", "link")).Output, StringComparison.Ordinal);
    }

    private static string WithDevice(string name, string permissions) => $$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: {{name}}}
        spec:
          terminationGracePeriodSeconds: 600
          containers:
          - name: a
            image: hello:1
            command: [sh, -c, "trap '' TERM; (: 3<>/dev/net/tun) 2>/dev/null && echo opened || echo none; while true; do sleep 600; done"]
            permissions: {{permissions}}
        """;

    [Fact]
    public async Task A_device_is_there_for_whom_it_was_granted_and_goes_with_the_grant_at_once()
    {
        await cluster.ApplyAsync("tunnel", WithDevice("tunnel", "{devices: [{path: /dev/net/tun, access: write}]}"));
        await cluster.ApplyAsync("reader", WithDevice("reader", "{devices: [{path: /dev/net/tun}]}"));
        await cluster.ApplyAsync("plain", WithDevice("plain", "{}"));
        await cluster.ApplyAsync("fuse", WithDevice("fuse", "{devices: [{path: /dev/fuse}]}"));
        Task<string> SaysAsync(string pod, string word) => Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod), log => log.Contains(word, StringComparison.Ordinal), $"pod {pod} to say {word}");
        await SaysAsync("tunnel", "opened");
        await SaysAsync("reader", "none");
        await SaysAsync("plain", "none");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name}: {.message}{\"\\n\"}{end}"),
            events => events.Contains("fuse: ", StringComparison.Ordinal) && events.Contains("/dev/fuse\": this node offers it to no pod", StringComparison.Ordinal), "the event");

        // It takes no notice of TERM and has ten minutes of grace: what is taken away ends it nevertheless.
        var (code, output) = await cluster.KubectlAsync("patch", "pod", "tunnel", "--type=json", "-p", """[{"op":"remove","path":"/spec/containers/0/permissions/devices"}]""");
        Assert.True(code == 0, output);
        await SaysAsync("tunnel", "none");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "tunnel", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"), restarts => restarts == "1", "its one restart to be told"); // its log is read from the node, and may be ahead
    }
}
