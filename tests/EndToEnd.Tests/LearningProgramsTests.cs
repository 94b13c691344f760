using System.Text.RegularExpressions;
using Eyrie.Programs;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>
/// Real programs without a declaration are recorded under their real clients; what is suggested and approved passes the same load without a denial, and is at most two grants more than what their samples declare by hand.
/// </summary>
[Takes(70)]
public sealed partial class LearningProgramsTests(ProgramsCluster cluster) : IClassFixture<ProgramsCluster>
{
    private const int MostBeyondByHand = 2;

    private async Task LoadAsync(string program, string address)
    {
        switch (program)
        {
            case "redis":
                Assert.DoesNotContain("rror", await cluster.ClientAsync("/usr/bin/redis-benchmark", "-h", address, "-t", "set,get,lpush", "-n", "5000", "-c", "16", "-q"), StringComparison.Ordinal);
                Assert.Contains("OK", await cluster.ClientAsync("/usr/bin/redis-cli", "-h", address, "save"), StringComparison.Ordinal);
                break;
            case "postgres":
                await cluster.ClientAsync("/usr/bin/pgbench", "-h", address, "-i", "-q", "-s", "1", "postgres");
                Assert.Contains("number of failed transactions: 0", await cluster.ClientAsync("/usr/bin/pgbench", "-h", address, "-c", "4", "-T", "2", "postgres"), StringComparison.Ordinal);
                break;
            default:
                Assert.DoesNotMatch("Non-2xx|Socket errors", await cluster.ClientAsync("/usr/bin/wrk", "-t1", "-c8", "-d2s", "--timeout", "30s", $"http://{address}:8080/"));
                break;
        }
    }

    /// <summary>The sample without its ports, its limits of processes and nginx' volume for what it writes.</summary>
    private static string Undeclared(string sample)
    {
        var text = Ports().Replace(sample, "");
        text = Volume().Replace(text, "");
        return Permissions().Replace(text, found => found.Value.Contains("sharedMemory", StringComparison.Ordinal) ? "        permissions: {processes: {sharedMemory: true}}\n" : "");
    }

    /// <summary>What people would look at.</summary>
    private async Task<string> SaidAsync(string program) => (await cluster.KubectlAsync("describe", "pods", "-l", "app=" + program)).Output + (await cluster.KubectlAsync("logs", "-l", "app=" + program, "--tail=40", "--prefix")).Output;

