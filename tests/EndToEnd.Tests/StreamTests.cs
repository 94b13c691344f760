using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>exec, attach, cp and port-forward by every kubectl there is: the older ones speak SPDY, the newer ones WebSocket.</summary>
public sealed class StreamTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    public static TheoryData<string> Programs => [.. KubectlPrograms.All];

    private Task<(int Code, string Output)> RunAsync(string kubectl, string arguments, string input = "") =>
        Shell.RunAsync("sh", ["-c", $"{(input.Length > 0 ? input + " |" : "")} timeout 30 {kubectl} {arguments}"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Exec_gives_output_errors_and_the_exit_code(string kubectl)
    {
        Assert.Equal((3, "out\n"), await RunAsync(kubectl, "exec deploy/hello -- sh -c 'echo out; echo err >&2; exit 3' 2>/dev/null"));
        var (code, errors) = await RunAsync(kubectl, "exec deploy/hello -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null");
        Assert.Equal((0, "err\n"), (code, errors));
        (code, errors) = await RunAsync(kubectl, "exec deploy/hello -- nosuch");
        Assert.Equal(127, code);
        Assert.Contains("\"nosuch\": no such program", errors, StringComparison.Ordinal);
        (code, errors) = await RunAsync(kubectl, "exec -c nosuch deploy/hello -- true");
        Assert.Equal(1, code);
        Assert.Contains("container nosuch is not valid for pod", errors, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Exec_takes_input_to_its_end_and_loses_nothing_of_much_output(string kubectl)
    {
        const int Size = 3_000_000;
        var file = Path.Combine(cluster.State, "input-" + Path.GetFileName(kubectl));
        var bytes = RandomNumberGenerator.GetBytes(Size);
        await File.WriteAllBytesAsync(file, bytes);
        Assert.Equal($"{Convert.ToHexStringLower(MD5.HashData(bytes))}  -\n", (await RunAsync(kubectl, "exec -i deploy/hello -- busybox md5sum", $"cat {file}")).Output);
        Assert.Equal(Size.ToString(CultureInfo.InvariantCulture) + "\n", (await RunAsync(kubectl, $"exec deploy/hello -- busybox head -c {Size} /dev/zero | wc -c")).Output);
        Assert.Equal((0, "y\n"), await RunAsync(kubectl, "exec -i deploy/hello -- busybox head -1 2>/dev/null", "yes 2>/dev/null"));
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task A_reader_that_takes_its_time_still_gets_everything(string kubectl)
    {
        foreach (var size in new[] { 300_000, 3_000_000 })
            Assert.Equal($"{size}\n", (await RunAsync(kubectl, $"exec deploy/hello -- busybox head -c {size} /dev/zero | (sleep 3; wc -c)")).Output);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Exec_with_a_terminal_has_its_size_and_its_exit_code(string kubectl)
    {
        var inside = $"stty cols 91 rows 17; exec {kubectl} exec -it deploy/hello -- sh -c \"sleep 0.3; stty size; exit 5\"";
        var (code, output) = await Shell.RunAsync("script", ["-qec", inside, "/dev/null"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
        Assert.Contains("17 91", output, StringComparison.Ordinal);
        Assert.Equal(5, code);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Port_forward_carries_requests_and_says_why_one_fails(string kubectl)
    {
        using var forward = new Forward(kubectl, cluster.State, "deploy/hello", 8080);
        int port = await forward.PortAsync();
        for (int request = 0; request < 5; request++) Assert.StartsWith("hello from", (await Shell.RunAsync("curl", ["-s", "-m", "5", $"http://127.0.0.1:{port}/"])).Output, StringComparison.Ordinal);
        using var closed = new Forward(kubectl, cluster.State, "deploy/hello", 9999);
        await Shell.RunAsync("curl", ["-s", "-m", "5", $"http://127.0.0.1:{await closed.PortAsync()}/"]);
        await Shell.UntilAsync(() => Task.FromResult((0, closed.Output)), text => text.Contains("Connection refused", StringComparison.Ordinal), "the reason");
    }

    [Fact]
    public async Task Attach_shows_what_the_program_writes_and_ends_with_it()
    {
        var file = Path.Combine(cluster.State, "speaker.yaml");
        await File.WriteAllTextAsync(file, "apiVersion: v1\nkind: Pod\nmetadata: {name: speaker}\nspec:\n  restartPolicy: Never\n  containers:\n  - {name: a, image: \"hello:1\", command: [sh, -c, 'for i in 1 2 3 4 5 6; do echo line $i; sleep 0.5; done']}\n");
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", file)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "speaker", "-o", "jsonpath={.status.phase}"), phase => phase == "Running", "the pod to run");
        var (code, output) = await cluster.KubectlAsync("attach", "speaker");
        Assert.True(code == 0, output);
        Assert.Contains("line 6", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_are_copied_in_and_out()
    {
        var folder = Path.Combine(cluster.State, "tools");
        Directory.CreateDirectory(Path.Combine(folder, "bin"));
        Directory.CreateDirectory(Path.Combine(folder, "data"));
        File.Copy("/bin/busybox", Path.Combine(folder, "bin/busybox"), true);
        foreach (var name in new[] { "sh", "tar", "sleep" }) File.CreateSymbolicLink(Path.Combine(folder, "bin", name), "busybox");
        var (code, output) = await cluster.EyrieAsync("image", "import", "tools:1", folder);
        Assert.True(code == 0, output);
        var file = Path.Combine(cluster.State, "tools.yaml");
        await File.WriteAllTextAsync(file, "apiVersion: v1\nkind: Pod\nmetadata: {name: tools}\nspec:\n  containers:\n  - {name: a, image: \"tools:1\", command: [sleep, '1000'], permissions: {files: [{path: /data, access: write}]}}\n");
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", file)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "tools", "-o", "jsonpath={.status.phase}"), phase => phase == "Running", "the pod to run");
        var (there, back) = (Path.Combine(cluster.State, "there"), Path.Combine(cluster.State, "back"));
        await File.WriteAllBytesAsync(there, RandomNumberGenerator.GetBytes(1_000_000));
        foreach (var kubectl in KubectlPrograms.All)
        {
            (code, output) = await RunAsync(kubectl, $"cp {there} tools:/data/file");
            Assert.True(code == 0, output);
            (code, output) = await RunAsync(kubectl, $"cp tools:/data/file {back}");
            Assert.True(code == 0, output);
            Assert.Equal(await File.ReadAllBytesAsync(there), await File.ReadAllBytesAsync(back));
        }
    }

    [Fact]
    public async Task A_request_that_is_no_upgrade_is_told_so()
    {
        var (_, output) = await cluster.KubectlAsync("get", "--raw", "/api/v1/namespaces/default/pods/" + (await cluster.KubectlAsync("get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].metadata.name}")).Output + "/exec?command=true&stdout=true");
        Assert.Contains("Upgrade request required", output, StringComparison.Ordinal);
    }

    /// <summary>A port-forward that runs until it is disposed.</summary>
    private sealed class Forward : IDisposable
    {
        private readonly Process _process;
        private readonly System.Text.StringBuilder _output = new();

        public string Output { get { lock (_output) return _output.ToString(); } }

        public Forward(string kubectl, string state, string target, int port)
        {
            var start = new ProcessStartInfo(kubectl, ["port-forward", target, $"0:{port}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
            start.Environment["KUBECONFIG"] = Path.Combine(state, "kubeconfig");
            _process = new Process { StartInfo = start };
            _process.OutputDataReceived += (_, line) => Add(line.Data);
            _process.ErrorDataReceived += (_, line) => Add(line.Data);
            _process.Start();
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        private void Add(string? line)
        {
            lock (_output) _output.Append(line).Append('\n');
        }

        public async Task<int> PortAsync()
        {
            const string Before = "Forwarding from 127.0.0.1:";
            var text = await Shell.UntilAsync(() => Task.FromResult((0, Output)), text => text.Contains(Before, StringComparison.Ordinal) && text.Contains("->", StringComparison.Ordinal), "the forwarded port");
            return int.Parse(text.Split(Before)[1].Split(' ')[0], CultureInfo.InvariantCulture);
        }

        public void Dispose()
        {
            if (!_process.HasExited) _process.Kill();
            _process.Dispose();
        }
    }
}
