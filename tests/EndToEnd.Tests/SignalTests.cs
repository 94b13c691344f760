using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>One container of a pod signals another as far as it was granted.</summary>
[Collection(nameof(NodeCluster))]
public sealed class SignalTests(NodeCluster cluster)
{
    [Fact]
    public async Task A_container_is_sent_the_signals_that_were_granted_and_no_other()
    {
        var home = await cluster.NamespaceAsync();
        await home.ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: signals}
            spec:
              terminationGracePeriodSeconds: 1
              containers:
              - name: told
                image: hello:1
                command: [sh, -c, "trap 'echo reloaded' HUP; echo waits; while true; do sleep 1 & wait; done"]
              - name: tells
                image: hello:1
                command: [sh, -c, "while true; do printf 'SIGHUP\\nKILL\\nnonsense\\n' >/run/eyrie/signals/told; sleep 1; done"]
                permissions: {signals: [{container: told, signals: [TERM, HUP]}]}
              - name: other
                image: hello:1
                command: [sh, -c, "ls /run/eyrie/signals || echo nobody; sleep 600"]
            """);
        await Shell.UntilAsync(() => home.KubectlAsync("logs", "signals", "-c", "told"), log => log.Contains("reloaded", StringComparison.Ordinal), "the signal");
        await home.UntilEventAsync("signals", "missing grant: signal told KILL");
        Assert.Contains("signals: [KILL]", await home.EventsAsync("signals"), StringComparison.Ordinal);
        await Shell.UntilAsync(() => home.KubectlAsync("logs", "signals", "-c", "other"), log => log.Contains("nobody", StringComparison.Ordinal), "the third container, which begins last, to look");

        // Taken away while it runs: nothing restarts, and the signal is refused.
        var (code, output) = await home.KubectlAsync("patch", "pod", "signals", "--type=json", "-p", """[{"op":"replace","path":"/spec/containers/1/permissions/signals/0/signals","value":["TERM"]}]""");
        Assert.True(code == 0, output);
        await home.UntilEventAsync("signals", "missing grant: signal told HUP");
        Assert.Equal("0 0 0", (await home.KubectlAsync("get", "pod", "signals", "-o", "jsonpath={.status.containerStatuses[*].restartCount}")).Output);
    }
}
