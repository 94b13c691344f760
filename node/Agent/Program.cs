using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Eyrie.Node;
using Eyrie.Node.Volumes;
using Prometheus;

if (args is ["end", "--state-dir", var ended]) return await NodeEnd.RunAsync(Path.GetFullPath(ended));
if (NodeOptions.Parse(args, Console.Error) is not { } options) return 2;
if (options.Ending == EndOfAgent.AtOnce) return await NodeEnd.RunAsync(options.StateDirectory);
foreach (var directory in new[] { "images/layers", "containers", "logs", "pods" }) Directory.CreateDirectory(Path.Combine(options.StateDirectory, directory));
options = options with { DiskBytes = new DriveInfo(options.StateDirectory).TotalSize };
var longestEnd = TimeSpan.FromSeconds(15); // of whatever asks the container service: one that does not answer is ended with its kernel, and nobody waits for it any more
using var alone = await AgentLock.TakeAsync(options.StateDirectory, CancellationToken.None);
using CancellationTokenSource stop = new(), atOnce = new();
var asked = new TaskCompletionSource<EndOfAgent>(TaskCreationOptions.RunContinuationsAsynchronously);
atOnce.Token.Register(() => _ = EndKernelAsync());
List<IDisposable> handled = [.. EndSignals.Handle(end =>
{
    if (!asked.TrySetResult(end) || end == EndOfAgent.AtOnce) atOnce.Cancel(); // who asks twice is in a hurry
})];
using var client = Tls.Client(options);
await using var kernel = await KernelProcess.OpenAsync(options, atOnce.Token);
using var metrics = new MetricsListener();
void Describe()
{
    var file = Path.Combine(options.StateDirectory, "node.json");
    File.WriteAllText(file + ".new", new JsonObject { ["pid"] = Environment.ProcessId, ["kernelPid"] = kernel.ProcessId, ["metrics"] = metrics.Url }.ToJsonString());
    File.Move(file + ".new", file, true); // whoever reads it meanwhile reads all of it
}
Describe();
var processes = new NodeProcesses(options, kernel);
var agent = new NodeAgent(options, kernel, processes, client);
await agent.AdoptAsync();
new ResourceMetrics(processes, kernel, agent.Running).Register();
var running = agent.RunAsync(stop.Token);
var supervising = kernel.SuperviseAsync(async anew =>
{
    await agent.KernelConnectedAsync(anew);
    Describe();
}, stop.Token);
if (options.Ending == EndOfAgent.Graceful) _ = EndWhenHeardAsync();
var broken = Task.WhenAny(running, supervising); // neither ends by itself
if (await Task.WhenAny(agent.Synced.Task, asked.Task, broken) == agent.Synced.Task) Console.WriteLine("ready");
if (await Task.WhenAny(asked.Task, broken) == broken) await await broken; // an agent that cannot go on ends with the reason, and the next one takes over what runs
var ending = await asked.Task;
if (ending == EndOfAgent.Graceful) await agent.ShutDownAsync(atOnce.Token);
await stop.CancelAsync();
await running;
await supervising.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
foreach (var signal in handled) signal.Dispose();
if (ending == EndOfAgent.Replaced) return 0; // the next agent takes over what runs
await Task.WhenAny(agent.StopAsync(), kernel.Service.Closed, Task.Delay(longestEnd)); // a kernel that is away at that moment is ended with all of its containers
await kernel.EndAsync();
MemoryVolumes.RemoveAll(options.StateDirectory);
return 0;

async Task EndKernelAsync()
{
    await Task.Delay(longestEnd);
    await KernelProcess.EndAsync(options.StateDirectory);
}

// With a session, so that the ends of pods are told; without one, soon.
async Task EndWhenHeardAsync()
{
    await Task.WhenAny(agent.Synced.Task, Task.Delay(TimeSpan.FromSeconds(5)));
    asked.TrySetResult(EndOfAgent.Graceful);
}

/// <summary>prometheus-net's own listener on a free loopback port.</summary>
internal sealed class MetricsListener : IDisposable
{
    private readonly MetricServer _server;

    public string Url { get; }

    public MetricsListener()
    {
        const int Tries = 20;
        for (int attempt = 1; ; attempt++)
        {
            using var probe = new TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            int port = ((IPEndPoint)probe.LocalEndpoint).Port;
            probe.Stop();
            Url = $"http://127.0.0.1:{port}/metrics";
            _server = new MetricServer("127.0.0.1", port);
            try
            {
                _server.Start();
                return;
            }
            catch (HttpListenerException) when (attempt < Tries)
            {
                // Another process took the port between the look and the listen: the next one.
            }
        }
    }

    public void Dispose() => _server.Dispose();
}
