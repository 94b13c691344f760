using Eyrie.Store.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A cluster whose objects are in etcd.</summary>
public sealed class EtcdClusterTests
{
    [Fact]
    public async Task Objects_in_etcd_outlive_the_control_plane_and_another_store_is_refused()
    {
        await using var etcd = new EtcdServer();
        var cluster = new HelloCluster();
        var store = etcd.NewAddress();
        try
        {
            await Shell.UntilAsync(() => cluster.EyrieAsync("up", "manifests/samples/hello.yaml", "--store", store), output => output.Contains("answers at", StringComparison.Ordinal), "a cluster on etcd");
            var before = (await cluster.KubectlAsync("get", "deploy", "hello", "-o", "jsonpath={.metadata.uid}")).Output;
            Assert.Equal(0, (await cluster.EyrieAsync("down")).Code);
            var (code, output) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml", "--store", "embedded");
            Assert.Equal(1, code);
            Assert.Contains($"this cluster's objects are in the store {store}", output, StringComparison.Ordinal);
            (code, output) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml", "--store", store.Replace("etcd:", "etcds:", StringComparison.Ordinal));
            Assert.Equal(1, code);
            Assert.Contains("it does not speak TLS there: write etcd://", output, StringComparison.Ordinal);
            (code, output) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml");
            Assert.True(code == 0, output);
            Assert.Contains("deployment/hello unchanged", output, StringComparison.Ordinal);
            Assert.Equal(before, (await cluster.KubectlAsync("get", "deploy", "hello", "-o", "jsonpath={.metadata.uid}")).Output);
            Assert.False(File.Exists(Path.Combine(cluster.State, "store.db")));
        }
        finally
        {
            await cluster.EyrieAsync("down", "--purge");
        }
    }
}
