using Xunit;

namespace Eyrie.EndToEnd.Tests;

[Collection(nameof(NodeCluster))]
public sealed class PodLifeTests(NodeCluster cluster)
{
    [Fact]
    public async Task Init_containers_sidecars_and_work_come_and_go_in_their_order()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("order", "echo work >>/v/log; cat /v/log; echo gone >>/v/log", "volumeMounts: [{name: v, mountPath: /v}]",
            """
            restartPolicy: Never
            volumes: [{name: v, emptyDir: {}}]
            initContainers:
            - {name: one, image: hello:1, command: [sh, -c, "sleep 0.5; echo one >>/v/log"], volumeMounts: [{name: v, mountPath: /v}]}
            - name: side
              image: hello:1
              restartPolicy: Always
              command: [sh, -c, "trap 'cat /v/log; echo ended; exit 0' TERM; echo side >>/v/log; while true; do sleep 0.1; done"]
              startupProbe: {exec: {command: [busybox, grep, side, /v/log]}, periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 30}
              volumeMounts: [{name: v, mountPath: /v}]
            - {name: two, image: hello:1, command: [sh, -c, "echo two >>/v/log"], volumeMounts: [{name: v, mountPath: /v}]}
            """, grace: 20);
        Assert.Equal("one side two work", string.Join(' ', (await space.EndedAsync("order")).Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        // The sidecar is told to end when the work is over, and until it has ended the pod runs.
        var side = (await space.KubectlAsync("logs", "order", "-c", "side")).Output;
        Assert.Equal("one side two work gone ended", string.Join(' ', side.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task A_node_tells_the_images_it_has_which_the_scheduler_prefers_it_for()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("image", "true");
        await space.EndedAsync("image");
        var node = (await space.KubectlAsync("get", "pod", "image", "-o", "jsonpath={.spec.nodeName}")).Output;
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "node", node, "-o", "jsonpath={range .status.images[?(@.sizeBytes>0)]}{.names[*]} {end}"), names => names.Split(' ').Contains("hello:1"), "the node to tell hello:1");
    }

    [Fact]
    public async Task A_container_that_keeps_ending_is_run_again_at_once_and_then_after_its_back_off()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("crash", "echo run; exit 7", spec: "restartPolicy: Always");
        var waiting = await space.UntilAsync("crash", "{.status.containerStatuses[0].state.waiting.reason} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.waiting.message}", state => state.StartsWith("CrashLoopBackOff 1 ", StringComparison.Ordinal), "CrashLoopBackOff after one restart"); // in one look: in ten seconds it is another
        Assert.StartsWith("CrashLoopBackOff 1 back-off 10s restarting failed container=a pod=crash_", waiting, StringComparison.Ordinal);
        Assert.Equal("7 Error", (await space.KubectlAsync("get", "pod", "crash", "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode} {.status.containerStatuses[0].lastState.terminated.reason}")).Output);
        Assert.Equal("run", (await space.KubectlAsync("logs", "crash", "--previous")).Output.Trim());
        await space.UntilEventAsync("crash", "BackOff: Back-off restarting failed container a in pod crash_");
    }

