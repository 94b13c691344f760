using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>exec, attach, cp and port-forward by every kubectl there is: the older ones speak SPDY, the newer ones WebSocket.</summary>
[Takes(100)]
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
        {
            var output = (await RunAsync(kubectl, $"exec deploy/hello -- busybox head -c {size} /dev/zero | (sleep 3; wc -c)")).Output;
            Assert.True(output == $"{size}\n", output);
        }
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Exec_with_a_terminal_has_its_size_and_its_exit_code(string kubectl)
    {
        var inside = $"stty cols 91 rows 17; exec {kubectl} exec -it deploy/hello -- sh -c \"until stty size | grep '17 91'; do sleep 0.1; done; exit 5\""; // the size comes beside the command
        var (code, output) = await Shell.RunAsync("timeout", ["60", "script", "-qec", inside, "/dev/null"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
        Assert.Contains("17 91", output, StringComparison.Ordinal);
        Assert.Equal(5, code);
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Port_forward_carries_requests_and_says_why_one_fails(string kubectl)
    {
        using var forward = new Forward(kubectl, cluster.State, "deploy/hello", 8080);
        int port = await forward.PortAsync();
        for (int request = 0; request < 5; request++) Assert.StartsWith("hello from", (await Shell.RunAsync("curl", ["-s", "-m", "30", $"http://127.0.0.1:{port}/"])).Output, StringComparison.Ordinal);
        using var closed = new Forward(kubectl, cluster.State, "deploy/hello", 9999);
        await Shell.RunAsync("curl", ["-s", "-m", "5", $"http://127.0.0.1:{await closed.PortAsync()}/"]);
        await Shell.UntilAsync(() => Task.FromResult((0, closed.Output)), text => text.Contains("Connection refused", StringComparison.Ordinal), "the reason");
    }

    [Fact]
    public async Task Exec_with_a_terminal_hears_of_its_new_size()
    {
        const string Inside = "stty cols 91 rows 17; (sleep 2; stty cols 55 rows 20 </dev/tty) & exec kubectl exec -it deploy/hello -- sh -c \"until stty size | grep '20 55'; do sleep 0.1; done; exit 6\"";
        var (code, output) = await Shell.RunAsync("timeout", ["60", "script", "-qec", Inside, "/dev/null"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
        Assert.True(code == 6, output);
        Assert.Contains("20 55", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attach_shows_what_the_program_writes_and_ends_with_it()
    {
        var file = Path.Combine(cluster.State, "speaker.yaml");
        await File.WriteAllTextAsync(file, "apiVersion: v1\nkind: Pod\nmetadata: {name: speaker}\nspec:\n  restartPolicy: Never\n  containers:\n  - {name: a, image: \"hello:1\", command: [sh, -c, 'until [ -e /dev/shm/end ]; do echo line; sleep 0.1; done; echo last']}\n");
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", file)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "speaker", "-o", "jsonpath={.status.phase}"), phase => phase == "Running", "the pod to run");
        // It goes on until something of it was shown.
        var shown = Path.Combine(cluster.State, "speaker.shown");
        var attached = RunAsync("kubectl", $"attach speaker >{shown}");
        await Shell.UntilAsync(async () => (0, File.Exists(shown) ? await File.ReadAllTextAsync(shown) : ""), text => text.Contains("line", StringComparison.Ordinal), "the first line that is shown");
        var (code, output) = await cluster.KubectlAsync("exec", "speaker", "--", "sh", "-c", "echo >/dev/shm/end");
        Assert.True(code == 0, output);
        (code, output) = await attached;
        Assert.True(code == 0, output);
        Assert.Contains("last", await File.ReadAllTextAsync(shown), StringComparison.Ordinal);
        await Shell.UntilAsync(() => cluster.EyrieAsync("caps", "speaker"), sets => sets.Contains("container a (does not run)", StringComparison.Ordinal), "a set that is gone with its container");
    }

    private Task<(int Code, string Output)> InTerminalAsync(string command, string typed) =>
        Shell.RunAsync("sh", ["-c", $"printf '{typed}' | timeout 60 script -qec \"{command}\" /dev/null"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });

    // kubectl tells the size of its terminal beside what is typed, so a shell may begin before it is known: it looks until it is.
    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Run_with_a_terminal_gives_a_shell_that_ends_with_its_own_exit_code(string kubectl)
    {
        var name = "shell-" + Guid.NewGuid().ToString("N")[..6];
        var (code, output) = await InTerminalAsync($"stty cols 93 rows 19; exec {kubectl} run -it --rm --restart=Never --image=hello:1 {name} -- sh", "echo answer $((6*7))\\nuntil stty size | grep 19; do sleep 0.1; done\\nexit 3\\n");
        Assert.Contains("answer 42", output, StringComparison.Ordinal);
        Assert.Contains("19 93", output, StringComparison.Ordinal);
        Assert.Equal(3, code);
        Assert.Equal("", (await cluster.KubectlAsync("get", "pod", name, "--ignore-not-found", "-o", "name")).Output);
    }

    [Fact]
    public async Task Attach_gives_a_container_its_input_and_with_stdinOnce_its_end()
    {
        var file = Path.Combine(cluster.State, "listener.yaml");
        await File.WriteAllTextAsync(file, "apiVersion: v1\nkind: Pod\nmetadata: {name: listener}\nspec:\n  restartPolicy: Never\n  containers:\n"
            + "  - {name: a, image: \"hello:1\", stdin: true, stdinOnce: true, command: [sh, -c, 'while read line; do echo heard $line; done; echo end >&2']}\n"
            + "  - {name: b, image: \"hello:1\", stdin: true, command: [sh, -c, 'read one; echo first $one; read two; echo second $two']}\n");
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", file)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "listener", "-o", "jsonpath={.status.phase}"), phase => phase == "Running", "the pod to run");
        var errors = Path.Combine(cluster.State, "listener.errors"); // its own: kubectl copies both as they come, in no order
        Assert.Equal((0, "heard one\nheard two\n"), await RunAsync("kubectl", $"attach -q -i listener -c a 2>{errors}", "printf 'one\\ntwo\\n'"));
        Assert.Equal("end\n", await File.ReadAllTextAsync(errors));
        // Without stdinOnce the input stays open for the next who is attached.
        await RunAsync("kubectl", "attach -q -i listener -c b 2>/dev/null | head -1", "(echo 1; sleep 1)");
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "listener", "-c", "b"), log => log == "first 1\n", "the first word");
        Assert.Contains("second 2", (await RunAsync("kubectl", "attach -q -i listener -c b 2>/dev/null", "echo 2")).Output, StringComparison.Ordinal);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "listener", "-o", "jsonpath={.status.phase}"), phase => phase == "Succeeded", "both to end");
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task An_exec_whose_client_has_gone_ends(string kubectl)
    {
        var mark = $"{Random.Shared.Next(100_000, 999_999)}";
        bool Runs() => Directory.EnumerateDirectories("/proc").Any(process => char.IsAsciiDigit(process[6]) && CommandLine(process) == $"sleep\0{mark}\0");
        foreach (var how in new[] { "", "-i " })
        {
            using var client = System.Diagnostics.Process.Start(new ProcessStartInfo(kubectl, $"exec {how}deploy/hello -- sleep {mark}") { RedirectStandardInput = true, RedirectStandardOutput = true, Environment = { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") } })!;
            await Shell.UntilAsync(() => Task.FromResult((0, $"{Runs()}")), runs => runs == "True", "the program to run");
            client.Kill();
            await Shell.UntilAsync(() => Task.FromResult((0, $"{Runs()}")), runs => runs == "False", "the program to end with its client");
        }
    }

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText(process + "/cmdline");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
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

    [Fact]
    public async Task A_proxy_leads_to_a_pod_by_its_name_or_by_its_service()
    {
        const string Services = "/api/v1/namespaces/default/services/", Pods = "/api/v1/namespaces/default/pods/";
        var pod = (await cluster.KubectlAsync("get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].metadata.name}")).Output;
        foreach (var path in new[] { Services + "hello:80/proxy/", Services + "http:hello:80/proxy/", Services + "hello/proxy/index.html", Services + "hello/proxy" })
            Assert.StartsWith("hello from", (await cluster.KubectlAsync("get", "--raw", path)).Output, StringComparison.Ordinal);
        foreach (var path in new[] { $"{Pods}{pod}/proxy/", $"{Pods}{pod}:8080/proxy/?a=b" })
            Assert.StartsWith("hello from " + pod, (await cluster.KubectlAsync("get", "--raw", path)).Output, StringComparison.Ordinal);
        Assert.Contains("could not find the requested resource", (await cluster.KubectlAsync("get", "--raw", Services + "hello:80/proxy/nosuch")).Output, StringComparison.Ordinal); // the pod's own 404, in kubectl's words
        Assert.Contains("error trying to reach service: connecting to port 9999", (await cluster.KubectlAsync("get", "--raw", $"{Pods}{pod}:9999/proxy/")).Output, StringComparison.Ordinal);
        Assert.Contains("no service port \"99\"", (await cluster.KubectlAsync("get", "--raw", Services + "hello:99/proxy/")).Output, StringComparison.Ordinal);
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
