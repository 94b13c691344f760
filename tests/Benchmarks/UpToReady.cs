namespace Eyrie.Benchmarks;

/// <summary>From <c>./eyrie up manifests/samples/hello.yaml</c> on a built tree to all sample pods Ready: from nothing (keys, store and images are made), and with the state of a cluster that was down.</summary>
public sealed class UpToReady : IBenchmark
{
    public string Name => "up";
    public string Description => "from ./eyrie up to all sample pods Ready";
    public int DefaultRounds => 10;

    private const string Manifest = "manifests/samples/hello.yaml";
    private const int SamplePods = 5;

    public async Task RunAsync(int rounds)
    {
        await Commands.RunAsync("./eyrie", ["--help"]); // builds
        Samples fresh = new("up, new state, all sample pods Ready"), again = new("up, kept state, all sample pods Ready"), nothing = new("up, everything runs"), down = new("down");
        for (int round = 0; round < rounds; round++)
        {
            var state = Path.Combine(Path.GetTempPath(), $"eyrie-bench-{Environment.ProcessId}-{round}");
            try
            {
                await fresh.TakeAsync(() => UpAsync(state));
                await nothing.TakeAsync(() => UpAsync(state));
                await down.TakeAsync(() => Commands.RunAsync("./eyrie", ["down", "--state-dir", state]));
                await again.TakeAsync(() => UpAsync(state));
            }
            finally
            {
                await Commands.RunAsync("./eyrie", ["down", "--purge", "--state-dir", state]);
            }
        }
        Console.WriteLine(Samples.Header);
        foreach (var samples in new[] { fresh, again, nothing, down }) Console.WriteLine(samples.Row());
    }

    private static async Task UpAsync(string state)
    {
        await Commands.RunAsync("./eyrie", ["up", Manifest, "--state-dir", state]);
        // up returns when the rollout has ended; that every pod is Ready is looked at, not believed.
        var ready = await Commands.RunAsync("kubectl", ["get", "pods", "-o", "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status} {end}"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(state, "kubeconfig") });
        if (ready.Split(' ', StringSplitOptions.RemoveEmptyEntries) is var words && (words.Length != SamplePods || words.Any(word => word != "True"))) throw new InvalidOperationException($"after up the pods' Ready conditions were: {ready}");
    }
}
