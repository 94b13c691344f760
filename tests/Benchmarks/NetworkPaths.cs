using System.Diagnostics;
using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Benchmarks;

/// <summary>One way from a client to a server on this machine.</summary>
public interface INetworkPath : IAsyncDisposable
{
    string Name { get; }

    /// <summary>Where a server of this path is for its clients.</summary>
    string Address { get; }

    /// <summary>Added to the ports: what listens on every address of the host keeps them from pods of the host.</summary>
    int Shift => 0;

    /// <summary>Runs for as long as the path is there.</summary>
    Task ServeAsync(int[] ports, params string[] program);

    /// <summary>Runs a client to its end; what it wrote.</summary>
    Task<string> AskAsync(params string[] program);
}

/// <summary>Plain processes, or processes of a server's and a client's network namespace; each in a control group as a container's.</summary>
public sealed class HostPath(string name, string address, string? serverNamespace, string? clientNamespace, string root) : INetworkPath
{
    private readonly List<Process> _servers = [];
    private readonly ControlGroups _groups = new(name, EyriePath.Memory, EyriePath.Processes);

    public string Name => name;
    public string Address => address;
    public int Shift => serverNamespace is null ? 10 : 0;

    private (string Program, string[] Arguments) In(string? @namespace, string[] program) =>
        @namespace is null ? _groups.In(root + program[0], program[1..]) : _groups.In("ip", ["netns", "exec", @namespace, root + program[0], .. program[1..]]);

    public Task ServeAsync(int[] ports, params string[] program)
    {
        var (file, arguments) = In(serverNamespace, program);
        var start = new ProcessStartInfo(file) { RedirectStandardOutput = true };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        var server = Process.Start(start)!;
        _ = server.StandardOutput.ReadToEndAsync();
        _servers.Add(server);
        return Task.CompletedTask;
    }

    public async Task<string> AskAsync(params string[] program)
    {
        var (file, arguments) = In(clientNamespace, program);
        return await Commands.RunAsync(file, arguments);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            server.Kill(true);
            await server.WaitForExitAsync();
            server.Dispose();
        }
        _groups.Dispose();
    }
}

/// <summary>Two containers, and a Service in between.</summary>
public sealed class EyriePath(EyrieRuntime runtime, string folder) : INetworkPath
{
    /// <summary>What every process of every path may have: bytes, and processes.</summary>
    public const long Memory = 512 << 20;
    public const int Processes = 64;

    private readonly List<ServiceEntry> _table = [];
    private readonly List<string> _entries = [];
    private int _place = 1;

    public string Name => "eyrie";
    public string Address => "127.79.0.20";

    private ContainerSpec Spec(int place, IEnumerable<string> entries, string[] program) => runtime.Spec(place, program) with { Capabilities = [.. entries, "log write", string.Create(CultureInfo.InvariantCulture, $"quota memory={Memory} processes={Processes}"), "dir /tmp read,write"] };

    public async Task ServeAsync(int[] ports, params string[] program)
    {
        var spec = Spec(_place++, ports.Select(port => $"listen tcp {port}"), program);
        _table.AddRange(ports.Select(port => new ServiceEntry("bench", "server", Address, port, "", [new ServiceEndpoint(spec.PodAddress, port)])));
        _entries.AddRange(ports.Select(port => string.Create(CultureInfo.InvariantCulture, $"connect tcp service bench/server {port}")));
        await runtime.Service.SetServicesAsync(_table, CancellationToken.None);
        await runtime.Service.CreateAsync(spec, CancellationToken.None);
        await runtime.Service.StartAsync(spec.Id, CancellationToken.None);
    }

    public async Task<string> AskAsync(params string[] program)
    {
        var spec = Spec(0, _entries, program);
        var output = await runtime.RunAsync(spec);
        return output.Length > 0 ? output : throw new InvalidOperationException($"{string.Join(' ', program)} wrote nothing in a container of {folder}");
    }

    /// <summary>The servers end with the runtime.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>
/// Three network namespaces of the benchmark's own: a client and a server on one bridge, and another server behind a second one, which the client reaches by an address that the middle translates (nftables, DNAT), as a cluster
/// with a bridge on every node does it.
/// </summary>
public sealed class BridgedNamespaces : IAsyncDisposable
{
    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"eyb{Environment.ProcessId}");

    public string Client => _prefix + "c";
    public string Server => _prefix + "s";
    public string Behind => _prefix + "t";
    private string Middle => _prefix + "m";

    public async Task MakeAsync()
    {
        foreach (var name in new[] { Middle, Client, Server, Behind })
        {
            await Ip("netns", "add", name);
            await Ip("-n", name, "link", "set", "lo", "up");
        }
        foreach (var (bridge, address) in new[] { ("br0", "10.77.1.1/24"), ("br1", "10.77.2.1/24") })
        {
            await Ip("-n", Middle, "link", "add", bridge, "type", "bridge");
            await Ip("-n", Middle, "addr", "add", address, "dev", bridge);
            await Ip("-n", Middle, "link", "set", bridge, "up");
        }
        await Join(Client, "br0", "10.77.1.2/24", "10.77.1.1");
        await Join(Server, "br0", "10.77.1.3/24", "10.77.1.1");
        await Join(Behind, "br1", "10.77.2.2/24", "10.77.2.1");
        await Commands.RunAsync("ip", ["netns", "exec", Middle, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
        await Commands.RunAsync("ip", ["netns", "exec", Middle, "nft", "add table ip nat; add chain ip nat pre { type nat hook prerouting priority -100; }; add rule ip nat pre ip daddr 10.78.0.1 dnat to 10.77.2.2"]);
    }

    private async Task Join(string name, string bridge, string address, string gateway)
    {
        await Ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "v" + name[^1], "netns", Middle);
        await Ip("-n", Middle, "link", "set", "v" + name[^1], "master", bridge, "up");
        await Ip("-n", name, "addr", "add", address, "dev", "eth0");
        await Ip("-n", name, "link", "set", "eth0", "up");
        await Ip("-n", name, "route", "add", "default", "via", gateway);
    }

    private static Task Ip(params string[] arguments) => Commands.RunAsync("ip", arguments);

    public async ValueTask DisposeAsync()
    {
        foreach (var name in new[] { Client, Server, Behind, Middle }) await Ip("netns", "del", name);
    }
}
