using Eyrie.Microkernel.Client;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Permissions of pods that run: given, taken away, and bounded by the namespace.</summary>
public sealed class PermissionsTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private const string Policy = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: let-in, namespace: default}
        spec:
          podSelector: {matchLabels: {app: uninvited}}
          policyTypes: [Egress]
          egress: [{to: [{podSelector: {matchLabels: {app: hello}}}], ports: [{port: 8080}]}]
        """;

    private const string Ceiling = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: bounded, annotations: {eyrie.dev/permission-ceiling: most}}
        ---
        apiVersion: eyrie.dev/v1
        kind: PermissionSet
        metadata: {name: most, namespace: bounded}
        spec: {connect: [{cidr: 10.0.0.0/8, port: 443}]}
        """;

    private async Task<(int Code, string Output)> ApplyAsync(string name, string manifest)
    {
        var file = Path.Combine(cluster.State, name);
        await File.WriteAllTextAsync(file, manifest);
        return await cluster.EyrieAsync("apply", "-f", file);
    }

    private Task<(int Code, string Output)> UninvitedAsync(string path) => cluster.KubectlAsync("get", "pod", "-l", "app=uninvited", "-o", $"jsonpath={{.items[0].{path}}}");

    /// <summary>The very first grant of the network restarts a container, whose filter had no socket calls; from then on they come and go while it runs.</summary>
    [Fact]
    public async Task A_policy_gives_a_running_pod_a_grant_and_takes_it_away_again_without_a_further_restart()
    {
        var pod = (await UninvitedAsync("metadata.name")).Output;
        var (code, output) = await ApplyAsync("policy.yaml", Policy);
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod), log => log.Contains("hello from", StringComparison.Ordinal), "an answer to the pod that was let in");
        var caps = (await cluster.EyrieAsync("caps", pod)).Output;
        Assert.Contains("equal to the compiled set", caps, StringComparison.Ordinal);
        Assert.Contains("connect tcp pods default/app=hello 8080", caps, StringComparison.Ordinal);
        Assert.Contains("connect tcp service default/hello 80", caps, StringComparison.Ordinal);

        await cluster.KubectlAsync("delete", "networkpolicy", "let-in");
        await Shell.UntilAsync(() => cluster.EyrieAsync("caps", pod), text => !text.Contains("connect", StringComparison.Ordinal) && text.Contains("equal to the compiled set", StringComparison.Ordinal), "the grant to be gone");
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod, "--tail=1"), log => log.Contains("Permission denied", StringComparison.Ordinal), "Permission denied");
        (code, output) = await ApplyAsync("policy.yaml", Policy);
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod, "--tail=1"), log => log.Contains("hello from", StringComparison.Ordinal), "an answer to the pod that was let in again");
        await cluster.KubectlAsync("delete", "networkpolicy", "let-in");
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod, "--tail=1"), log => log.Contains("Permission denied", StringComparison.Ordinal), "Permission denied again");
        Assert.Equal((pod, "1"), ((await UninvitedAsync("metadata.name")).Output, (await UninvitedAsync("status.containerStatuses[0].restartCount")).Output));
    }

    [Fact]
    public async Task A_running_pods_own_permissions_can_be_edited()
    {
        var pod = (await cluster.KubectlAsync("get", "pod", "-l", "app=visitor", "-o", "jsonpath={.items[0].metadata.name}")).Output;
        var (code, output) = await cluster.KubectlAsync("patch", "pod", pod, "--type=json", "-p", """[{"op":"add","path":"/spec/containers/0/permissions/connect/-","value":{"cidr":"10.1.2.0/24","port":443}}]""");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.EyrieAsync("caps", pod), text => text.Contains("connect tcp cidr 10.1.2.0/24 443", StringComparison.Ordinal) && text.Contains("equal to the compiled set", StringComparison.Ordinal), "the new grant");
        await Shell.UntilAsync(() => cluster.KubectlAsync("describe", "pod", pod), text => text.Contains("+ connect tcp cidr 10.1.2.0/24 443", StringComparison.Ordinal), "the event");
    }

    [Fact]
    public async Task Nobody_in_a_bounded_namespace_is_granted_more_than_its_ceiling()
    {
        var (code, output) = (0, "");
        foreach (var document in Ceiling.Split("---")) // what is in a namespace can be checked only when the namespace is there
        {
            (code, output) = await ApplyAsync("ceiling.yaml", document);
            Assert.True(code == 0, output);
        }
        string Pod(string cidr) => $$"""
            apiVersion: v1
            kind: Pod
            metadata: {name: p, namespace: bounded}
            spec:
              containers:
              - name: a
                image: hello:1
                permissions:
                  connect: [{cidr: {{cidr}}, port: 443}]
            """;
        (code, output) = await ApplyAsync("beyond.yaml", Pod("11.0.0.0/8"));
        Assert.Equal(1, code);
        Assert.Contains("beyond the ceiling of namespace bounded", output, StringComparison.Ordinal);
        Assert.Contains("beyond.yaml:9:", output, StringComparison.Ordinal);
        (code, output) = await ApplyAsync("within.yaml", Pod("10.1.0.0/16"));
        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task A_permission_set_with_a_mistake_is_refused_and_a_missing_one_too()
    {
        var (code, output) = await ApplyAsync("set.yaml", "apiVersion: eyrie.dev/v1\nkind: PermissionSet\nmetadata: {name: s}\nspec:\n  hostFacts: [cpu]\n");
        Assert.Equal(1, code);
        Assert.Contains("cpu cannot be withheld, so it needs no grant", output, StringComparison.Ordinal);
        (code, output) = await ApplyAsync("missing.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: missing}\nspec:\n  containers:\n  - {name: a, image: hello:1, permissions: {sets: [nowhere]}}\n");
        Assert.Equal(1, code);
        Assert.Contains("there is no PermissionSet \"nowhere\"", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_pods_may_do_is_explained_compared_drawn_diagnosed_and_verified()
    {
        var (code, output) = await cluster.EyrieAsync("permissions", "explain", "manifests/samples/hello.yaml");
        Assert.True(code == 0, output);
        Assert.Matches(@"connect tcp service default/hello 80 +manifests/samples/hello.yaml:\d+:\d+", output);
        Assert.Contains("default/visitor -> service default/hello : 80", (await cluster.EyrieAsync("permissions", "graph")).Output, StringComparison.Ordinal);
        var difference = (await cluster.EyrieAsync("permissions", "diff", "deployment/uninvited", "deployment/visitor")).Output;
        Assert.Contains("+ connect tcp service default/hello 80", difference, StringComparison.Ordinal);
        var pod = (await UninvitedAsync("metadata.name")).Output;
        await Shell.UntilAsync(() => cluster.EyrieAsync("permissions", "doctor", pod), text => text.Contains("no grant \"connect tcp service default/hello 80\"", StringComparison.Ordinal) && text.Contains("- service: hello", StringComparison.Ordinal), "what the uninvited is refused");
        Assert.Contains("hello/web", (await cluster.EyrieAsync("permissions", "score", "deployment/hello")).Output, StringComparison.Ordinal);
        var transitional = Path.Combine(cluster.State, "transitional.yaml");
        await File.WriteAllTextAsync(transitional, """
            apiVersion: v1
            kind: Pod
            metadata: {name: moving}
            spec:
              containers:
              - name: a
                image: hello:1
                permissions:
                  connect:
                  - {name: old, cidr: 10.1.2.3/32, port: 5432}
                  transitional: [old]
            """);
        foreach (var verb in new[] { "explain", "score" })
        {
            (code, output) = await cluster.EyrieAsync("permissions", verb, transitional);
            Assert.True(code == 0, output);
            Assert.Matches(@"transitional\.yaml:10:\d+: transitional, to be removed: connect tcp cidr 10\.1\.2\.3/32 5432", output);
        }
        (code, output) = await cluster.EyrieAsync("caps", "verify");
        Assert.True(code == 0, output);
        Assert.Matches(@"[5-9]\d* containers hold exactly what was compiled", output);
    }

    [Fact]
    public async Task A_set_that_is_not_the_compiled_one_is_found_is_a_condition_of_the_pod_and_ends_the_container()
    {
        var name = (await cluster.KubectlAsync("get", "pod", "-l", "app=visitor", "-o", "jsonpath={.items[0].metadata.name}")).Output;
        var id = (await cluster.KubectlAsync("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].containerID}")).Output["metteagle://".Length..];
        await ChangeBehindTheNodesBackAsync(id);
        var (code, output) = await cluster.EyrieAsync("caps", "verify");
        Assert.Equal(1, code);
        Assert.Contains($"default/{name} container visitor: only compiled [], only in the kernel [connect tcp cidr 10.99.0.0/16 443]", output, StringComparison.Ordinal);

        await cluster.KubectlAsync("patch", "pod", name, "--type=json", "-p", """[{"op":"add","path":"/spec/containers/0/permissions/connect/-","value":{"cidr":"10.1.3.0/24","port":443}}]"""); // compared after every change
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "events", "-o", "jsonpath={.items[*].reason}"), reasons => reasons.Contains("CapabilityMismatch", StringComparison.Ordinal), "the difference to be told");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.containerID} {.status.conditions[?(@.type=='eyrie.dev/CapabilitiesEqual')].status}"),
            text => text == $"metteagle://{id} True", "the container to be ended, and another to hold what was compiled");
        Assert.Equal(0, (await cluster.EyrieAsync("caps", "verify")).Code);
    }

    private async Task ChangeBehindTheNodesBackAsync(string id)
    {
        foreach (var socket in KernelSockets())
        {
            await using var kernel = await ContainerService.ConnectAsync(socket, CancellationToken.None);
            if ((await kernel.ListAsync(CancellationToken.None)).All(container => container.Id != id)) continue;
            await kernel.ChangeCapabilitiesAsync(id, ["connect tcp cidr 10.99.0.0/16 443"], [], CancellationToken.None);
        }
    }

    [Fact]
    public async Task A_namespaces_level_lets_through_and_records_and_enforces_again_and_a_granted_Service_that_is_not_there_is_told_of()
    {
        var (code, output) = await ApplyAsync("level.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: levelled, labels: {eyrie.dev/permissions: audit}}\n");
        Assert.True(code == 0, output);
        (code, output) = await ApplyAsync("level-pod.yaml", """
            apiVersion: v1
            kind: Pod
            metadata: {name: p, namespace: levelled}
            spec:
              terminationGracePeriodSeconds: 0
              containers:
              - name: a
                image: hello:1
                command: [sh, -c, "while true; do wget -q -O- http://hello.default/; wget -q -O- http://ghost/; (echo x > /etc/x) && echo wrote; sleep 1; done"]
                permissions: {connect: [{service: ghost, port: 80}]}
            """);
        Assert.True(code == 0, output);
        Task<(int, string)> Get(params string[] what) => cluster.KubectlAsync(["-n", "levelled", .. what]);
        await Shell.UntilAsync(() => Get("logs", "p"), log => log.Contains("hello from", StringComparison.Ordinal) && log.Contains("wrote", StringComparison.Ordinal), "what no grant allows to be let through");
        await Shell.UntilAsync(() => Get("get", "events", "-o", "jsonpath={range .items[*]}{.reason} {.message}{'\\n'}{end}"), events => events.Contains("PermissionAudited container a (wget /bin/busybox) was let connect", StringComparison.Ordinal)
            && events.Contains("missing grant: dir /etc read,write", StringComparison.Ordinal) && events.Contains("ServiceNotFound a container asked for Service levelled/ghost", StringComparison.Ordinal), "the record of it");
        Assert.Contains("no grant \"connect tcp service default/hello 80\"", (await cluster.EyrieAsync("permissions", "doctor", "p", "-n", "levelled")).Output, StringComparison.Ordinal);

        // Another set than was compiled is a condition there too, and stops nothing.
        var id = (await Get("get", "pod", "p", "-o", "jsonpath={.status.containerStatuses[0].containerID}")).Item2;
        await ChangeBehindTheNodesBackAsync(id["metteagle://".Length..]);
        (code, output) = await Get("patch", "pod", "p", "--type=json", "-p", """[{"op":"add","path":"/spec/containers/0/permissions/connect/-","value":{"cidr":"10.1.3.0/24","port":443}}]""");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => Get("get", "pod", "p", "-o", "jsonpath={.status.conditions[?(@.type=='eyrie.dev/CapabilitiesEqual')].status} {.status.conditions[?(@.type=='eyrie.dev/CapabilitiesEqual')].message}"),
            condition => condition.StartsWith("False", StringComparison.Ordinal) && condition.Contains("connect tcp cidr 10.99.0.0/16 443", StringComparison.Ordinal), "the difference to be a condition");
        await Shell.UntilAsync(() => Get("get", "events", "-o", "jsonpath={.items[*].reason}"), reasons => reasons.Contains("CapabilityMismatch", StringComparison.Ordinal), "the difference to be told"); // events are written beside conditions
        int rounds = (await Get("logs", "p")).Item2.Split("wrote").Length;
        await Shell.UntilAsync(() => Get("logs", "p"), log => log.Split("wrote").Length > rounds + 1, "the container to go on");
        Assert.Equal($"{id} 0", (await Get("get", "pod", "p", "-o", "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}")).Item2);

        (code, output) = await cluster.KubectlAsync("label", "namespace", "levelled", "eyrie.dev/permissions=relaxed", "--overwrite");
        Assert.True(code != 0 && output.Contains("must be enforce, audit or off", StringComparison.Ordinal), output);
        Assert.Equal(0, (await cluster.KubectlAsync("label", "namespace", "levelled", "eyrie.dev/permissions=enforce", "--overwrite")).Code);
        await Shell.UntilAsync(() => Get("logs", "p"), log => log.Contains("Read-only file system", StringComparison.Ordinal) && !log.Contains("hello from", StringComparison.Ordinal), "enforcement");
    }

    /// <summary>Empty: the process, of another cluster, has ended meanwhile.</summary>
    private static List<string> Arguments(int process)
    {
        try
        {
            return [.. File.ReadAllText($"/proc/{process}/cmdline").Split('\0')];
        }
        catch (IOException)
        {
            return []; // gone
        }
    }

    /// <summary>Of this cluster's kernels.</summary>
    private IEnumerable<string> KernelSockets()
    {
        foreach (var process in System.Diagnostics.Process.GetProcessesByName("eyrie-kernel"))
            using (process)
            {
                var arguments = Arguments(process.Id);
                if (arguments.Any(argument => argument.StartsWith(cluster.State, StringComparison.Ordinal)) && arguments.IndexOf("--socket") is > 0 and var at) yield return arguments[at + 1];
            }
    }

    [Fact]
    public async Task A_denial_stands_in_the_audit_record_of_its_node_with_the_lines_that_would_grant_it()
    {
        var uninvited = (await UninvitedAsync("metadata.name")).Output;
        await Shell.UntilAsync(() => Task.FromResult((0, $"{DenialRecords.Of(cluster.State, uninvited).Count}")), count => count != "0", "a line about the uninvited");
        var denial = DenialRecords.Of(cluster.State, uninvited)[0];
        Assert.Equal(("default", "uninvited", "denied", "connect", "connect tcp service default/hello 80", "permissions:\n  connect:\n  - service: hello\n    port: 80"),
            (denial["namespace"]!.ToString(), denial["container"]!.ToString(), denial["verdict"]!.ToString(), denial["operation"]!.ToString(), denial["missingGrant"]!.ToString(), denial["remedy"]!.ToString()));
        Assert.Equal("wget /bin/busybox", denial["program"]!.ToString());
        Assert.Matches(@"^127\.\d+\.\d+\.\d+:80\z", denial["target"]!.ToString());
    }

    [Fact]
    public async Task Who_is_refused_a_thousand_times_is_one_event_with_that_count_and_few_lines_of_the_record()
    {
        const int Times = 1000;
        var (code, output) = await ApplyAsync("storm.yaml", $"""
            apiVersion: v1
            kind: Pod
            metadata: {"{"}name: storm{"}"}
            spec:
              terminationGracePeriodSeconds: 0
              containers:
              - name: a
                image: hello:1
                command: [sh, -c, "i=0; while [ $i -lt {Times} ]; do nc 10.77.0.1 443 2>/dev/null; i=$((i+1)); done; echo done; sleep 600"]
            """);
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "storm"), log => log.Contains("done", StringComparison.Ordinal), "the last refusal");
        const string Counts = "jsonpath={range .items[?(@.involvedObject.name==\"storm\")]}{.reason}={.count} {end}";
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "events", "-o", Counts), events => events.Split(' ').Count(item => item.StartsWith("PermissionDenied=", StringComparison.Ordinal)) == 1 && events.Contains($"PermissionDenied={Times} ", StringComparison.Ordinal), "one event of all denials");
        var lines = DenialRecords.Of(cluster.State, "storm");
        Assert.Equal(Times, lines.Sum(line => line["count"]!.GetValue<int>()));
        Assert.InRange(lines.Count, 1, Times / 10);
        Assert.Single(lines.Select(line => line["missingGrant"]!.ToString()).Distinct());
        await cluster.KubectlAsync("delete", "pod", "storm");
    }
}
