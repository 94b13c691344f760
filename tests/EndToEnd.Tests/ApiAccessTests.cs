using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Containers reach the cluster's API with the grant <c>api</c>, as their service account, by a real client (kubectl, which finds the cluster as every client library does); without it they have neither token nor connection.</summary>
[Takes(35)]
public sealed class ApiAccessTests(HelloCluster cluster) : IClassFixture<HelloCluster>, IAsyncLifetime
{
    private const string Account = "/var/run/secrets/kubernetes.io/serviceaccount";

    private const string Reader = """
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: reader}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: reader}
        rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: reader}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
        subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
        """;

    public async Task InitializeAsync()
    {
        var root = Directory.CreateTempSubdirectory("eyrie-kubectl-").FullName;
        foreach (var directory in new[] { "bin", "etc", "run", "tmp", "var" }) Directory.CreateDirectory(Path.Combine(root, directory));
        File.CreateSymbolicLink(Path.Combine(root, "var/run"), "/run"); // as images of distributions have it
        File.Copy("/bin/busybox", Path.Combine(root, "bin/busybox"));
        foreach (var name in new[] { "sh", "cat", "ls", "nc", "sleep", "cut", "env", "grep" }) File.CreateSymbolicLink(Path.Combine(root, "bin", name), "busybox");
        var program = Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, "kubectl")).First(File.Exists);
        File.Copy(File.ResolveLinkTarget(program, true)?.FullName ?? program, Path.Combine(root, "bin/kubectl"));
        var (code, output) = await cluster.EyrieAsync("image", "import", "kubectl:1", root);
        Assert.True(code == 0, output);
        Directory.Delete(root, true);
        (code, output) = await ApplyAsync("reader", Reader);
        Assert.True(code == 0, output);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private async Task<(int Code, string Output)> ApplyAsync(string name, string manifest)
    {
        var file = Path.Combine(cluster.State, name + ".yaml");
        await File.WriteAllTextAsync(file, manifest);
        return await cluster.KubectlAsync("apply", "-f", file);
    }

    private Task<(int Code, string Output)> PodAsync(string name, string script, string permissions = "{}", string spec = "", string container = "") => ApplyAsync(name, $$"""
        apiVersion: v1
        kind: Pod
        metadata: { name: {{name}} }
        spec:
          serviceAccountName: reader
          restartPolicy: Never
          terminationGracePeriodSeconds: 1
          {{spec}}
          containers:
          - name: a
            image: kubectl:1
            env: [ { name: HOME, value: /dev/shm } ]
            command: [ sh, -c, {{JsonValue.Create(script).ToJsonString()}} ]
            permissions: {{permissions}}
            {{container}}
        """);

    private async Task<string> EndedAsync(string name)
    {
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", name, "-o", "jsonpath={.status.phase}"), phase => phase is "Succeeded" or "Failed", $"pod {name} to end");
        return (await cluster.KubectlAsync("logs", name)).Output;
    }

    [Fact]
    public async Task A_client_in_a_pod_with_the_grant_may_what_its_accounts_roles_say()
    {
        var (code, output) = await PodAsync("asks", "kubectl get pod asks -o name; kubectl get secrets; kubectl auth whoami -o jsonpath='{.status.userInfo.username}'", "{ api: { token: true } }");
        Assert.True(code == 0, output);
        var said = await EndedAsync("asks");
        Assert.Contains("pod/asks\n", said, StringComparison.Ordinal);
        Assert.Contains("cannot list resource \"secrets\"", said, StringComparison.Ordinal);
        Assert.Contains("system:serviceaccount:default:reader", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_grant_there_is_neither_token_nor_connection_and_the_denial_says_what_would_give_it()
    {
        var api = (await cluster.KubectlAsync("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")).Output;
        var (code, output) = await PodAsync("asksnot", $"ls {Account} || echo no token; env | grep KUBERNETES || echo no address; nc {api} 443 </dev/null && echo connected; echo ended", spec: "automountServiceAccountToken: true");
        Assert.True(code == 0, output);
        var said = await EndedAsync("asksnot");
        Assert.Contains("no token", said, StringComparison.Ordinal);
        Assert.Contains("no address", said, StringComparison.Ordinal);
        Assert.Contains("ended", said, StringComparison.Ordinal);
        Assert.DoesNotContain("connected", said, StringComparison.Ordinal);
        await Shell.UntilAsync(() => cluster.KubectlAsync("describe", "pod", "asksnot"), text => text.Contains("missing grant: connect tcp service default/kubernetes 443", StringComparison.Ordinal) && text.Contains("api: {token: true}", StringComparison.Ordinal), "the event");
    }

    [Fact]
    public async Task A_volume_carries_tokens_only_for_whom_they_were_granted()
    {
        const string Volume = "volumes: [ { name: t, projected: { sources: [ { serviceAccountToken: { path: vault, audience: vault.example.com, expirationSeconds: 600 } } ] } } ]", Mount = "volumeMounts: [ { name: t, mountPath: /tokens, readOnly: true } ]";
        var (code, output) = await PodAsync("vaultless", "cat /tokens/vault", "{ api: { token: true } }", Volume, Mount);
        Assert.NotEqual(0, code);
        Assert.Contains("api: {audiences: [vault.example.com]}", output, StringComparison.Ordinal);
        (code, output) = await PodAsync("vault", $"ls {Account} 2>/dev/null || echo no other; cat /tokens/vault", "{ api: { audiences: [ vault.example.com ] } }", Volume, Mount);
        Assert.True(code == 0, output);
        var said = await EndedAsync("vault");
        Assert.Contains("no other", said, StringComparison.Ordinal);
        var payload = said.Split('\n').Single(line => line.Split('.').Length == 3 && line.StartsWith("eyJ", StringComparison.Ordinal)).Split('.')[1].Replace('-', '+').Replace('_', '/');
        var claims = JsonNode.Parse(Encoding.UTF8.GetString(Convert.FromBase64String(payload.PadRight((payload.Length + 3) / 4 * 4, '='))))!;
        Assert.Equal(("vault.example.com", "system:serviceaccount:default:reader", "vault", 600L), (claims["aud"]![0]!.ToString(), claims["sub"]!.ToString(), claims["kubernetes.io"]!["pod"]!["name"]!.ToString(), (long)claims["exp"]! - (long)claims["iat"]!));
    }

    [Fact]
    public async Task Taking_the_grant_away_takes_the_token_away()
    {
        var (code, output) = await PodAsync("loses", $"ls {Account}/token || echo no token; sleep 600", "{ api: { token: true } }");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "loses"), log => log.Contains($"{Account}/token", StringComparison.Ordinal), "the token");
        Assert.Contains("api token", (await cluster.EyrieAsync("caps", "loses")).Output, StringComparison.Ordinal);
        (code, output) = await cluster.KubectlAsync("patch", "pod", "loses", "--type=json", "-p", """[{"op":"remove","path":"/spec/containers/0/permissions/api"}]""");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "loses", "-o", "jsonpath={.status.phase}"), phase => phase == "Failed", "the container to be killed");
    }
}
