using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Names and datagrams between pods of a real cluster. The image has busybox, whose nslookup asks by itself, getent of glibc with its libraries, and tests/Datagrams.</summary>
[Collection(nameof(NodeCluster))]
public sealed class NetworkTests(NodeCluster cluster)
{
    private const string Image = "network:1", Servers = """
        apiVersion: v1
        kind: Service
        metadata: {name: db}
        spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8080}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: front}
        spec: {selector: {app: db}, ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 81, targetPort: 8080}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: hidden}
        spec: {selector: {app: db}, ports: [{port: 80, targetPort: 8080}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: alias}
        spec: {type: ExternalName, externalName: front.NAMESPACE.svc.cluster.local}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: echo}
        spec: {selector: {app: echo}, ports: [{port: 53, targetPort: 5353, protocol: UDP}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: db}
        spec:
          replicas: 2
          serviceName: db
          selector: {matchLabels: {app: db}}
          template:
            metadata: {labels: {app: db}}
            spec:
              terminationGracePeriodSeconds: 1
              containers: [{name: a, image: "network:1", command: [sh, -c, 'nc -ll -p 8080 -e hostname'], ports: [{containerPort: 8080}], readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}]
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: echo, labels: {app: echo}}
        spec:
          terminationGracePeriodSeconds: 1
          containers: [{name: a, image: "network:1", command: [datagrams, echo, sendto, '5353'], ports: [{containerPort: 5353, protocol: UDP}]}]
        """;

    private static readonly string[] Links = ["sh", "nslookup", "nc", "wget", "hostname", "sleep", "cat", "cut", "grep", "echo", "seq", "true"];

    private async Task<TestNamespace> StartAsync()
    {
        var folder = Path.Combine(cluster.State, "network-image");
        if (!Directory.Exists(folder))
        {
            foreach (var directory in new[] { "bin", "etc", "lib64", "lib/x86_64-linux-gnu", "tmp" }) Directory.CreateDirectory(Path.Combine(folder, directory));
            File.Copy("/bin/busybox", Path.Combine(folder, "bin/busybox"));
            foreach (var name in Links) File.CreateSymbolicLink(Path.Combine(folder, "bin", name), "busybox");
            File.Copy(Path.Combine(Shell.Root, "tests/Datagrams/bin/datagrams"), Path.Combine(folder, "bin/datagrams"));
            File.Copy("/usr/bin/getent", Path.Combine(folder, "bin/getent"));
            File.Copy("/lib64/ld-linux-x86-64.so.2", Path.Combine(folder, "lib64/ld-linux-x86-64.so.2"));
            foreach (var library in new[] { "libc.so.6", "libresolv.so.2" }) File.Copy("/lib/x86_64-linux-gnu/" + library, Path.Combine(folder, "lib/x86_64-linux-gnu", library));
            var (code, output) = await cluster.EyrieAsync("image", "import", Image, folder);
            Assert.True(code == 0, output);
        }
        var space = await cluster.NamespaceAsync();
        await space.ApplyAsync(Servers.Replace("NAMESPACE", space.Name, StringComparison.Ordinal));
        await Shell.UntilAsync(() => space.KubectlAsync("get", "statefulset", "db", "-o", "jsonpath={.status.readyReplicas}"), ready => ready == "2", "two pods of the StatefulSet to be ready");
        await space.UntilAsync("echo", "{.status.phase}", phase => phase == "Running", "the echo to run");
        await Shell.UntilAsync(() => space.KubectlAsync("logs", "echo"), log => log.StartsWith("listens\n", StringComparison.Ordinal), "the echo to listen"); // a datagram that comes before is lost
        return space;
    }

    private static Task RunAsync(TestNamespace space, string pod, string script, string permissions) => space.ApplyAsync(
        $"""
        apiVersion: v1
        kind: Pod
        metadata: {"{"}name: {pod}{"}"}
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 1
          containers:
          - name: a
            image: {Image}
            command: [sh, -c]
            args: ["{script.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}"]
            permissions: {permissions}
        """);

