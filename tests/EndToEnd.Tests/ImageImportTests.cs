using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Images that a real tool (skopeo) wrote, imported and run.</summary>
public sealed class ImageImportTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    [Theory]
    [InlineData("oci", "oci:{0}/image:latest", "{0}/image")]
    [InlineData("ocitar", "oci-archive:{0}/image.tar:latest", "{0}/image.tar")]
    [InlineData("docker", "docker-archive:{0}/image.tar:any:latest", "{0}/image.tar")]
    public async Task An_image_that_skopeo_copied_out_of_the_registry_comes_in_again_and_runs(string name, string target, string source)
    {
        var folder = Directory.CreateTempSubdirectory("eyrie-import-").FullName;
        try
        {
            var token = (await File.ReadAllTextAsync(Path.Combine(cluster.State, "pki/admin.token"))).Trim();
            var server = (await cluster.KubectlAsync("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")).Output["https://".Length..];
            var (code, output) = await Shell.RunAsync("skopeo", ["--insecure-policy", "copy", "--src-tls-verify=false", "--src-creds", "admin:" + token, $"docker://{server}/hello:1", string.Format(null, target, folder)]);
            Assert.True(code == 0, output);
            (code, output) = await cluster.EyrieAsync("image", "import", $"{name}:1", string.Format(null, source, folder));
            Assert.True(code == 0, output);
            Assert.Contains($"{name}:1", (await cluster.EyrieAsync("image", "list")).Output, StringComparison.Ordinal);
            var file = Path.Combine(folder, "pod.yaml");
            await File.WriteAllTextAsync(file, $"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: a\n    image: {name}:1\n    command: [cat, /version]\n");
            (code, output) = await cluster.EyrieAsync("apply", "-f", file);
            Assert.True(code == 0, output);
            await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", name, "-o", "jsonpath={.status.phase}"), phase => phase == "Succeeded", "the pod to succeed");
            Assert.Equal("1", (await cluster.KubectlAsync("logs", name)).Output.Trim());
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [Fact]
    public async Task Skopeo_pushes_into_the_registry_and_a_wrong_password_is_refused()
    {
        var folder = Directory.CreateTempSubdirectory("eyrie-push-").FullName;
        try
        {
            var token = (await File.ReadAllTextAsync(Path.Combine(cluster.State, "pki/admin.token"))).Trim();
            var server = (await cluster.KubectlAsync("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")).Output["https://".Length..];
            var (code, output) = await Shell.RunAsync("skopeo", ["--insecure-policy", "copy", "--src-tls-verify=false", "--src-creds", "admin:" + token, $"docker://{server}/hello:1", $"docker-archive:{folder}/image.tar:any:1"]);
            Assert.True(code == 0, output);
            (code, output) = await Shell.RunAsync("skopeo", ["--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds", "admin:wrong", $"docker-archive:{folder}/image.tar", $"docker://{server}/team/pushed:1"]);
            Assert.NotEqual(0, code);
            (code, output) = await Shell.RunAsync("skopeo", ["--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds", "admin:" + token, $"docker-archive:{folder}/image.tar", $"docker://{server}/team/pushed:1"]);
            Assert.True(code == 0, output);
            Assert.Contains("team/pushed:1", (await cluster.EyrieAsync("image", "list")).Output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [Fact]
    public async Task A_pod_pulls_from_a_registry_outside_with_its_secret_and_not_without()
    {
        await using var registry = await Node.Tests.RegistryServer.StartAsync("auth: {htpasswd: {realm: test, path: USERS}}\n");
        var (code, output) = await cluster.EyrieAsync("image", "export", "hello:1", $"{registry.Directory}/hello.tar");
        Assert.True(code == 0, output);
        (code, output) = await Shell.RunAsync("skopeo", ["--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds", $"{Node.Tests.RegistryServer.User}:{Node.Tests.RegistryServer.Password}", $"oci-archive:{registry.Directory}/hello.tar", $"docker://{registry.Address}/team/hello:1"]);
        Assert.True(code == 0, output);
        (code, output) = await cluster.KubectlAsync("create", "secret", "docker-registry", "pull", $"--docker-server={registry.Address}", $"--docker-username={Node.Tests.RegistryServer.User}", $"--docker-password={Node.Tests.RegistryServer.Password}");
        Assert.True(code == 0, output);
        var file = Path.Combine(cluster.State, "private.yaml");
        string Pod(string name, string more) => $"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{restartPolicy: Never, {more}containers: [{{name: a, image: \"{registry.Address}/team/hello:1\", imagePullPolicy: Always, command: [cat, /version]}}]}}\n";
        await File.WriteAllTextAsync(file, Pod("with", "imagePullSecrets: [{name: pull}], ") + "---\n" + Pod("without", ""));
        (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "with", "-o", "jsonpath={.status.phase}"), phase => phase == "Succeeded", "the pod with the secret to succeed");
        Assert.Equal("1", (await cluster.KubectlAsync("logs", "with")).Output.Trim());
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "without", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason} {.status.containerStatuses[0].state.waiting.message}"),
            waiting => waiting.StartsWith("ImagePullBackOff ", StringComparison.Ordinal) && waiting.Contains($"give the pod `imagePullSecrets` with a secret for {registry.Address}", StringComparison.Ordinal), "the refusal to say what to do");
        Assert.Equal(0, (await cluster.KubectlAsync("delete", "-f", file)).Code);
    }

    [Fact]
    public async Task An_exported_image_is_what_skopeo_reads_and_what_comes_in_again()
    {
        var folder = Directory.CreateTempSubdirectory("eyrie-export-test-").FullName;
        try
        {
            var (code, output) = await cluster.EyrieAsync("image", "export", "hello:1", $"{folder}/out.tar");
            Assert.True(code == 0, output);
            foreach (var transport in new[] { $"oci-archive:{folder}/out.tar", $"docker-archive:{folder}/out.tar" })
            {
                (code, output) = await Shell.RunAsync("skopeo", ["--insecure-policy", "copy", transport, $"dir:{Directory.CreateDirectory(Path.Combine(folder, transport[..3])).FullName}"]);
                Assert.True(code == 0, output);
            }
            (code, output) = await cluster.EyrieAsync("image", "import", "again:1", $"{folder}/out.tar");
            Assert.True(code == 0, output);
            (code, output) = await cluster.EyrieAsync("image", "export", "again:1", $"{folder}/again.tar");
            Assert.True(code == 0, output);
            foreach (var tar in new[] { "out", "again" }) await Shell.RunAsync("tar", ["-C", Directory.CreateDirectory(Path.Combine(folder, tar)).FullName, "-xf", $"{folder}/{tar}.tar"]);
            Assert.Equal(Directory.EnumerateFiles(Path.Combine(folder, "out/blobs/sha256")).Select(Path.GetFileName).Order(), Directory.EnumerateFiles(Path.Combine(folder, "again/blobs/sha256")).Select(Path.GetFileName).Order());
            (code, output) = await cluster.EyrieAsync("image", "export", "nosuch:1", $"{folder}/none.tar");
            Assert.Equal(1, code);
            Assert.Contains("nosuch:1 is not in the cluster's registry", output, StringComparison.Ordinal);
            Assert.False(File.Exists($"{folder}/none.tar"));
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [Fact]
    public async Task A_damaged_archive_is_refused_by_name()
    {
        var file = Path.Combine(cluster.State, "damaged.tar");
        await File.WriteAllTextAsync(file, "no tar at all");
        var (code, output) = await cluster.EyrieAsync("image", "import", "damaged:1", file);
        Assert.Equal(1, code);
        Assert.Contains("damaged.tar is n", output, StringComparison.Ordinal);
    }
}
