using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A kernel whose image has the programs that call and serve gates: <c>eyrie-gate</c>, which anybody uses, and <c>gates</c>, which does what nobody should.</summary>
public sealed class GateKernel
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private static readonly CancellationToken None = CancellationToken.None;

    public required RunningKernel Kernel { get; init; }

    public static async Task<GateKernel> StartAsync()
    {
        var kernel = await RunningKernel.StartAsync();
        var programs = Path.Combine(kernel.Root, "images/busybox/bin");
        File.Copy(Path.Combine(RunningKernel.Binaries, "eyrie-gate"), Path.Combine(programs, "eyrie-gate"));
        File.Copy(Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Gates/bin/gates")), Path.Combine(programs, "gates"));
        return new GateKernel { Kernel = kernel };
    }

    /// <param name="subject">NAMESPACE/POD/CONTAINER.</param>
    /// <param name="script">What it runs.</param>
    /// <param name="entries">What it holds beside log and quota.</param>
    public ContainerSpec Client(string subject, string script, params string[] entries) => Kernel.Script(script, entries) with { Subject = subject };

    public async Task<ContainerSpec> StartAsync(string subject, string script, params string[] entries)
    {
        var spec = Client(subject, script, entries);
        await Kernel.Service.CreateAsync(spec, None);
        await Kernel.Service.StartAsync(spec.Id, None);
        return spec;
    }

    /// <summary>A container that answers each request with what a shell script prints.</summary>
    public Task<ContainerSpec> ServeAsync(string script, string gate = "shop/keyvault") => StartAsync("shop/vault/app", $"exec eyrie-gate serve /bin/sh -c '{script}'", "gate serve " + gate);

    public Task<(ContainerExited Exit, string Output)> RunAsync(string subject, string script, params string[] entries) => Kernel.RunAsync(Client(subject, script, entries));

    /// <summary>Waits until a container has written a line.</summary>
    public async Task LogAsync(ContainerSpec spec, string line)
    {
        var until = DateTime.UtcNow + Deadline;
        while (!Kernel.Log(spec).Split('\n').Contains(line))
        {
            if (DateTime.UtcNow > until) throw new TimeoutException($"waited {Deadline} for {spec.Id} to write \"{line}\"; it wrote: {Kernel.Log(spec)}");
            await Task.Delay(10);
        }
    }

    /// <summary>Waits for a container's end; the lines it wrote.</summary>
    public async Task<string[]> EndedAsync(ContainerSpec spec)
    {
        // Asked for rather than listened to: whoever waited for another's end has taken the event.
        var until = DateTime.UtcNow + Deadline;
        while ((await Kernel.Service.ListAsync(None)).Single(status => status.Id == spec.Id).State != ContainerState.Exited)
        {
            if (DateTime.UtcNow > until) throw new TimeoutException($"waited {Deadline} for the end of {spec.Id}; it wrote: {Kernel.Log(spec)}");
            await Task.Delay(10);
        }
        return Kernel.Log(spec).Split('\n');
    }
}
