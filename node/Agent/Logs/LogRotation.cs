using Eyrie.Microkernel.Client;

namespace Eyrie.Node.Logs;

/// <summary>
/// Puts the log of a running container aside when it has grown to its bound, has the container service go on in a new file, and removes the oldest. Nothing is lost: until the
/// service has the new file it writes to the old one, whatever its name.
/// </summary>
public sealed class LogRotation(NodeOptions options, KernelProcess kernel, Func<IEnumerable<(string Id, string Path)>> running)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    public Task RunAsync(CancellationToken cancellationToken) => Periodic.RunAsync("looking after logs", Period, async () =>
    {
        foreach (var (id, path) in running()) await LookAsync(kernel.Service, id, path);
    }, TimeProvider.System, cancellationToken);

    /// <summary>Looks at one log.</summary>
    public async Task LookAsync(IContainerService containers, string id, string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.Length < options.LogMaxBytes) return;
            // Without a file: an agent that put it aside was killed before it could tell the service.
            if (file.Exists) HostFiles.Rename(path, LogFiles.Aside(path, LogFiles.Aside(path).DefaultIfEmpty().Max() + 1));
            await containers.ReopenLogAsync(id, CancellationToken.None);
            foreach (var number in LogFiles.Aside(path).OrderDescending().Skip(options.LogMaxFiles - 1)) File.Delete(LogFiles.Aside(path, number));
        }
        catch (Exception exception) when (exception is IOException or ContainerServiceException { Error: ContainerError.UnknownContainer })
        {
            // It has ended meanwhile, or the kernel has; or the disk is full: it is looked at again.
        }
    }
}
