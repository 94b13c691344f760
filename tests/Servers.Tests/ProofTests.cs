using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Abi;

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
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

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
                var pod = Pod(random);
                var lines = Compile(pod);
                var spec = _kernel.Script("") with { Arguments = ["sleep", "1000"], Capabilities = lines };
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
            if (!compiled.SequenceEqual(held)) differs.Add($"seed {Seed}, number {number}, {when}: compiled [{string.Join("; ", compiled)}], held [{string.Join("; ", held)}]");
        }
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(worker => Task.Run(() => WorkAsync(worker))));
        Assert.True(differs.IsEmpty, string.Join('\n', differs.Take(5)));
        Assert.InRange(kinds, Containers * 5, int.MaxValue);
    }

    private static IReadOnlyList<string> Compile(JsonObject pod)
    {
        var result = PermissionCompiler.Compile(pod);
        Assert.Empty(result.Errors);
        return result.Sets.Single().Lines;
    }

    private static string Among(Random random, params string[] words) => words[random.Next(words.Length)];

    private static JsonArray Some(Random random, int most, Func<JsonObject> make) => new([.. Enumerable.Range(0, random.Next(most + 1)).Select(_ => (JsonNode)make())]);

    private static JsonObject Pod(Random random)
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
        return new JsonObject { ["metadata"] = new JsonObject { ["name"] = "p", ["namespace"] = "shop" }, ["spec"] = new JsonObject { ["containers"] = new JsonArray(container) } };
    }

    private static JsonObject Permissions(Random random) => new()
    {
        ["connect"] = Some(random, 6, () => random.Next(3) switch
        {
            0 => new JsonObject { ["service"] = Among(random, "db", "ops/log", "mail"), ["port"] = random.Next(1, 65536), ["protocol"] = Among(random, "TCP", "UDP") },
            1 => new JsonObject { ["pods"] = new JsonObject { [Among(random, "app", "tier")] = Among(random, "a", "b") }, ["namespace"] = Among(random, "shop", "ops"), ["port"] = random.Next(1, 65536) },
            _ => new JsonObject { ["cidr"] = $"10.{random.Next(256)}.0.0/16", ["ports"] = new JsonArray(random.Next(1, 1000), $"{random.Next(1000, 2000)}-{random.Next(2000, 65536)}") },
        }),
        ["gates"] = Some(random, 2, () => new JsonObject { ["service"] = Among(random, "keyvault", "prices", "ops/ledger") }), ["publish"] = Some(random, 2, () => new JsonObject { ["gate"] = Among(random, "keyvault", "prices"), ["accept"] = new JsonArray(new JsonObject { ["namespace"] = Among(random, "shop", "ops") }) }),
        ["accept"] = Some(random, 1, () => new JsonObject { ["pods"] = new JsonObject { ["app"] = "a" }, ["port"] = random.Next(1, 65536) }),
        ["listen"] = Some(random, 2, () => new JsonObject { ["port"] = random.Next(1, 65536) }), ["clock"] = "read", ["random"] = "read",
    };

    /// <summary>The same pod with other grants of what can be given and taken while it runs: the network, and gates, only to one that had something of it.</summary>
    private static JsonObject Changed(JsonObject pod, bool network, bool gates, Random random)
    {
        var other = (JsonObject)pod.DeepClone();
        var permissions = other["spec"]!["containers"]![0]!["permissions"]!.AsObject();
        foreach (var (name, value) in Permissions(random)) if (name == "accept" || (network && (name is "connect" or "listen")) || (gates && (name is "gates" or "publish"))) permissions[name] = value?.DeepClone();
        return other;
    }
}
