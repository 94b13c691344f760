using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class ImageStoreTests : IDisposable
{
    private const string Basic = "auth: {htpasswd: {realm: test, path: USERS}}\n";
    private readonly string _state = Directory.CreateTempSubdirectory("eyrie-images-").FullName;
    private readonly HttpClient _cluster = new();
    private readonly FakeTimeProvider _time = new();
    private readonly List<string> _told = [], _messages = [];

    public void Dispose()
    {
        _cluster.Dispose();
        Directory.Delete(_state, true);
    }

    internal static NodeOptions Options(string state) => new()
    {
        StateDirectory = state, Name = "node-0", Index = 0, ClusterOctet = 64, Server = new Uri("https://127.0.0.1:1"), AuthorityFile = "", TokenFile = "", Microkernel = "",
    };

    private ImageStore Store() => new(Options(_state), _cluster, _time);

    private Task<Image> PullAsync(string name, string policy = "IfNotPresent", PullCredentials? credentials = null) => Store().EnsureAsync(name, policy, credentials ?? PullCredentials.None, told => { _told.Add(told.Reason); _messages.Add(told.Message); }, CancellationToken.None);

    private string Read(Image image, string path) => File.ReadAllText(Path.Combine(_state, image.Layers[^1], path));

    private static Dictionary<string, string> Files(string text) => new() { ["etc/text"] = text };

    internal static PullCredentials Credentials(string registry, string user, string password)
    {
        var config = new JsonObject { ["auths"] = new JsonObject { [registry] = new JsonObject { ["auth"] = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")) } } };
        var secret = new JsonObject { ["type"] = "kubernetes.io/dockerconfigjson", ["data"] = new JsonObject { [".dockerconfigjson"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(config.ToJsonString())) } };
        return PullCredentials.Of(JsonNode.Parse("""{"spec":{"imagePullSecrets":[{"name":"pull"},{"name":"absent"}]}}""")!.AsObject(), new PodObjects([new ReferencedObject { Kind = "Secret", Name = "pull", Json = secret.ToJsonString() }]));
    }

    [Fact]
    public async Task An_image_comes_from_a_registry_outside_with_its_owners_and_modes()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushAsync("team/app:1", Files("one"));
        var image = await PullAsync($"{registry.Address}/team/app:1");
        Assert.Equal(("one", "amd64", "1000"), (Read(image, "etc/text"), image.Command[0], image.User));
        using var stat = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%u %g %a", Path.Combine(_state, image.Layers[0], "etc/text")]) { RedirectStandardOutput = true })!;
        Assert.Equal("101 102 640\n", await stat.StandardOutput.ReadToEndAsync());
        Assert.Equal(["Pulling", "Pulled"], _told);
        var here = Assert.Single(Store().Images());
        Assert.Equal((image.Name, image.Digest), (here.Name, here.Digest));
        Assert.EndsWith($"Image size: {here.Bytes} bytes.", _messages[^1], StringComparison.Ordinal);
        Assert.True(here.Bytes > 0);
        Directory.Delete(Path.Combine(_state, image.Layers[0]), true);
        Assert.Empty(Store().Images()); // not all of it is here any more
    }

    [Fact]
    public async Task The_pull_policy_says_when_the_registry_is_asked()
    {
        await using var registry = await RegistryServer.StartAsync();
        var name = $"{registry.Address}/app:1";
        Assert.Contains("not present with pull policy of Never", (await Assert.ThrowsAsync<ImageNeverPulledException>(() => PullAsync(name, "Never"))).Message, StringComparison.Ordinal);
        await registry.PushAsync("app:1", Files("one"));
        Assert.Equal("one", Read(await PullAsync(name), "etc/text"));
        await registry.PushAsync("app:1", Files("two"));
        Assert.Equal("one", Read(await PullAsync(name), "etc/text"));
        Assert.Equal("one", Read(await PullAsync(name, "Never"), "etc/text"));
        Assert.Equal("two", Read(await PullAsync(name, "Always"), "etc/text"));
        Directory.Delete(Path.Combine(_state, (await PullAsync(name)).Layers[0]), true);
        Assert.Equal("two", Read(await PullAsync(name), "etc/text"));
    }

    [Fact]
    public async Task A_name_and_password_come_from_a_pull_secret_of_that_registry()
    {
        await using var registry = await RegistryServer.StartAsync(Basic);
        await registry.PushAsync("app:1", Files("one"));
        var name = $"{registry.Address}/app:1";
        Assert.Contains("imagePullSecrets", (await Assert.ThrowsAsync<ImageUnavailableException>(() => PullAsync(name))).Message, StringComparison.Ordinal);
        Assert.Contains("imagePullSecrets", (await Assert.ThrowsAsync<ImageUnavailableException>(() => PullAsync(name, credentials: Credentials("other.example", RegistryServer.User, RegistryServer.Password)))).Message, StringComparison.Ordinal);
        Assert.Contains("check the name and password", (await Assert.ThrowsAsync<ImageUnavailableException>(() => PullAsync(name, credentials: Credentials(registry.Address, RegistryServer.User, "wrong")))).Message, StringComparison.Ordinal);
        Assert.Equal("one", Read(await PullAsync(name, credentials: Credentials($"http://{registry.Address}/v2/", RegistryServer.User, RegistryServer.Password)), "etc/text"));
    }

    [Fact]
    public async Task Of_an_index_the_variant_of_this_machine_is_taken()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushIndexAsync("many:1", ("arm64", Files("arm")), ("amd64", Files("amd")));
        Assert.Equal("amd", Read(await PullAsync($"{registry.Address}/many:1"), "etc/text"));
        await registry.PushIndexAsync("foreign:1", ("arm64", Files("arm")), ("s390x", Files("z")));
        Assert.Contains("no variant for linux/amd64", (await Assert.ThrowsAsync<ImageUnavailableException>(() => PullAsync($"{registry.Address}/foreign:1"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Layers_may_be_packed_with_zstd()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushAsync("app:z", Files(new string('z', 100_000)), "--dest-compress-format", "zstd", "--format", "oci");
        var layer = Directory.EnumerateFiles(registry.Directory + "/data", "data", SearchOption.AllDirectories).Count(file => File.ReadAllBytes(file) is [0x28, 0xb5, 0x2f, 0xfd, ..]);
        Assert.Equal(1, layer);
        Assert.Equal(100_000, Read(await PullAsync($"{registry.Address}/app:z"), "etc/text").Length);
    }

    [Fact]
    public async Task A_download_that_is_cut_goes_on_where_it_was()
    {
        const int Size = 3_000_000, CutAfter = 1_000_000;
        await using var registry = await RegistryServer.StartAsync();
        var text = Convert.ToHexString(RandomNumberGenerator.GetBytes(Size / 2));
        await registry.PushAsync("big:1", Files(text));
        await using var relay = new CuttingRelay(registry.Address, CutAfter);
        Assert.Equal(text, Read(await PullAsync($"{relay.Address}/big:1"), "etc/text"));
        Assert.Equal(1, relay.Cuts);
        Assert.True(relay.Bytes < Size + CutAfter / 2, $"{relay.Bytes} bytes came through for {Size}");
    }

    [Fact]
    public async Task A_long_pull_tells_how_far_it_is_and_only_when_that_has_changed()
    {
        const int Size = 3 << 20, HeldAfter = 1 << 20;
        await using var registry = await RegistryServer.StartAsync();
        var text = Convert.ToHexString(RandomNumberGenerator.GetBytes(Size / 2));
        await registry.PushAsync("big:1", Files(text));
        var goOn = new TaskCompletionSource();
        await using var relay = new CuttingRelay(registry.Address, HeldAfter, goOn.Task);
        var name = $"{relay.Address}/big:1";
        var pulling = PullAsync(name);
        var blobs = Directory.CreateDirectory(Path.Combine(_state, "images/layers"));
        long here = 0;
        // Until nothing more comes: what is on its way would be progress.
        int same = 0;
        for (var end = DateTime.UtcNow.AddSeconds(30); same < 10; await Task.Delay(20))
        {
            Assert.True(DateTime.UtcNow < end, $"{here} bytes of a layer are here after 30 s");
            long now = blobs.EnumerateFiles("*.blob").Sum(file => file.Length);
            same = relay.Held.Task.IsCompleted && now >= HeldAfter / 2 && now == here ? same + 1 : 0;
            here = now;
        }
        Assert.Equal(["Pulling"], _told);
        for (int period = 0; period < 4; period++) _time.Advance(PullProgress.Period);
        Assert.Equal(["Pulling", PullProgress.Reason], _told);
        goOn.SetResult();
        Assert.Equal(text, Read(await pulling, "etc/text"));
        _time.Advance(PullProgress.Period);
        Assert.Equal(["Pulling", PullProgress.Reason, "Pulled"], _told);
        var message = System.Text.RegularExpressions.Regex.Match(_messages[1], $"^Pulling image \"{name}\": (\\d\\.\\d) MiB of 3\\.0 MiB \\((\\d+) %\\), 0 of 1 layers unpacked$");
        Assert.True(message.Success && message.Groups[1].Value is "0.5" or "0.6" or "0.7" or "0.8" or "0.9" or "1.0" or "1.1", _messages[1]);
        Assert.InRange(int.Parse(message.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture), 16, 36);
    }

    [Fact]
    public void Progress_counts_what_is_unpacked_as_here_and_no_layer_beyond_its_size() =>
        Assert.Equal("Pulling image \"a\": 30.0 MiB of 40.0 MiB (75 %), 1 of 3 layers unpacked", PullProgress.Message("a", [new PulledLayer(10 << 20, 0, true), new PulledLayer(20 << 20, 21 << 20, false), new PulledLayer(10 << 20, 0, false)]));

    [Fact]
    public async Task A_layer_that_is_not_what_its_digest_says_is_refused_and_not_kept()
    {
        await using var registry = await RegistryServer.StartAsync();
        await registry.PushAsync("app:1", Files(new string('x', 50_000)));
        var blob = Directory.EnumerateFiles(registry.Directory + "/data", "data", SearchOption.AllDirectories).OrderByDescending(file => new FileInfo(file).Length).First();
        var good = await File.ReadAllBytesAsync(blob);
        await File.WriteAllBytesAsync(blob, [.. good[..^1], (byte)(good[^1] ^ 1)]);
        Assert.Contains("has another digest", (await Assert.ThrowsAsync<ImageUnavailableException>(() => PullAsync($"{registry.Address}/app:1"))).Message, StringComparison.Ordinal);
        await File.WriteAllBytesAsync(blob, good);
        Assert.Equal(50_000, Read(await PullAsync($"{registry.Address}/app:1"), "etc/text").Length);
    }

    [Theory]
    [InlineData("hello:1", "", "hello", "1")]
    [InlineData("team/app", "", "team/app", "latest")]
    [InlineData("registry.example/team/app:2", "registry.example", "team/app", "2")]
    [InlineData("localhost/app", "localhost", "app", "latest")]
    [InlineData("127.0.0.1:5000/app:x", "127.0.0.1:5000", "app", "x")]
    [InlineData("docker.io/nginx:1", "registry-1.docker.io", "library/nginx", "1")]
    [InlineData("quay.io/a/b:tag@sha256:ab", "quay.io", "a/b", "sha256:ab")]
    public void A_name_says_registry_repository_and_reference(string name, string registry, string repository, string reference) => Assert.Equal(new ImageReference(registry, repository, reference), ImageReference.Parse(name));
}

/// <summary>Passes bytes between a client and a server, and cuts (or holds, until something is done) the first connection that has brought more than a number of them.</summary>
internal sealed class CuttingRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private long _bytes;
    private int _cuts;

    public string Address => _listener.LocalEndpoint.ToString()!;
    public long Bytes => Interlocked.Read(ref _bytes);
    public int Cuts => _cuts;
    public TaskCompletionSource Held { get; } = new();

    public CuttingRelay(string server, int after, Task? held = null)
    {
        _listener.Start();
        _accepting = AcceptAsync(IPEndPoint.Parse(server), after, held);
    }

    private async Task AcceptAsync(IPEndPoint server, int after, Task? held)
    {
        try
        {
            while (true) _ = RelayAsync(await _listener.AcceptTcpClientAsync(_stop.Token), server, after, held);
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private async Task RelayAsync(TcpClient client, IPEndPoint server, int after, Task? held)
    {
        using var there = new TcpClient();
        using (client)
        {
            await there.ConnectAsync(server, _stop.Token);
            var up = client.GetStream().CopyToAsync(there.GetStream(), _stop.Token);
            var buffer = new byte[1 << 14];
            long brought = 0;
            try
            {
                for (int read; (read = await there.GetStream().ReadAsync(buffer, _stop.Token)) > 0;)
                {
                    await client.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
                    Interlocked.Add(ref _bytes, read);
                    if ((brought += read) <= after || Interlocked.CompareExchange(ref _cuts, 1, 0) != 0) continue;
                    if (held is null) return;
                    Held.SetResult();
                    await held.WaitAsync(_stop.Token);
                }
            }
            catch (Exception exception) when (exception is IOException or OperationCanceledException)
            {
                // One side has gone, and so has the connection.
            }
            _ = up.ContinueWith(ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }
}