    [Fact]
    public async Task A_container_above_its_memory_limit_is_killed_told_and_run_again_and_its_neighbour_does_not_notice()
    {
        var space = await cluster.NamespaceAsync();
        const string Beats = "n=0; while true; do n=$((n+1)); echo $n; busybox usleep 100000; done";
        await space.PodAsync("beside", Beats, "resources: {limits: {memory: 16Mi}}\npermissions: {processes: {max: 16}}", "restartPolicy: Always\nnodeSelector: {kubernetes.io/hostname: node-0}");
        await Shell.UntilAsync(() => space.KubectlAsync("logs", "beside"), log => log.StartsWith("1\n2\n", StringComparison.Ordinal), "the pod beside to beat");
        await space.PodAsync("greedy", "exec busybox dd if=/dev/zero of=/dev/null bs=256M count=1", "resources: {limits: {memory: 32Mi}}",
            """
            restartPolicy: Always
            nodeSelector: {kubernetes.io/hostname: node-0}
            initContainers: [{name: neighbour, image: "hello:1", restartPolicy: Always, command: [sh, -c, "n=0; while true; do n=$((n+1)); echo $n; busybox usleep 100000; done"], resources: {limits: {memory: 16Mi}}, permissions: {processes: {max: 16}}}]
            """);
        await space.UntilAsync("greedy", "{.status.containerStatuses[0].lastState.terminated.reason} {.status.containerStatuses[0].lastState.terminated.exitCode}", state => state == "OOMKilled 137", "the end over the limit");
        Assert.Equal("0 true", (await space.KubectlAsync("get", "pod", "greedy", "-o", "jsonpath={.status.initContainerStatuses[0].restartCount} {.status.initContainerStatuses[0].ready}")).Output);
        Assert.Equal("0 true", (await space.KubectlAsync("get", "pod", "beside", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")).Output);
        // Both went on while the other was killed, again and again: they counted without a gap, and go on.
        foreach (var (pod, container) in new[] { ("greedy", "neighbour"), ("beside", "a") })
        {
            var before = (await space.KubectlAsync("logs", pod, "-c", container)).Output.Split('\n')[..^1];
            Assert.Equal(Enumerable.Range(1, before.Length).Select(beat => $"{beat}"), before);
            await Shell.UntilAsync(() => space.KubectlAsync("logs", pod, "-c", container), log => log.Split('\n').Length > before.Length + 3, $"{container} of {pod} to go on");
        }
    }

    [Fact]
    public async Task A_program_begins_with_the_usual_umask_and_limits()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("limits", "umask; ulimit -c; [ $(ulimit -n) -ge 1024 ] && echo files; [ $(ulimit -s) = unlimited ] || [ $(ulimit -s) -ge 8192 ] && echo stack; touch /v/f; busybox stat -c %a /v/f", "volumeMounts: [{name: v, mountPath: /v}]", "restartPolicy: Never\nvolumes: [{name: v, emptyDir: {}}]");
        Assert.Equal("0022 0 files stack 644", string.Join(' ', (await space.EndedAsync("limits")).Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task Hooks_run_after_the_start_and_before_the_end()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("hooks", "until [ -e /v/started ]; do sleep 0.05; done; trap 'cat /v/stopping; exit 0' TERM; echo started; while true; do sleep 0.05; done",
            "volumeMounts: [{name: v, mountPath: /v}]\nlivenessProbe: {exec: {command: [cat, /v/started]}, periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 1}\nlifecycle: {postStart: {exec: {command: [sh, -c, 'echo >/v/started']}}, preStop: {exec: {command: [sh, -c, 'echo stopping >/v/stopping']}}}",
            "restartPolicy: Never\nvolumes: [{name: v, emptyDir: {}}]", grace: 20);
        await Shell.UntilAsync(() => space.KubectlAsync("logs", "hooks"), log => log == "started\n", "the first hook");
        var (code, output) = await space.KubectlAsync("exec", "hooks", "--", "sh", "-c", "rm /v/started"); // ends it: its probe fails
        Assert.True(code == 0, output);
        Assert.Equal("started stopping", string.Join(' ', (await space.EndedAsync("hooks")).Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task Hooks_by_HTTP_ask_the_container_itself_after_its_start_and_before_its_end()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("asked", "mkdir -p /www/cgi-bin; busybox printf '#!/bin/sh\necho $QUERY_STRING >>/v/asked; echo; echo ok\n' >/www/cgi-bin/hook; busybox chmod 755 /www/cgi-bin/hook; trap 'cat /v/asked; exit 0' TERM; httpd -p 8080 -h /www; while true; do sleep 0.05; done",
            "ports: [{name: web, containerPort: 8080}]\nvolumeMounts: [{name: v, mountPath: /v}]\npermissions: {files: [{path: /www, access: write}], processes: {max: 16}}\nlifecycle: {postStart: {sleep: {seconds: 1}}, preStop: {httpGet: {path: \"/cgi-bin/hook?stopping\", port: web}}}",
            "restartPolicy: Never\nactiveDeadlineSeconds: 10\nvolumes: [{name: v, emptyDir: {}}]", grace: 20); // by then it has begun and listens, on a busy host too
        await space.UntilAsync("asked", "{.status.phase} {.status.reason}", state => state == "Failed DeadlineExceeded", "the deadline");
        Assert.Equal("stopping", (await space.KubectlAsync("logs", "asked")).Output.Trim());
    }

    [Fact]
    public async Task A_post_start_hook_that_fails_ends_the_container()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("badhook", "exec sleep 1000", "lifecycle: {postStart: {exec: {command: [sh, -c, 'echo no; exit 1']}}}");
        await space.UntilEventAsync("badhook", "FailedPostStartHook: PostStartHook failed: no");
        await space.UntilAsync("badhook", "{.status.phase}", phase => phase == "Failed", "the pod to fail");
    }

    [Theory]
    [InlineData("own", "printf 'why it ended' >/dev/termination-log; exit 1", "terminationMessagePolicy: File", "why it ended")]
    [InlineData("log", "echo last words; exit 1", "terminationMessagePolicy: FallbackToLogsOnError", "last words")]
    [InlineData("none", "echo last words; exit 1", "terminationMessagePolicy: File", "")]
    public async Task The_termination_message_is_what_the_program_left(string name, string script, string policy, string expected)
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync(name, script.Replace("printf", "busybox printf", StringComparison.Ordinal), policy);
        await space.EndedAsync(name, "Failed");
        Assert.Equal(expected, (await space.KubectlAsync("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].state.terminated.message}")).Output.Trim());
    }

    [Fact]
    public async Task Names_and_directory_are_those_of_the_manifest()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("names", "hostname; pwd; cat /etc/hosts", "workingDir: /www", "restartPolicy: Never\nhostname: box\nsubdomain: sub\nhostAliases: [{ip: 10.1.2.3, hostnames: [far.example, far]}]");
        var log = await space.EndedAsync("names");
        Assert.StartsWith("box\n/www\n", log, StringComparison.Ordinal);
        Assert.Contains($"box.sub.{space.Name}.svc.cluster.local\tbox", log, StringComparison.Ordinal);
        Assert.Contains("10.1.2.3\tfar.example\tfar", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_that_runs_as_root_is_refused_where_that_is_asked()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("root", "true", "securityContext: {runAsNonRoot: true}");
        await space.UntilAsync("root", "{.status.containerStatuses[0].state.waiting.reason}", reason => reason == "CreateContainerConfigError", "the refusal");
        Assert.Contains("container has runAsNonRoot and image will run as root", (await space.KubectlAsync("get", "pod", "root", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")).Output, StringComparison.Ordinal);
        await space.PodAsync("user", "id -u", "securityContext: {runAsNonRoot: true, runAsUser: 1000}");
        Assert.Equal("1000", (await space.EndedAsync("user")).Trim());
    }
}