    [Fact]
    public async Task Names_are_those_of_the_specification_and_only_of_what_is_granted()
    {
        var space = await StartAsync();
        const string script = """
            exec 2>&1; cat /etc/resolv.conf
            echo one; nslookup db-0.db.NAMESPACE.svc.cluster.local | grep -A1 Name
            echo two; nslookup -type=srv _http._tcp.db.NAMESPACE.svc.cluster.local | grep service
            echo three; getent ahostsv4 db.NAMESPACE.svc.cluster.local | grep STREAM
            echo four; getent ahostsv4 db-1.db
            echo five; nslookup hidden; nslookup a-secret.example.com
            echo six; nc db-1.db 8080 </dev/null; nc db-0.db.NAMESPACE 8080 </dev/null
            echo seven; nslookup alias | grep -i canonical
            echo eight; nslookup $(getent ahostsv4 db-1.db | grep -m1 STREAM | cut -d' ' -f1) | grep name; nslookup 127.64.0.10 || echo none
            echo nine; wget -q -O- http://alias/ || echo refused; nc alias 80 </dev/null
            echo over
            """;
        await RunAsync(space, "asker", script.Replace("NAMESPACE", space.Name, StringComparison.Ordinal), "{connect: [{service: db, port: 8080}, {service: alias, port: 80}, {service: front, port: 80}]}");
        var log = await space.EndedAsync("asker");
        Assert.Matches($@"^nameserver 127\.\d+\.\d+\.255\nsearch {space.Name}\.svc\.cluster\.local svc\.cluster\.local cluster\.local\noptions ndots:5\n", log);
        Assert.True(System.Text.RegularExpressions.Regex.IsMatch(log, $@"one\nName:\s+db-0\.db\.{space.Name}\.svc\.cluster\.local\nAddress: 127\.[\d.]+\n"), log);
        Assert.Contains($"service = 0 1 8080 db-0.db.{space.Name}.svc.cluster.local", log, StringComparison.Ordinal);
        Assert.Contains($"service = 0 1 8080 db-1.db.{space.Name}.svc.cluster.local", log, StringComparison.Ordinal);
        Assert.Equal(2, Part(log, "three", "four").Count(line => line.Contains("STREAM", StringComparison.Ordinal)));
        Assert.Contains(Part(log, "four", "five"), line => line.Contains("STREAM", StringComparison.Ordinal));
        var refused = Part(log, "five", "six");
        Assert.Contains($"** server can't find hidden.{space.Name}.svc.cluster.local: NXDOMAIN", refused);
        Assert.Contains("** server can't find a-secret.example.com: NXDOMAIN", refused);
        Assert.DoesNotContain(refused, line => line.StartsWith("Name:", StringComparison.Ordinal));
        Assert.Equal(["db-1", "db-0"], Part(log, "six", "seven"));
        Assert.True(Part(log, "eight", "nine") is [var backwards, _, ..] && backwards.EndsWith($"name = db-1.db.{space.Name}.svc.cluster.local", StringComparison.Ordinal), log);
        Assert.Contains("none", Part(log, "eight", "nine"));
        Assert.Matches("^db-[01]$", Part(log, "nine", "over")[^1]);
        Assert.Contains(Part(log, "seven", "eight"), line => line.EndsWith($"front.{space.Name}.svc.cluster.local", StringComparison.Ordinal));
        await space.UntilEventAsync("asker", $"tried to resolve hidden.{space.Name}.svc.cluster.local; missing grant: connect tcp service {space.Name}/hidden 80");
    }

    /// <summary>What a server at a port of this host says; code 1: nobody is there.</summary>
    private static async Task<(int Code, string Output)> AskAsync(int port)
    {
        using var client = new System.Net.Sockets.TcpClient();
        try
        {
            await client.ConnectAsync(System.Net.IPAddress.Loopback, port);
            using var reader = new StreamReader(client.GetStream());
            return (0, await reader.ReadToEndAsync());
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or IOException) // let in, and reset: the entrance is there before an endpoint
        {
            return (1, exception.Message);
        }
    }

    private static IReadOnlyList<string> Part(string log, string from, string to) => [.. log.Split('\n').SkipWhile(line => line != from).Skip(1).TakeWhile(line => line != to)];

