using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>
/// Compiled equals read back, on a real kernel: 1,000 containers (<c>EYRIE_LONG=1</c>: 10,000) of pods made up at random are started with their compiled sets, read back, changed to another compiled set, and
/// read back again. <c>EYRIE_SEED</c> runs one seed again.
/// </summary>
public sealed class ProofTests : IAsyncLifetime
{
    private const int AtOnce = 4;
    private static readonly int Containers = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? 10_000 : 1_000;
    private static readonly int Seed = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), CultureInfo.InvariantCulture, out int seed) ? seed : Random.Shared.Next();
    /// <summary>Containers of the pod beside the one that is started, which it may be granted to signal.</summary>
    private static readonly string[] Others = ["log", "web"];

    private const string Pipes = "pods/u/signals/c";

    /// <summary>What a line begins with, for every kind of entry that a container holds: all of them must have been started with and read back.</summary>
    private static readonly string[] Kinds = ["accept tcp pods", "api token vault.example.com", "connect tcp service default/kubernetes 443", "clock read", "connect tcp cidr", "connect tcp host", "connect udp host", "connect tcp pods", "connect tcp service", "connect udp service", "cpu shares", "device /dev/fuse read", "device /dev/net/tun read,write",
        "dir / read", "dir /host", "exec /", "facts", "gate accept", "gate call", "gate serve", "host dir", "identity", "listen tcp", "listen udp", "log write", "processes shared-memory", "quota", "random read", "signal log", "signal web"];

    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, int> _held = new();
    private string _host = null!;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _host = Directory.CreateTempSubdirectory("eyrie-proof-").FullName;
        Directory.CreateDirectory(Path.Combine(_host, "deep"));
        _kernel = await RunningKernel.StartAsync(offered: ["/dev/net/tun", "/dev/fuse", _host]);
        Directory.CreateDirectory(Path.Combine(_kernel.Root, Pipes));
        foreach (var other in Others) await File.WriteAllTextAsync(Path.Combine(_kernel.Root, Pipes, other), "");
    }

    public async Task DisposeAsync()
    {
        await _kernel.DisposeAsync();
        Directory.Delete(_host, true);
    }

    [Fact]
    public async Task What_was_compiled_is_what_the_kernel_holds_after_every_start_and_every_change()
    {
        var differs = new System.Collections.Concurrent.ConcurrentBag<string>();
        int next = 0, kinds = 0;
        async Task WorkAsync(int worker)
        {
            for (int number = Interlocked.Increment(ref next); number <= Containers; number = Interlocked.Increment(ref next))
            {
                var random = new Random(Seed + number);
                var pod = Pod(random, _host);
                var lines = Compile(pod);
                var spec = _kernel.Script("") with { Arguments = ["sleep", "1000"], Capabilities = lines, Mounts = Mounts(pod, lines) };
                await _kernel.Service.CreateAsync(spec, CancellationToken.None);
                await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
                await CompareAsync("started", spec.Id, lines, number);
                Interlocked.Add(ref kinds, lines.Count);
                var changed = Compile(Changed(pod, lines.Any(line => line.StartsWith("connect ", StringComparison.Ordinal) || line.StartsWith("listen ", StringComparison.Ordinal)), lines.Any(line => CallClasses.Of(System.Text.Encoding.UTF8.GetBytes(line)) == CallClass.Gates), random));
                await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [.. changed.Except(lines)], [.. lines.Except(changed)], CancellationToken.None);
                await CompareAsync("changed", spec.Id, changed, number);
                await _kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
                Directory.Delete(Path.Combine(_kernel.Root, "containers", spec.Id), true);
            }
        }
        async Task CompareAsync(string when, string id, IReadOnlyList<string> compiled, int number)
        {
            var held = await _kernel.Service.ReadCapabilitiesAsync(id, CancellationToken.None);
            foreach (var line in held) _held.TryAdd(line, number);
            if (!compiled.SequenceEqual(held)) differs.Add($"seed {Seed}, number {number}, {when}: compiled [{string.Join("; ", compiled)}], held [{string.Join("; ", held)}]");
        }
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(worker => Task.Run(() => WorkAsync(worker))));
        Assert.True(differs.IsEmpty, string.Join('\n', differs.Take(5)));
        Assert.InRange(kinds, Containers * 5, int.MaxValue);
        Assert.DoesNotContain(Kinds, kind => !_held.Keys.Any(line => line.StartsWith(kind, StringComparison.Ordinal)));
    }

    private static IReadOnlyList<string> Compile(JsonObject pod)
    {
        var result = PermissionCompiler.Compile(pod);
        Assert.Empty(result.Errors);
        return result.Sets[0].Lines;
    }

    /// <summary>What the node mounts: the volume of the host, and a pipe for each container that may be signalled.</summary>
    private List<MountSpec> Mounts(JsonObject pod, IReadOnlyList<string> lines)
    {
        var volumes = pod["spec"]!["volumes"]!.AsArray().Select(volume => new MountSpec(volume!["hostPath"]!["path"]!.ToString(), "/host", false));
        var pipes = Others.Where(other => lines.Any(line => line.StartsWith($"signal {other} ", StringComparison.Ordinal))).Select(other => new MountSpec($"{Pipes}/{other}", "/run/eyrie/signals/" + other, true));
        return [.. volumes, .. pipes];
    }

    private static string Among(Random random, params string[] words) => words[random.Next(words.Length)];

    private static JsonArray Some(Random random, int most, Func<JsonObject> make) => new([.. Enumerable.Range(0, random.Next(most + 1)).Select(_ => (JsonNode)make())]);

    private static JsonObject Pod(Random random, string host)
    {
        var container = new JsonObject
        {
            ["name"] = "c", ["permissions"] = Permissions(random), ["ports"] = Some(random, 3, () => new JsonObject { ["containerPort"] = random.Next(1, 65536), ["protocol"] = Among(random, "TCP", "TCP", "UDP") }),
            ["securityContext"] = random.Next(2) == 0 ? [] : new JsonObject { ["runAsUser"] = random.Next(65536), ["runAsGroup"] = random.Next(65536) },
            ["resources"] = random.Next(2) == 0 ? new JsonObject() : new JsonObject { ["limits"] = new JsonObject { ["memory"] = $"{random.Next(16, 256)}Mi", ["cpu"] = $"{random.Next(50, 2000)}m" } },
        };
        container["permissions"]!["files"] = Some(random, 3, () => new JsonObject { ["path"] = Among(random, "/tmp", "/var/a", "/etc", "/data"), ["access"] = Among(random, "read", "write") });
        foreach (var file in container["permissions"]!["files"]!.AsArray())
            if (file!["access"]!.ToString() == "write" && random.Next(2) == 0) file["create"] = false;
        container["permissions"]!["processes"] = random.Next(3) switch { 0 => new JsonObject { ["fork"] = false, ["threads"] = random.Next(2, 500) }, 1 => new JsonObject { ["max"] = random.Next(4, 500), ["threads"] = 1 }, _ => new JsonObject { ["max"] = random.Next(4, 500) } };
        container["permissions"]!["hostFacts"] = new JsonArray([.. new[] { "memory", "load", "drivers" }.Where(_ => random.Next(2) == 0).Select(fact => (JsonNode)fact)]);
        container["permissions"]!["devices"] = Some(random, 1, () => new JsonObject { ["path"] = Among(random, "/dev/net/tun", "/dev/fuse"), ["access"] = Among(random, "read", "write") });
        container["permissions"]!["api"] = random.Next(4) switch { 0 => new JsonObject { ["token"] = true }, 1 => new JsonObject { ["token"] = random.Next(2) == 0, ["audiences"] = new JsonArray("vault.example.com") }, _ => null };
        if (random.Next(4) == 0) container["permissions"]!["processes"]!["sharedMemory"] = true;
        if (random.Next(3) == 0) container["permissions"]!["processes"]!["exec"] = new JsonArray([.. new[] { Among(random, "/bin", "/bin/busybox") }.Concat(new[] { "/usr/lib", "/opt/tools" }.Where(_ => random.Next(2) == 0)).Select(path => (JsonNode)path)]);
        bool mounts = random.Next(3) == 0;
        if (mounts) container["permissions"]!["host"] = new JsonObject { ["paths"] = new JsonArray(new JsonObject { ["path"] = host, ["access"] = "write" }) };
        if (mounts) container["volumeMounts"] = new JsonArray(new JsonObject { ["name"] = "host", ["mountPath"] = "/host" });
        var volumes = mounts ? new JsonArray(new JsonObject { ["name"] = "host", ["hostPath"] = new JsonObject { ["path"] = Among(random, host, host + "/deep") } }) : [];
        var containers = new JsonArray([container, .. Others.Select(other => new JsonObject { ["name"] = other })]);
        return new JsonObject { ["metadata"] = new JsonObject { ["name"] = "p", ["namespace"] = "shop" }, ["spec"] = new JsonObject { ["volumes"] = volumes, ["containers"] = containers } };
    }

    private static JsonObject Permissions(Random random) => new()
    {
        ["connect"] = Some(random, 6, () => random.Next(4) switch
        {
            0 => new JsonObject { ["service"] = Among(random, "db", "ops/log", "mail"), ["port"] = random.Next(1, 65536), ["protocol"] = Among(random, "TCP", "UDP") },
            1 => new JsonObject { ["pods"] = new JsonObject { [Among(random, "app", "tier")] = Among(random, "a", "b") }, ["namespace"] = Among(random, "shop", "ops"), ["port"] = random.Next(1, 65536) },
            2 => new JsonObject { ["host"] = Among(random, "api.example.com", "mail.example.org"), ["ports"] = new JsonArray(random.Next(1, 65536), $"{random.Next(1, 100)}-{random.Next(100, 65536)}"), ["protocol"] = Among(random, "TCP", "UDP") },
            _ => new JsonObject { ["cidr"] = $"10.{random.Next(256)}.0.0/16", ["ports"] = new JsonArray(random.Next(1, 1000), $"{random.Next(1000, 2000)}-{random.Next(2000, 65536)}") },
        }),
        ["gates"] = Some(random, 2, () => new JsonObject { ["service"] = Among(random, "keyvault", "prices", "ops/ledger") }), ["publish"] = Some(random, 2, () => new JsonObject { ["gate"] = Among(random, "keyvault", "prices"), ["accept"] = new JsonArray(new JsonObject { ["namespace"] = Among(random, "shop", "ops") }) }),
        ["accept"] = Some(random, 1, () => new JsonObject { ["pods"] = new JsonObject { ["app"] = "a" }, ["port"] = random.Next(1, 65536) }),
        ["listen"] = Some(random, 2, () => new JsonObject { ["port"] = random.Next(1, 65536) }), ["clock"] = "read", ["random"] = "read",
        ["signals"] = Some(random, 2, () => new JsonObject { ["container"] = Among(random, Others), ["signals"] = new JsonArray([.. new[] { "HUP", "TERM", "USR1", "KILL" }.Take(random.Next(1, 5)).Select(name => (JsonNode)name)]) }),
    };

    /// <summary>The same pod with other grants of what can be given and taken while it runs: the network, and gates, only to one that had something of it, and signals only to whom it may signal already.</summary>
    private static JsonObject Changed(JsonObject pod, bool network, bool gates, Random random)
    {
        var other = (JsonObject)pod.DeepClone();
        var permissions = other["spec"]!["containers"]![0]!["permissions"]!.AsObject();
        var signalled = permissions["signals"]!.AsArray().Select(signal => signal!["container"]!.ToString()).ToHashSet();
        foreach (var (name, value) in Permissions(random))
            if (name == "signals") permissions[name] = new JsonArray([.. value!.AsArray().Where(signal => signalled.Contains(signal!["container"]!.ToString())).Select(signal => signal!.DeepClone())]);
            else if (name == "accept" || (network && (name is "connect" or "listen")) || (gates && (name is "gates" or "publish"))) permissions[name] = value?.DeepClone();
        return other;
    }
}
