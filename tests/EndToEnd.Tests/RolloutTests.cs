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
        var load = LoadAsync(address, rolled.Token);
        var (code, output) = await cluster.EyrieAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        (code, output) = await cluster.KubectlAsync("rollout", "status", "deploy/hello", "--timeout=60s");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => Shell.RunAsync("curl", ["-s", address]), text => text.Contains("version 2", StringComparison.Ordinal), "version 2");
        await rolled.CancelAsync();
        var (good, failures) = await load;
        Assert.Empty(failures);
        Assert.True(good > 20, $"only {good} requests were made");
    }

    private static async Task<(int Good, List<string> Failures)> LoadAsync(string address, CancellationToken end)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero }) { Timeout = TimeSpan.FromSeconds(5) };
        int good = 0;
        var failures = new List<string>();
        for (int i = 0; i < 20_000 && !end.IsCancellationRequested; i++)
        {
            try
            {
                using var answer = await client.GetAsync(new Uri(address), CancellationToken.None);
                if (answer.IsSuccessStatusCode) good++;
                else failures.Add(answer.StatusCode.ToString());
            }
            catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
            {
                failures.Add(exception.Message);
            }
        }
        return (good, failures);
    }
}
