using Xunit;

namespace Eyrie.EndToEnd.Tests;

[Collection(nameof(NodeCluster))]
public sealed class EnvironmentAndVolumeTests(NodeCluster cluster)
{
    private const string Config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {COLOUR: blue, file.txt: first}\n";

    [Fact]
    public async Task The_environment_comes_from_config_maps_secrets_and_the_pod_itself()
    {
        var space = await cluster.NamespaceAsync();
        await space.ApplyAsync(Config + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: hidden}\nstringData: {PASSWORD: s3cret}\n");
        await space.PodAsync("env", "echo $COLOUR $PASSWORD $NAME $NOTE $CPU $GREETING $HOSTNAME $0 $1; cd /all; for f in colour secret about/name limits; do echo $f=$(cat $f); done; until cat /about/labels | grep later; do sleep 0.1; done",
            """
            volumeMounts: [{name: all, mountPath: /all}, {name: about, mountPath: /about}]
            envFrom: [{configMapRef: {name: settings}}]
            resources: {limits: {cpu: 250m, memory: 32Mi}}
            env:
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: hidden, key: PASSWORD}}}
            - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: NOTE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['note']"}}}
            - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
            - {name: GREETING, value: "hi-$(COLOUR)-$$(COLOUR)"}
            """, """
            restartPolicy: Never
            hostname: box
            volumes:
            - name: all
              projected:
                sources:
                - configMap: {name: settings, items: [{key: COLOUR, path: colour}]}
                - secret: {name: hidden, items: [{key: PASSWORD, path: secret}]}
                - downwardAPI: {items: [{path: about/name, fieldRef: {fieldPath: metadata.name}}, {path: limits, resourceFieldRef: {containerName: a, resource: limits.memory, divisor: 1Mi}}]}
            - {name: about, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
            """);
        await Shell.UntilAsync(() => space.KubectlAsync("logs", "env"), log => log.Contains("limits=", StringComparison.Ordinal), "what the volumes say");
        Assert.Equal(0, (await space.KubectlAsync("label", "pod", "env", "since=later")).Code); // which reaches the running container
        Assert.Equal(["blue s3cret env hello 250 hi-blue-$(COLOUR) box sh", "colour=blue", "secret=s3cret", "about/name=env", "limits=32", "since=\"later\""], (await space.EndedAsync("env")).Trim().Split('\n'));
    }

