using Microsoft.Extensions.Time.Testing;

namespace Eyrie.Node.Tests;

/// <summary>The images of one node.</summary>
internal sealed class PullingNode : IDisposable
{
    private readonly HttpClient _cluster = new();
    private readonly NodeOptions _options;

    public string State { get; } = Directory.CreateTempSubdirectory("eyrie-pulling-").FullName;

    public PullingNode(Func<NodeOptions, NodeOptions>? configure = null)
    {
        _options = ImageStoreTests.Options(State);
        if (configure is not null) _options = configure(_options);
    }

    /// <summary>As an agent that has just begun has it.</summary>
    public ImageStore Store() => new(_options, _cluster, new FakeTimeProvider());

    public Task<Image> PullAsync(string name, PullCredentials? credentials = null, ImageStore? store = null) => (store ?? Store()).EnsureAsync(name, "IfNotPresent", credentials ?? PullCredentials.None, _ => { }, CancellationToken.None);

    public string Read(Image image, string path) => File.ReadAllText(Path.Combine(State, image.Layers[^1], path));

    public void Dispose()
    {
        _cluster.Dispose();
        Directory.Delete(State, true);
    }
}
