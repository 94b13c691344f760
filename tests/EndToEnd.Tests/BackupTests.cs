using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Store.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>What a person does before and after an accident with the objects of a cluster.</summary>
public sealed class BackupTests
{
    private static readonly string[] NoNodes = ["up", "--nodes", "0"];

    [Fact]
    public async Task A_backup_brings_the_objects_back_and_they_can_move_to_etcd()
    {
        await using var etcd = new EtcdServer();
        var cluster = new HelloCluster();
        var backup = Path.Combine(Path.GetTempPath(), $"eyrie-{Guid.NewGuid():N}.backup");
        async Task<string> DoneAsync(params string[] arguments)
        {
            var (code, output) = await cluster.EyrieAsync(arguments);
            Assert.True(code == 0, output);
            return output;
        }
        async Task<string> UidAsync(string name) => (await cluster.KubectlAsync("get", "configmap", name, "-o", "jsonpath={.metadata.uid}", "--ignore-not-found")).Output;
        async Task MakeAsync(string name)
        {
            var manifest = Path.Combine(cluster.State, "made.yaml");
            await File.WriteAllTextAsync(manifest, $"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: b}}\n");
            await DoneAsync("apply", "-f", manifest);
        }
        try
        {
            await DoneAsync(NoNodes);
            await MakeAsync("kept");
            var uid = await UidAsync("kept");
            await DoneAsync("backup", backup);
            Assert.Contains("exists already", (await cluster.EyrieAsync("backup", backup)).Output, StringComparison.Ordinal);
            Assert.Contains("the cluster runs", (await cluster.EyrieAsync("restore", backup)).Output, StringComparison.Ordinal);
            Assert.Equal(0, (await cluster.KubectlAsync("delete", "configmap", "kept")).Code);
            await MakeAsync("later");
            await DoneAsync("down");
            await DoneAsync("restore", backup);
            await DoneAsync(NoNodes);
            Assert.Equal(uid, await UidAsync("kept"));
            Assert.Equal("", await UidAsync("later"));
            var before = long.Parse(JsonNode.Parse((await cluster.KubectlAsync("get", "--raw", "/api/v1/configmaps?limit=1")).Output)!["metadata"]!["resourceVersion"]!.ToString(), CultureInfo.InvariantCulture);
            await DoneAsync("down");
            await Shell.UntilAsync(() => cluster.EyrieAsync("move-store", etcd.NewAddress()), output => output.Contains("objects moved", StringComparison.Ordinal), "the move to etcd");
            await DoneAsync(NoNodes);
            Assert.Equal(uid, await UidAsync("kept"));
            Assert.InRange(long.Parse((await cluster.KubectlAsync("get", "configmap", "kept", "-o", "jsonpath={.metadata.resourceVersion}")).Output, CultureInfo.InvariantCulture), before + 1, long.MaxValue);
            Assert.Contains("\"code\":410", (await cluster.KubectlAsync("get", "--raw", $"/api/v1/configmaps?watch=1&timeoutSeconds=5&resourceVersion={before}")).Output, StringComparison.Ordinal);
            Assert.Contains("etcdctl snapshot save", (await cluster.EyrieAsync("backup", backup + "2")).Output, StringComparison.Ordinal);
        }
        finally
        {
            await cluster.EyrieAsync("down", "--purge");
            File.Delete(backup);
        }
    }
}
