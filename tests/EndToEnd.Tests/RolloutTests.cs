using Xunit;

namespace Eyrie.EndToEnd.Tests;

public sealed class RolloutTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    [Fact]
    public async Task A_new_image_rolls_over_without_a_failed_request()
    {
        var address = "http://" + (await cluster.KubectlAsync("get", "svc", "hello", "-o", "jsonpath={.spec.clusterIP}")).Output;
        var file = Path.Combine(cluster.State, "second.yaml");
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(Path.Combine(Shell.Root, "manifests/samples/hello.yaml"))).Replace("hello:1", "hello:2", StringComparison.Ordinal));
        using var rolled = new CancellationTokenSource();
        var load = new Load(address, rolled.Token);
        await load.AnsweredAsync(20);
        var (code, output) = await cluster.EyrieAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        (code, output) = await cluster.KubectlAsync("rollout", "status", "deploy/hello", "--timeout=60s");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => Shell.RunAsync("curl", ["-s", address]), text => text.Contains("version 2", StringComparison.Ordinal), "version 2");
        await load.AnsweredAsync(20);
        await rolled.CancelAsync();
        await load.Completion;
        Assert.Empty(load.Failures);

        // kubectl writes the old template back by its own types, which know no permissions; they must come back all the same, and so the same ReplicaSet.
        (code, output) = await cluster.KubectlAsync("rollout", "undo", "deploy/hello");
        Assert.True(code == 0, output);
        (code, output) = await cluster.KubectlAsync("rollout", "status", "deploy/hello", "--timeout=60s");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => Shell.RunAsync("curl", ["-s", address]), text => text.Contains("version 1", StringComparison.Ordinal), "version 1");
        Assert.Equal(2, (await cluster.KubectlAsync("get", "rs", "-l", "app=hello", "-o", "name")).Output.Trim().Split('\n').Length);
        Assert.DoesNotContain("eyrie.dev/permissions", (await cluster.KubectlAsync("get", "deploy,pods", "-o", "yaml")).Output, StringComparison.Ordinal);
    }

    /// <summary>Requests one after the other, each on a new connection, until the end or 20,000 of them.</summary>
    private sealed class Load
    {
        private volatile int _answered;

        public List<string> Failures { get; } = [];
        public Task Completion { get; }

        public Load(string address, CancellationToken end) => Completion = Task.Run(() => RunAsync(address, end), CancellationToken.None);

        /// <summary>Waits for so many more answers, or for the first failure.</summary>
        public async Task AnsweredAsync(int more)
        {
            for (int until = _answered + more; _answered < until && !Completion.IsCompleted && Failures.Count == 0;) await Task.Delay(10);
        }

        private async Task RunAsync(string address, CancellationToken end)
        {
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero }) { Timeout = TimeSpan.FromSeconds(5) };
            for (int i = 0; i < 20_000 && !end.IsCancellationRequested; i++)
            {
                try
                {
                    using var answer = await client.GetAsync(new Uri(address), CancellationToken.None);
                    if (answer.IsSuccessStatusCode) _answered++;
                    else Failures.Add(answer.StatusCode.ToString());
                }
                catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
                {
                    Failures.Add(exception.Message);
                }
            }
        }
    }
}