    [Fact]
    public async Task A_container_without_a_named_grant_is_told_no_names()
    {
        var space = await StartAsync();
        await RunAsync(space, "mute", "nslookup db 2>&1 || echo none; getent ahostsv4 db || echo none", "{connect: [{cidr: 10.0.0.0/8, port: 443}]}");
        Assert.EndsWith("none\nnone\n", await space.EndedAsync("mute"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_port_of_a_Service_leads_to_the_port_that_its_pod_gave_the_name()
    {
        var space = await cluster.NamespaceAsync();
        await space.ApplyAsync("apiVersion: v1\nkind: Service\nmetadata: {name: two}\nspec: {selector: {app: two}, ports: [{name: http, port: 80, targetPort: web}, {name: control, port: 81, targetPort: admin}]}\n");
        await space.PodAsync("two", "mkdir /v/web /v/admin; echo web >/v/web/index.html; echo admin >/v/admin/index.html; httpd -p 8080 -h /v/web; exec httpd -f -p 8081 -h /v/admin",
            "volumeMounts: [{name: v, mountPath: /v}]\nports: [{name: web, containerPort: 8080}, {name: admin, containerPort: 8081}]\nreadinessProbe: {tcpSocket: {port: admin}, periodSeconds: 1}", "volumes: [{name: v, emptyDir: {}}]");
        await space.UntilAsync("two", "{.status.containerStatuses[0].ready}", ready => ready == "true", "ready");
        await space.PodAsync("asker", "wget -q -O- http://two/; wget -q -O- http://two:81/", "permissions: {connect: [{service: two, port: 80}, {service: two, port: 81}]}");
        Assert.Equal("web\nadmin\n", await space.EndedAsync("asker"));
    }

    [Fact]
    public async Task Datagrams_go_to_a_Service_and_its_answer_comes_back()
    {
        var space = await StartAsync();
        await RunAsync(space, "talker", "for how in sendto connect sendmsg sendmmsg; do datagrams ask $how $ECHO_SERVICE_HOST 53 $how; done", "{connect: [{service: echo, port: 53, protocol: UDP}]}");
        Assert.Equal("sendto\nconnect\nsendmsg\nsendmmsg\n", await space.EndedAsync("talker"));
        await RunAsync(space, "stranger", "datagrams ask sendto $ECHO_SERVICE_HOST 53 x; true", "{connect: [{service: db, port: 8080}]}");
        Assert.Equal("-13\n", await space.EndedAsync("stranger"));
        await space.UntilEventAsync("stranger", $"missing grant: connect udp service {space.Name}/echo 53");
    }

    [Fact]
    public async Task A_node_port_answers_on_the_host_and_affinity_keeps_a_client_on_one_pod()
    {
        var space = await StartAsync();
        await space.ApplyAsync("""
            apiVersion: v1
            kind: Service
            metadata: {name: door}
            spec: {type: NodePort, selector: {app: db}, ports: [{name: http, port: 80, targetPort: 8080}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: sticky}
            spec: {selector: {app: db}, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: 8080}]}
            """);
        var shown = (await space.KubectlAsync("get", "svc", "door", "--no-headers")).Output;
        var port = System.Text.RegularExpressions.Regex.Match(shown, @"NodePort +127\.[\d.]+ +<none> +80:(3\d{4})/TCP").Groups[1].Value;
        Assert.True(port.Length > 0, shown);
        await Shell.UntilAsync(() => AskAsync(int.Parse(port, System.Globalization.CultureInfo.InvariantCulture)), said => said.StartsWith("db-", StringComparison.Ordinal), "the node port to answer");
        const string script = "for i in $(seq 40); do nc $1 80 </dev/null; done";
        await RunAsync(space, "visitor", script.Replace("$1", "sticky", StringComparison.Ordinal), "{connect: [{service: sticky, port: 80}]}");
        await RunAsync(space, "wanderer", script.Replace("$1", "door", StringComparison.Ordinal), "{connect: [{service: door, port: 80}]}");
        Assert.Single((await space.EndedAsync("visitor")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct());
        Assert.Equal(2, (await space.EndedAsync("wanderer")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct().Count());
    }
}