    [Fact]
    public async Task A_missing_reference_is_explained_and_the_container_starts_when_it_is_there()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("waits", "echo $COLOUR", "env: [{name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: COLOUR}}}]");
        await space.UntilAsync("waits", "{.status.containerStatuses[0].state.waiting.reason}", reason => reason == "CreateContainerConfigError", "CreateContainerConfigError");
        Assert.Contains("configmap \"settings\" not found", (await space.KubectlAsync("get", "pod", "waits", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")).Output, StringComparison.Ordinal);
        await space.ApplyAsync(Config);
        Assert.Equal("blue", (await space.EndedAsync("waits")).Trim());
        Assert.Equal("0", (await space.KubectlAsync("get", "pod", "waits", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")).Output);
    }

    [Fact]
    public async Task A_missing_volume_is_an_event_and_is_mounted_when_it_is_there()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("mounts", "cat /config/file.txt; ls -l /config/file.txt; id -G", "volumeMounts: [{name: v, mountPath: /config}]",
            "restartPolicy: Never\nsecurityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}\nvolumes: [{name: v, configMap: {name: settings, defaultMode: 0400}}]");
        await space.UntilEventAsync("mounts", "FailedMount: configmap \"settings\" not found");
        await space.ApplyAsync(Config);
        var log = await space.EndedAsync("mounts");
        Assert.StartsWith("first", log, StringComparison.Ordinal);
        Assert.Contains("1000 2000", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_update_reaches_a_running_container_whole_and_nothing_can_be_written_there()
    {
        var space = await cluster.NamespaceAsync();
        await space.ApplyAsync("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pair}\ndata: {a: '1', b: '1'}\n");
        // What is read empty is of a version that is being removed.
        await space.PodAsync("reader", "touch /config/x 2>/dev/null && echo wrote; until [ \"$(cat /config/a 2>/dev/null)\" = 2 ]; do v=$(readlink /config/..data); x=$(cat /config/$v/a 2>/dev/null); y=$(cat /config/$v/b 2>/dev/null); [ \"$x\" = \"$y\" ] || [ -z \"$x\" ] || [ -z \"$y\" ] || echo mixed; done; echo $(cat /config/b) $(cat /single) ; sleep 1000",
            "volumeMounts: [{name: v, mountPath: /config}, {name: v, mountPath: /single, subPath: a}]", "restartPolicy: Never\nvolumes: [{name: v, configMap: {name: pair}}]");
        await space.UntilAsync("reader", "{.status.phase}", phase => phase == "Running", "running");
        await space.ApplyAsync("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pair}\ndata: {a: '2', b: '2'}\n");
        var log = await Shell.UntilAsync(() => space.KubectlAsync("logs", "reader"), text => text.Contains('2', StringComparison.Ordinal), "the new version");
        Assert.Equal("2 1", log.Trim());
    }

    [Fact]
    public async Task A_changed_secret_reaches_a_running_container_and_leaves_its_environment()
    {
        static string Secret(string text) => $"apiVersion: v1\nkind: Secret\nmetadata: {{name: hidden}}\nstringData: {{key: {text}}}\n";
        var space = await cluster.NamespaceAsync();
        await space.ApplyAsync(Secret("first"));
        await space.PodAsync("holder", "until [ \"$(cat /secret/key 2>/dev/null)\" = second ]; do sleep 0.1; done; echo $(cat /secret/key) $KEY",
            "volumeMounts: [{name: v, mountPath: /secret}]\nenv: [{name: KEY, valueFrom: {secretKeyRef: {name: hidden, key: key}}}]", "restartPolicy: Never\nvolumes: [{name: v, secret: {secretName: hidden}}]");
        await space.UntilAsync("holder", "{.status.phase}", phase => phase == "Running", "running");
        await space.ApplyAsync(Secret("second"));
        Assert.Equal("second first", (await space.EndedAsync("holder")).Trim());
    }

    [Fact]
    public async Task Containers_share_an_empty_directory_and_a_path_below_it_but_no_link_out_of_it()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("shares", "until [ -e /data/ready ]; do sleep 0.1; done; cat /data/words; ls -d /data/ready", "volumeMounts: [{name: v, mountPath: /data, subPath: deep/er}]",
            """
            restartPolicy: Never
            volumes: [{name: v, emptyDir: {}}]
            initContainers:
            - name: writer
              image: hello:1
              command: [sh, -c, "echo words >/v/deep/er/words 2>/dev/null || { cd /v; busybox mkdir -p deep/er; echo words >deep/er/words; }; echo >/v/deep/er/ready"]
              volumeMounts: [{name: v, mountPath: /v}]
            """);
        Assert.Contains("words", await space.EndedAsync("shares"), StringComparison.Ordinal);
        await space.PodAsync("escapes", "ls /data", "volumeMounts: [{name: v, mountPath: /data, subPath: link/images}]",
            """
            restartPolicy: Never
            volumes: [{name: v, emptyDir: {}}]
            initContainers:
            - name: writer
              image: hello:1
              command: [busybox, ln, -s, ../../../.., /v/link]
              volumeMounts: [{name: v, mountPath: /v}]
            """);
        await space.UntilEventAsync("escapes", "leads through something that is not a directory");
    }

    [Fact]
    public async Task The_containers_of_a_pod_share_a_directory_in_memory_its_size_and_a_path_below_it()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("memory", "until [ -e /m/deep/ready ]; do sleep 0.1; done; busybox wc -c </m/x; busybox dd if=/dev/zero of=/m/y bs=64k count=16 2>&1 | busybox grep -o 'No space left'; busybox stat -c '%g %a' /m; busybox awk '$2 == \"/m\" { print $3 }' /proc/mounts; touch /m/deep/end",
            "volumeMounts: [{name: m, mountPath: /m}]",
            """
            restartPolicy: Never
            securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}
            volumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]
            initContainers:
            - name: writer
              image: hello:1
              restartPolicy: Always
              command: [sh, -c, "busybox dd if=/dev/zero of=/m/x bs=64k count=8 2>/dev/null; touch /deep/ready; until [ -e /deep/end ]; do sleep 0.1; done; sleep 1000"]
              volumeMounts: [{name: m, mountPath: /m}, {name: m, mountPath: /deep, subPath: deep}]
            """);
        Assert.Equal("524288 No space left 2000 2777 tmpfs", string.Join(' ', (await space.EndedAsync("memory")).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
        var uid = (await space.KubectlAsync("get", "pod", "memory", "-o", "jsonpath={.metadata.uid}")).Output;
        Assert.Contains($"{uid}/volumes/m tmpfs", await File.ReadAllTextAsync("/proc/mounts"), StringComparison.Ordinal);
        await space.KubectlAsync("delete", "pod", "memory");
        await Shell.UntilAsync(async () => (0, await File.ReadAllTextAsync("/proc/mounts")), mounts => !mounts.Contains(uid, StringComparison.Ordinal), "the mount to go");
    }

    [Fact]
    public async Task What_a_container_writes_outside_its_volumes_and_logs_has_the_limit_it_was_given()
    {
        const string Limit = "resources: {limits: {ephemeral-storage: 2Mi}}\npermissions: {files: [{path: /www, access: write}]}", Always = "restartPolicy: Always";
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("modest", "busybox dd if=/dev/zero of=/www/x bs=64k count=16 2>/dev/null; sleep 1000", Limit, Always);
        await space.PodAsync("writer", "busybox dd if=/dev/zero of=/www/x bs=64k count=64 2>/dev/null; sleep 1000", Limit, Always);
        await space.PodAsync("talker", "busybox yes abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz | busybox head -n 50000; sleep 1000", Limit, Always);
        await space.PodAsync("both", "busybox dd if=/dev/zero of=/www/x bs=64k count=24 2>/dev/null; sleep 1000", Limit + "\nvolumeMounts: [{name: v, mountPath: /v}]",
            """
            restartPolicy: Always
            volumes: [{name: v, emptyDir: {}}]
            initContainers: [{name: other, image: "hello:1", command: [sh, -c, "busybox dd if=/dev/zero of=/v/x bs=64k count=24 2>/dev/null"], volumeMounts: [{name: v, mountPath: /v}]}]
            """);
        foreach (var (pod, expected) in new[] { ("writer", "Container a exceeded its local ephemeral storage limit \"2Mi\""), ("talker", "Container a exceeded its local ephemeral storage limit \"2Mi\""), ("both", "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi") })
        {
            await space.UntilAsync(pod, "{.status.phase} {.status.reason}", state => state == "Failed Evicted", $"the eviction of {pod}");
            var told = (await space.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.message}")).Output;
            Assert.True(told.StartsWith(expected, StringComparison.Ordinal) || (pod != "both" && told.StartsWith("Pod ephemeral local storage usage exceeds the total limit of containers 2Mi", StringComparison.Ordinal)), told); // of one container alone, its own and the pod's are the same
            await space.UntilEventAsync(pod, "Evicted: ");
        }
        Assert.Equal("Running 0", (await space.KubectlAsync("get", "pod", "modest", "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].restartCount}")).Output);
        Assert.Matches("^[1-9][0-9]+Ki [1-9][0-9]+Ki$", (await space.KubectlAsync("get", "node", "node-0", "-o", "jsonpath={.status.capacity.ephemeral-storage} {.status.allocatable.ephemeral-storage}")).Output);
    }

    [Fact]
    public async Task A_directory_in_memory_and_one_on_disk_have_the_size_they_were_given()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("memory", "busybox dd if=/dev/zero of=/m/x bs=64k count=64 2>&1 | busybox grep -o 'No space left'; busybox df -k /m | busybox tail -1 | busybox tr -s ' ' | busybox cut -d' ' -f2", "volumeMounts: [{name: m, mountPath: /m}]",
            "restartPolicy: Never\nvolumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]");
        Assert.Equal("No space left 1024", string.Join(' ', (await space.EndedAsync("memory")).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
        await space.PodAsync("disk", "busybox dd if=/dev/zero of=/d/x bs=64k count=64 2>/dev/null; sleep 1000", "volumeMounts: [{name: d, mountPath: /d}]", "restartPolicy: Always\nvolumes: [{name: d, emptyDir: {sizeLimit: 1Mi}}]");
        await space.UntilAsync("disk", "{.status.phase} {.status.reason}", state => state == "Failed Evicted", "the eviction");
        Assert.Contains("Usage of EmptyDir volume \"d\" exceeds the limit \"1Mi\"", (await space.KubectlAsync("get", "pod", "disk", "-o", "jsonpath={.status.message}")).Output, StringComparison.Ordinal);
    }
}
