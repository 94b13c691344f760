using System.Threading.Channels;

namespace Eyrie.Microkernel.Client;

/// <summary>
/// Finished sandboxes of one image, each a container that was created and waits to be told what to execute. One that is taken is replaced in the background. The pool holds what its
/// containers hold: memory for each, and their quota.
/// </summary>
public sealed class SandboxPool : IAsyncDisposable
{
    private readonly IContainerService _service;
    private readonly Func<int, ContainerSpec> _make;
    private readonly Channel<string> _ready = Channel.CreateUnbounded<string>();
    private readonly Lock _lock = new();
    private readonly List<Task> _filling = [];
    private int _next;
    private bool _closed;

    private SandboxPool(IContainerService service, Func<int, ContainerSpec> make) => (_service, _make) = (service, make);

    /// <summary>Fills a pool; returns when all its sandboxes are finished.</summary>
    /// <param name="service">Where they are.</param>
    /// <param name="size">How many wait at any time.</param>
    /// <param name="make">The description of the sandbox with this number; identifiers, addresses and directories must differ.</param>
    /// <exception cref="ContainerServiceException">One could not be made; what was made before is gone.</exception>
    public static async Task<SandboxPool> FillAsync(IContainerService service, int size, Func<int, ContainerSpec> make)
    {
        var pool = new SandboxPool(service, make);
        try
        {
            for (int i = 0; i < size; i++) await pool.AddAsync();
        }
        catch
        {
            await pool.DisposeAsync();
            throw;
        }
        return pool;
    }

    private async Task AddAsync()
    {
        var spec = _make(Interlocked.Increment(ref _next) - 1) with { Prepared = true };
        await _service.CreateAsync(spec, CancellationToken.None);
        await _ready.Writer.WriteAsync(spec.Id);
    }

    /// <summary>Executes a program in a finished sandbox; the container is the caller's from then on, to delete as any other.</summary>
    /// <param name="arguments">Program and arguments.</param>
    /// <param name="environment">NAME=value strings; null: those of the description.</param>
    /// <param name="cancellationToken">Ends the waiting for a sandbox.</param>
    /// <returns>The container's id.</returns>
    public async Task<string> StartAsync(IReadOnlyList<string> arguments, IReadOnlyList<string>? environment, CancellationToken cancellationToken)
    {
        var id = await _ready.Reader.ReadAsync(cancellationToken);
        try
        {
            await _service.StartAsync(id, cancellationToken, arguments, environment);
        }
        catch
        {
            await _service.DeleteAsync(id, CancellationToken.None);
            throw;
        }
        finally
        {
            lock (_lock)
                if (!_closed)
                {
                    _filling.RemoveAll(task => task.IsCompletedSuccessfully);
                    _filling.Add(RefillAsync());
                }
        }
        return id;
    }

    /// <summary>One that could not be made is told to whoever waits for one next.</summary>
    private async Task RefillAsync()
    {
        try
        {
            await AddAsync();
        }
        catch (Exception failure) when (failure is ContainerServiceException or IOException)
        {
            _ready.Writer.TryComplete(failure);
        }
    }

    /// <summary>Deletes the sandboxes that nobody has taken.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] filling;
        lock (_lock)
        {
            _closed = true;
            filling = [.. _filling];
        }
        await Task.WhenAll(filling);
        _ready.Writer.TryComplete();
        while (_ready.Reader.TryRead(out var id)) await _service.DeleteAsync(id, CancellationToken.None);
    }
}