    private async Task<string> ReadyAsync(string program, string containing, bool audited)
    {
        var pod = await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "-l", "app=" + program, "-o", "jsonpath={range .items[*]}{.metadata.name} {.status.podIP} {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}"),
            pods => pods.Trim().Split('\n') is [var only] && only.EndsWith(" True", StringComparison.Ordinal) && only.Contains(containing, StringComparison.Ordinal), $"one pod of {program}, ready");
        await Shell.UntilAsync(() => cluster.EyrieAsync("caps", pod.Split(' ')[0]), caps => caps.Contains("audit", StringComparison.Ordinal) == audited && caps.Contains("equal to the compiled set", StringComparison.Ordinal), audited ? "the audit" : "enforcement");
        return pod.Trim();
    }

    [Theory]
    [InlineData("nginx")]
    [InlineData("redis")]
    [InlineData("postgres")]
    [InlineData("dotnet")]
    public async Task What_is_suggested_passes_the_same_load_without_a_denial(string program)
    {
        var (code, output) = await cluster.EyrieAsync("image", "import", $"{program}:1", await PackedPrograms.FolderAsync(Shell.Root, program));
        Assert.True(code == 0, output);
        var sample = await File.ReadAllTextAsync(ProgramsCluster.Sample(program));
        var file = Path.Combine(cluster.State, program + "-undeclared.yaml");
        await File.WriteAllTextAsync(file, Undeclared(sample));
        (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        (code, output) = await cluster.EyrieAsync("permissions", "record", "deployment/" + program, "--for", "10m");
        Assert.True(code == 0, output);
        await cluster.KubectlAsync("rollout", "restart", "deployment/" + program); // so that what it does with an empty volume is seen as well
        await cluster.KubectlAsync("rollout", "status", "deployment/" + program, "--timeout=90s");
        var recorded = await ReadyAsync(program, "", audited: true);
        await LoadAsync(program, recorded.Split(' ')[1]);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "permissionrecord", "deployment-" + program, "-o", "jsonpath={.status.uses[*].entry}"), uses => uses.Contains("listen tcp", StringComparison.Ordinal) && uses.Contains("exec /", StringComparison.Ordinal) && uses.Contains("quota ", StringComparison.Ordinal), "its port, its program and its processes to be seen");
        await cluster.EyrieAsync("permissions", "record", "deployment/" + program, "--stop");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "permissionrecord", "deployment-" + program, "-o", "jsonpath={.status.phase}"), phase => phase == "Ended", "the record to end");

        var suggestion = output = (await cluster.EyrieAsync("permissions", "suggest", "deployment/" + program)).Output;
        int byHand = Regex.Count(sample, "containerPort:|mountPath:"), suggested = Regex.Count(output, @"^  \+ ", RegexOptions.Multiline);
        Assert.True(suggested >= 1 && suggested <= byHand + MostBeyondByHand, $"{suggested} grants are suggested, {byHand} declared by hand:\n{output}");
        Assert.Matches(@"\+ processes: \{exec: \[.*\]", output);
        // What the containers did last is told when they end: until then an approval may say that the proposal has changed, and is to be looked at again.
        await Shell.UntilAsync(async () =>
        {
            suggestion = (await cluster.EyrieAsync("permissions", "suggest", "deployment/" + program)).Output;
            return await cluster.EyrieAsync("permissions", "approve", "deployment/" + program, "--digest", Digest().Match(suggestion).Groups[1].Value);
        }, said => said.Contains("has the permissions that were reviewed", StringComparison.Ordinal), "the proposal to be approved");
        var (rolled, why) = await cluster.KubectlAsync("rollout", "status", "deployment/" + program, "--timeout=90s");
        Assert.True(rolled == 0, $"{why}\n{suggestion}\n{await SaidAsync(program)}");
        var approved = await ReadyAsync(program, "", audited: false);
        Assert.NotEqual(recorded.Split(' ')[0], approved.Split(' ')[0]);
        await LoadAsync(program, approved.Split(' ')[1]);
        var refused = (await cluster.KubectlAsync("get", "events", "-o", $"jsonpath={{range .items[?(@.involvedObject.name==\"{approved.Split(' ')[0]}\")]}}{{.reason}}: {{.message}}{{\"\\n\"}}{{end}}")).Output;
        Assert.DoesNotContain("PermissionDenied", refused, StringComparison.Ordinal);
        Assert.Empty(DenialRecords.Of(cluster.State, approved.Split(' ')[0])); // over the whole load
        Assert.DoesNotMatch("(?i)permission denied|operation not permitted|resource temporarily unavailable|read-only file system", (await cluster.KubectlAsync("logs", approved.Split(' ')[0])).Output);
        var restarts = (await cluster.KubectlAsync("get", "pod", approved.Split(' ')[0], "-o", "jsonpath={.status.containerStatuses[0].restartCount}")).Output;
        Assert.True(restarts == "0", $"{restarts} restarts:\n{(await cluster.KubectlAsync("describe", "pod", approved.Split(' ')[0])).Output}\n{(await cluster.KubectlAsync("logs", "--previous", approved.Split(' ')[0])).Output}");
        await cluster.KubectlAsync("delete", "-f", file);
    }

    [GeneratedRegex(@"        ports:\n        - containerPort: \d+\n")]
    private static partial Regex Ports();

    [GeneratedRegex(@"        permissions:\n          processes: .*\n")]
    private static partial Regex Permissions();

    [GeneratedRegex(@"        volumeMounts:\n        - \{name: tmp, mountPath: /tmp\}\n|      volumes:\n      - \{name: tmp, emptyDir: \{\}\}\n?")]
    private static partial Regex Volume();

    [GeneratedRegex(@"--digest (\S+)")]
    private static partial Regex Digest();
}
