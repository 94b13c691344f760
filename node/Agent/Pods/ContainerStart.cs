using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Tokens;

namespace Eyrie.Node;

/// <summary>What one start is made from, taken when it begins: nothing of the worker is looked at while it is under way.</summary>
public sealed record StartRequest(JsonObject Pod, JsonObject Container, DesiredPod Desired, PodAddress Address, string Id, string LogPath, string Previous);

/// <summary>A container that runs now.</summary>
public sealed record StartedContainer(Image Image, string WorkingDirectory, DateTimeOffset At, WrittenWatch Written);

/// <summary>The start of one container: image, files, create, start. What fails leaves nothing behind.</summary>
public sealed class ContainerStart(NodeOptions options, IContainerService containers, ImageStore images, HeldTokens tokens, Action<StartEvent> tell)
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
        var spec = ContainerSpecs.For(request, image, [.. capabilities], tokens, options);
        if (request.Previous.Length > 0) await RemoveAsync(request.Previous);
        PodFiles.MakeMessageFile(options, request.Desired.Uid, request.Id);
        foreach (var directory in new[] { "upper", "work", "root" }) Directory.CreateDirectory(Path.Combine(Scratch(request.Id), directory));
        try
        {
            await CreateAsync(spec);
            tell(new StartEvent("Created", $"Created container: {name}"));
            await containers.StartAsync(request.Id, CancellationToken.None);
            return new StartedContainer(image, spec.WorkingDirectory, DateTimeOffset.UtcNow, Watch(request, image, spec));
        }
        catch (ContainerServiceException)
        {
            await RemoveAsync(request.Id);
            throw;
        }
    }

    /// <summary>What an agent that was killed meanwhile had begun is begun anew.</summary>
    private async Task CreateAsync(ContainerSpec spec)
    {
        try
        {
            await containers.CreateAsync(spec, CancellationToken.None);
        }
        catch (ContainerServiceException exception) when (exception.Error == ContainerError.AlreadyExists)
        {
            await containers.DeleteAsync(spec.Id, CancellationToken.None);
            await containers.CreateAsync(spec, CancellationToken.None);
        }
    }

    /// <summary>A start of which the agent before could not tell any more: the container runs, or did.</summary>
    public async Task<StartedContainer> ResumeAsync(StartRequest request, DateTimeOffset startedAt, CancellationToken cancellationToken)
    {
        var image = await images.EnsureAsync(request.Container["image"]!.ToString(), "IfNotPresent", PullCredentials.Of(request.Pod, new PodObjects(request.Desired.Objects)), tell, cancellationToken);
        await tokens.RenewAsync(TokenNeed.Of(request.Pod, request.Container, request.Desired.Capabilities.First(set => set.Container == request.Container["name"]!.ToString()).Entries), false, cancellationToken);
        var spec = ContainerSpecs.For(request, image, [], tokens, options);
        return new StartedContainer(image, spec.WorkingDirectory, startedAt, Watch(request, image, spec));
    }

    private WrittenWatch Watch(StartRequest request, Image image, ContainerSpec spec) => new(options.StateDirectory, request.Id, image.Layers, [.. spec.Mounts.Select(mount => mount.Target)]);

    private string Scratch(string id) => Path.Combine(options.StateDirectory, "containers", id);

    /// <summary>A container of an earlier run, with what it wrote into its own root.</summary>
    public async Task RemoveAsync(string id)
    {
        await containers.DeleteAsync(id, CancellationToken.None);
        if (Directory.Exists(Scratch(id))) Directory.Delete(Scratch(id), true);
    }
}
