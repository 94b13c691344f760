using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Tokens;

namespace Eyrie.Node;

/// <summary>What one start is made from, taken when it begins: nothing of the worker is looked at while it is under way.</summary>
public sealed record StartRequest(JsonObject Pod, JsonObject Container, DesiredPod Desired, PodAddress Address, string Id, string LogPath, string Previous);

/// <summary>A container that runs now.</summary>
public sealed record StartedContainer(Image Image, string WorkingDirectory, DateTimeOffset At, WrittenWatch Written, CodeWatch? Code);

/// <summary>The start of one container: image, files, create, start. What fails leaves nothing behind.</summary>
public sealed class ContainerStart(NodeOptions options, Func<IContainerService> containers, ImageStore images, HeldTokens tokens, TimeProvider time, Action<StartEvent> tell)
{
    /// <param name="request">What to start.</param>
    /// <param name="cancellationToken">Ends the waiting for the image; what comes after it is short and is done.</param>
    public async Task<StartedContainer> RunAsync(StartRequest request, CancellationToken cancellationToken)
    {
        var name = request.Container["name"]!.ToString();
        var image = await images.EnsureAsync(request.Container["image"]!.ToString(), request.Container["imagePullPolicy"]?.ToString() ?? "IfNotPresent", PullCredentials.Of(request.Pod, new PodObjects(request.Desired.Objects)), tell, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        var capabilities = request.Desired.Capabilities.First(set => set.Container == name).Entries;
        await tokens.RenewAsync(TokenNeed.Of(request.Pod, request.Container, capabilities), false, cancellationToken);
        // One that is audited waits in its finished world until it is watched there, so that nothing it executes is missed.
        var spec = ContainerSpecs.For(request, image, [.. capabilities], tokens, options) with { Prepared = capabilities.Any(line => line.StartsWith("audit ", StringComparison.Ordinal)) };
        if (request.Previous.Length > 0) await RemoveAsync(request.Previous);
        PodFiles.MakeMessageFile(options, request.Desired.Uid, request.Id);
        foreach (var directory in new[] { "upper", "work", "root" }) Directory.CreateDirectory(Path.Combine(Scratch(request.Id), directory));
        CodeWatch? code = null;
        try
        {
            await CreateAsync(spec);
            tell(new StartEvent("Created", $"Created container: {name}"));
            code = await CodeAsync(spec);
            await containers().StartAsync(request.Id, CancellationToken.None);
            return new StartedContainer(image, spec.WorkingDirectory, DateTimeOffset.UtcNow, Watch(request, image, spec), code);
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            code?.Dispose();
            await RemoveAsync(request.Id); // where the connection was lost, it may even run
            throw;
        }
    }

    /// <summary>Of a container that waits in its finished world; null: nothing of it is recorded, or it runs already.</summary>
    private async Task<CodeWatch?> CodeAsync(ContainerSpec spec) => !spec.Prepared ? null
        : CodeWatches.Of((await containers().ListAsync(CancellationToken.None)).FirstOrDefault(status => status.Id == spec.Id)?.ProcessId ?? 0, [.. spec.Mounts.Select(mount => mount.Target)], why => tell(new StartEvent(CodeWatches.NotRecorded, $"what container {spec.Id} executes is not recorded: {why}")));

    /// <summary>What an agent that was killed meanwhile had begun is begun anew.</summary>
    private async Task CreateAsync(ContainerSpec spec)
    {
        try
        {
            await containers().CreateAsync(spec, CancellationToken.None);
        }
        catch (ContainerServiceException exception) when (exception.Error == ContainerError.AlreadyExists)
        {
            await containers().DeleteAsync(spec.Id, CancellationToken.None);
            await containers().CreateAsync(spec, CancellationToken.None);
        }
    }

    /// <summary>A start of which the agent before could not tell any more: the container runs, or did.</summary>
    public async Task<StartedContainer> ResumeAsync(StartRequest request, DateTimeOffset startedAt, CancellationToken cancellationToken)
    {
        var image = await images.EnsureAsync(request.Container["image"]!.ToString(), "IfNotPresent", PullCredentials.Of(request.Pod, new PodObjects(request.Desired.Objects)), tell, cancellationToken);
        await tokens.RenewAsync(TokenNeed.Of(request.Pod, request.Container, request.Desired.Capabilities.First(set => set.Container == request.Container["name"]!.ToString()).Entries), false, cancellationToken);
        var spec = ContainerSpecs.For(request, image, [], tokens, options);
        return new StartedContainer(image, spec.WorkingDirectory, startedAt, Watch(request, image, spec), null);
    }

    private WrittenWatch Watch(StartRequest request, Image image, ContainerSpec spec) => new(options.StateDirectory, request.Id, image.Layers, [.. spec.Mounts.Select(mount => mount.Target)]);

    private string Scratch(string id) => Path.Combine(options.StateDirectory, "containers", id);

    /// <summary>A container of an earlier run, with what it wrote into its own root.</summary>
    public async Task RemoveAsync(string id)
    {
        await LostConnection.DeleteAsync(containers, id, time);
        if (Directory.Exists(Scratch(id))) Directory.Delete(Scratch(id), true);
    }
}
