using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A cluster whose objects are in etcd.</summary>
public sealed class EtcdClusterTests
{
    [Fact]
    public async Task Objects_in_etcd_outlive_the_control_plane_and_another_store_is_refused()
    {
        var data = Directory.CreateTempSubdirectory("eyrie-etcd-").FullName;
        var (clients, peers) = ($"http://127.0.0.1:{FreePort()}", $"http://127.0.0.1:{FreePort()}");
        var start = new ProcessStartInfo("etcd") { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[] { "--data-dir", data, "--listen-client-urls", clients, "--advertise-client-urls", clients, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default=" + peers })
            start.ArgumentList.Add(argument);
        using var etcd = Process.Start(start)!;
        etcd.BeginErrorReadLine();
        etcd.BeginOutputReadLine();
        var cluster = new HelloCluster();
        var store = "etcd://" + clients["http://".Length..];
        try
        {
            await Shell.UntilAsync(() => cluster.EyrieAsync("up", "manifests/samples/hello.yaml", "--store", store), output => output.Contains("answers at", StringComparison.Ordinal), "a cluster on etcd");
            var before = (await cluster.KubectlAsync("get", "deploy", "hello", "-o", "jsonpath={.metadata.uid}")).Output;
            Assert.Equal(0, (await cluster.EyrieAsync("down")).Code);
            var (code, output) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml", "--store", "embedded");
            Assert.Equal(1, code);
            Assert.Contains($"this cluster's objects are in the store {store}", output, StringComparison.Ordinal);
            (code, output) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml");
            Assert.True(code == 0, output);
            Assert.Contains("deployment/hello unchanged", output, StringComparison.Ordinal);
            Assert.Equal(before, (await cluster.KubectlAsync("get", "deploy", "hello", "-o", "jsonpath={.metadata.uid}")).Output);
            Assert.False(File.Exists(Path.Combine(cluster.State, "store.db")));
        }
        finally
        {
            await cluster.EyrieAsync("down", "--purge");
            etcd.Kill();
            await etcd.WaitForExitAsync();
            Directory.Delete(data, true);
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
