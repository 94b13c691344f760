using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A workload without permissions is recorded; what is suggested is approved; under enforcement it then does all it did before, and nothing is refused.</summary>
public sealed partial class LearningTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private const string Learner = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: learner}
        spec:
          selector: {matchLabels: {app: learner}}
          template:
            metadata: {labels: {app: learner}}
            spec:
              terminationGracePeriodSeconds: 1
              containers:
              - name: a
                image: hello:1
                command: [sh, -c]
                args:
                - |
                  mkdir -p /www/pages && echo page > /www/pages/index.html
                  httpd -p 8081 -h /www/pages
                  cp /bin/busybox /www/busybox-2
                  while true; do
                    wget -q -O- http://hello.default/ && date > /etc/last && wget -q -O- http://127.0.0.1:8081/index.html && /www/busybox-2 true && (sleep 1 & sleep 1 & sleep 1 & wait) && echo all done
                    sleep 1
                  done
                permissions:
                  connect: [{cidr: 10.9.0.0/16, port: 443}]
                  processes: {exec: [/bin/busybox, /opt/unused], max: 4}
        """;

    /// <summary>The one pod there is when what was rolled out has replaced the one before: both may have been made in the same second.</summary>
    private Task<string> PodAsync() => Shell.UntilAsync(() => cluster.KubectlAsync("get", "pods", "-l", "app=learner", "-o", "jsonpath={.items[*].metadata.name}"), names => names.Length > 0 && !names.Contains(' ', StringComparison.Ordinal), "one pod to be left");

    private Task<string> DoneAsync(string pod) => Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod), log => log.Contains("all done", StringComparison.Ordinal), "the workload to do all it does");

    [Fact]
    public async Task Recorded_suggested_and_approved_a_workload_runs_under_enforcement_without_a_denial()
    {
        var file = Path.Combine(cluster.State, "learner.yaml");
        await File.WriteAllTextAsync(file, Learner);
        Assert.Equal(0, (await cluster.EyrieAsync("apply", "-f", file)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "deployment/learner"), log => log.Contains("bad address", StringComparison.Ordinal) && log.Contains("Read-only file system", StringComparison.Ordinal), "what is not granted to fail");
        Assert.DoesNotContain("all done", (await cluster.KubectlAsync("logs", "deployment/learner")).Output, StringComparison.Ordinal);

        var (code, output) = await cluster.EyrieAsync("permissions", "record", "deployment/learner", "--for", "10m");
        Assert.True(code == 0, output);
        var pod = await PodAsync();
        await DoneAsync(pod);
        var caps = (await cluster.EyrieAsync("caps", pod)).Output;
        foreach (var line in new[] { "audit connect any", "audit exec /", "audit quota memory=536870912 processes=256", "quota memory=536870912 processes=4", "equal to the compiled set" }) Assert.Contains(line, caps, StringComparison.Ordinal);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "permissionrecord", "deployment-learner", "-o", "json"),
            record => record.Contains("dir /etc read,write", StringComparison.Ordinal) && record.Contains("dir /www read,write", StringComparison.Ordinal) && record.Contains("connect tcp service default/hello 80", StringComparison.Ordinal) && record.Contains("listen tcp 8081", StringComparison.Ordinal)
                && record.Contains("exec /www/busybox-2", StringComparison.Ordinal) && record.Contains("exec /bin/busybox", StringComparison.Ordinal) && SixAtOnce().IsMatch(record), "everything to be seen");
        var audited = DenialRecords.Of(cluster.State, pod);
        Assert.Contains(audited, line => (line["verdict"]!.ToString(), line["operation"]!.ToString(), line["target"]!.ToString()) == ("audited", "execute", "/www/busybox-2"));
        Assert.Contains(audited, line => (line["verdict"]!.ToString(), line["operation"]!.ToString()) == ("audited", "fork") && line["remedy"]!.ToString().Contains("max: ", StringComparison.Ordinal));
        (code, output) = await cluster.EyrieAsync("permissions", "record", "deployment/learner", "--for", "10m");
        Assert.Contains("is recorded already", output, StringComparison.Ordinal);
        (code, output) = await cluster.EyrieAsync("permissions", "record", "deployment/learner", "--stop");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "permissionrecord", "deployment-learner", "-o", "jsonpath={.status.phase}"), phase => phase == "Ended", "the record to end");

        (code, output) = await cluster.EyrieAsync("permissions", "suggest", "deployment/learner");
        Assert.True(code == 0, output);
        foreach (var line in new[] { "+ connect: {service: hello, port: 80}", "+ files: {path: /etc, access: write}", "+ files: {path: /www, access: write}", "+ listen: {port: 8081}", "- connect: {cidr: 10.9.0.0/16, port: 443}    # was not used",
            "+ processes: {exec: [/www], max: 16}    # /www has 1 file that was executed", "= processes: {exec: [/bin/busybox]}    # used", "- processes: {exec: [/opt/unused]}    # nothing was run from it" }) Assert.Contains(line, output, StringComparison.Ordinal);
        var digest = Digest().Match(output).Groups[1].Value;

        await cluster.KubectlAsync("set", "env", "deployment/learner", "CHANGED=1");
        var (refused, why) = await cluster.EyrieAsync("permissions", "approve", "deployment/learner", "--digest", digest);
        Assert.Equal(1, refused);
        Assert.Contains("the workload has changed since", why, StringComparison.Ordinal);

        output = (await cluster.EyrieAsync("permissions", "suggest", "deployment/learner")).Output;
        (code, output) = await cluster.EyrieAsync("permissions", "approve", "deployment/learner", "--digest", Digest().Match(output).Groups[1].Value);
        Assert.True(code == 0, output);
        await cluster.KubectlAsync("rollout", "status", "deployment/learner", "--timeout=60s");
        pod = await PodAsync();
        await DoneAsync(pod);
        Assert.DoesNotContain("audit", (await cluster.EyrieAsync("caps", pod)).Output, StringComparison.Ordinal);
        // Over the whole of several rounds: the audit record keeps every denial, and what the host's kernel refuses without telling (a write, an exec, a fork) the program says.
        var log = await Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod), log => log.Split("all done").Length > 4, "four rounds");
        Assert.DoesNotMatch("denied|Read-only|bad address|can't fork", log);
        Assert.Empty(DenialRecords.Of(cluster.State, pod));
        var events = JsonNode.Parse((await cluster.KubectlAsync("get", "events", "-o", "json")).Output)!["items"]!.AsArray();
        Assert.DoesNotContain(events, item => item!["involvedObject"]!["name"]!.ToString() == pod && item["reason"]!.ToString() is "PermissionDenied" or "PermissionAudited");
        Assert.Contains("what is granted is what was used", (await cluster.EyrieAsync("permissions", "suggest", "deployment/learner")).Output, StringComparison.Ordinal);
    }

    [GeneratedRegex("quota memory=536870912 processes=([6-9]|10)\"")]
    private static partial Regex SixAtOnce();

    [GeneratedRegex(@"--digest (\S+)")]
    private static partial Regex Digest();
}
