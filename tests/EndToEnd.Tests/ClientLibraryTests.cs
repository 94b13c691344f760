using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Programs of other people's client libraries (tests/Clients) against a cluster: list, watch, patch, exec and port-forward.</summary>
[Collection(nameof(NodeCluster))]
public sealed class ClientLibraryTests(NodeCluster cluster)
{
    private async Task<(int Code, string Output)> RunAsync(string program, params string[] first)
    {
        var home = await cluster.NamespaceAsync();
        await home.PodAsync("served", "mkdir -p /tmp/www; echo hi > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www", "ports: [{containerPort: 8080}]\nreadinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}\npermissions: {files: [{path: /tmp, access: write}]}", "restartPolicy: Always");
        await home.UntilAsync("served", "{.status.containerStatuses[0].ready}", ready => ready == "true", "the pod to be ready");
        return await Shell.RunAsync(program, [.. first, home.Name, "served", "8080"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
    }

    [Fact]
    public async Task KubernetesClient_for_CSharp()
    {
        var (code, output) = await RunAsync("dotnet", Path.Combine(Shell.Root, "tests/Clients/CSharp/bin/Release/net10.0/Eyrie.Clients.CSharp.dll"));
        Assert.Equal("""
            listed sharp
            patched b=2,c=3,d=4
            watched Modified a=1,b=2; Modified b=2; Modified b=2,c=3; Modified b=2,c=3,d=4; Deleted b=2,c=3,d=4
            exec said out hello and err
            exec ended with 3
            forwarded HTTP/1.1 200 OK
            """, output.Trim());
        Assert.Equal(0, code);
    }

    [Fact]
    public async Task Client_node_for_JavaScript()
    {
        var folder = Path.Combine(cluster.State, "client-node");
        Directory.CreateDirectory(folder);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Shell.Root, "tests/Clients/Node"))) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), true);
        var (installed, log) = await Shell.RunAsync("npm", ["install", "--no-audit", "--no-fund", "--prefix", folder]);
        Assert.True(installed == 0, log);
        var (code, output) = await RunAsync("node", Path.Combine(folder, "main.js"));
        Assert.Equal("""
            listed node
            patched b=2,c=3
            watched MODIFIED a=1,b=2; MODIFIED b=2; MODIFIED b=2,c=3; DELETED b=2,c=3
            exec said out hello and err
            exec ended with 3
            forwarded HTTP/1.1 200 OK
            """, output.Trim());
        Assert.Equal(0, code);
    }
}
