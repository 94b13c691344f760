using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>
/// Names outside the cluster, which permissions grant by name: a cluster in a network namespace of the test's own, where the test answers for DNS and for the one host there is, 203.0.113.7 (RFC 5737, for
/// examples).
/// </summary>
public sealed partial class HostNameTests : IAsyncLifetime
{
    private const string Host = "api.example.test", Address = "203.0.113.7", Other = "203.0.113.8";
    private const int Port = 8443;

    private readonly string _namespace = string.Create(CultureInfo.InvariantCulture, $"eyrie-e2e-{Environment.ProcessId}");
    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-e2e-").FullName;
    private readonly ConcurrentQueue<string> _asked = new();
    private Socket? _names, _host;

    public async Task InitializeAsync()
    {
        foreach (var arguments in new string[][] { ["netns", "add", _namespace], ["-n", _namespace, "link", "set", "lo", "up"], ["-n", _namespace, "addr", "add", Address + "/32", "dev", "lo"], ["-n", _namespace, "addr", "add", Other + "/32", "dev", "lo"] })
        {
            var (failed, problem) = await Shell.RunAsync("ip", arguments);
            Assert.True(failed == 0, problem);
        }
        InNamespace(() =>
        {
            _names = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            _names.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _host = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _host.Bind(new IPEndPoint(IPAddress.Any, Port));
            _host.Listen(16);
        });
        _ = AnswerNamesAsync(_names!);
        _ = AnswerAsync(_host!);
        var (code, output) = await ThereAsync(Path.Combine(Shell.Root, "eyrie"), "up", "manifests/samples/hello.yaml", "--resolver", _names!.LocalEndPoint!.ToString()!, "--state-dir", _state);
        Assert.True(code == 0, output);
    }

    public async Task DisposeAsync()
    {
        var (code, output) = await ThereAsync(Path.Combine(Shell.Root, "eyrie"), "down", "--purge", "--state-dir", _state);
        _names?.Dispose();
        _host?.Dispose();
        await Shell.RunAsync("ip", ["netns", "del", _namespace]);
        Assert.True(code == 0, output);
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int EnterNamespace(int descriptor, int kind);

    /// <summary>On a thread that goes with it: a socket stays in the namespace that its thread was in.</summary>
    private void InNamespace(Action make)
    {
        const int NewNet = 0x40000000;
        int error = 0;
        var thread = new Thread(() =>
        {
            using var there = File.OpenHandle("/run/netns/" + _namespace);
            error = EnterNamespace((int)there.DangerousGetHandle(), NewNet) == 0 ? 0 : Marshal.GetLastPInvokeError();
            if (error == 0) make();
        });
        thread.Start();
        thread.Join();
        Assert.Equal(0, error);
    }

    private Task<(int Code, string Output)> ThereAsync(params string[] command) => Shell.RunAsync("nsenter", ["--net=/run/netns/" + _namespace, .. command], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(_state, "kubeconfig") });

    private Task<(int Code, string Output)> KubectlAsync(params string[] arguments) => ThereAsync(["kubectl", .. arguments]);

    /// <summary>Answers one name with one address for a minute, and that there are no others (RFC 1035, section 4).</summary>
    private async Task AnswerNamesAsync(Socket socket)
    {
        var buffer = new byte[512];
        while (true)
        {
            try
            {
                var received = await socket.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                var labels = new List<string>();
                int at = 12;
                for (; buffer[at] != 0; at += buffer[at] + 1) labels.Add(Encoding.ASCII.GetString(buffer, at + 1, buffer[at]));
                var name = string.Join('.', labels);
                _asked.Enqueue(name);
                bool known = name == Host;
                byte[] record = known ? [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, .. IPAddress.Parse(Address).GetAddressBytes()] : [];
                await socket.SendToAsync((byte[])[buffer[0], buffer[1], 0x81, (byte)(known ? 0x80 : 0x83), 0, 1, 0, (byte)(known ? 1 : 0), 0, 0, 0, 0, .. buffer[12..(at + 5)], .. record], received.RemoteEndPoint);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    private static async Task AnswerAsync(Socket socket)
    {
        while (true)
        {
            try
            {
                using var client = await socket.AcceptAsync();
                await client.SendAsync("reached\n"u8.ToArray());
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    private async Task<string> RanAsync(string pod, string script, string permissions)
    {
        var file = Path.Combine(_state, pod + ".yaml");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: v1
            kind: Pod
            metadata: {name: {{pod}}}
            spec:
              restartPolicy: Never
              containers: [{name: a, image: "hello:1", command: [sh, -c, '{{script}}'], permissions: {{permissions}}}]
            """);
        var (code, output) = await KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.phase}"), phase => phase is "Succeeded" or "Failed", $"pod {pod} to end");
        return (await KubectlAsync("logs", pod)).Output;
    }

    [Fact]
    public async Task A_name_that_is_granted_is_resolved_and_its_address_reached_and_no_other()
    {
        var ask = $"b=/bin/busybox; $b nslookup {Host} | $b grep {Address}; $b nslookup other.example.test | $b grep Address.*203; $b nc {Address} {Port} </dev/null; $b nc {Other} {Port} </dev/null; $b nc {Address} 8444 </dev/null; true";
        var log = await RanAsync("guest", ask, $"{{connect: [{{host: {Host}, port: {Port}}}]}}");
        Assert.Matches($@"Address[^\n]*{Address}", log);
        Assert.Single(log.Split('\n'), line => line == "reached");
        Assert.Contains($"({Other}): Permission denied", log, StringComparison.Ordinal);
        Assert.Contains(Host, _asked);
        Assert.DoesNotContain("other.example.test", _asked); // who may not reach it does not ask for it either
        await Shell.UntilAsync(() => KubectlAsync("get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name} {.message}{'\\n'}{end}"), events => events.Contains($"missing grant: connect tcp host {Host} 8444", StringComparison.Ordinal), "the denial of the other port, with the name");
        log = await RanAsync("stranger", $"/bin/busybox nslookup {Host} | /bin/busybox grep {Address}; /bin/busybox nc {Address} {Port} </dev/null; true", "{connect: [{service: hello, port: 80}]}");
        Assert.DoesNotContain("reached", log, StringComparison.Ordinal);
        Assert.DoesNotMatch($@"Address[^\n]*{Address}", log);
    }
}
