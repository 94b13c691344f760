using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>A container outlives the connection to its service, and the service: what was asked and not answered is asked of the next one.</summary>
public static class LostConnection
{
    /// <summary>How long after a connection was lost the next one is asked.</summary>
    public static readonly TimeSpan Again = TimeSpan.FromMilliseconds(100);

    /// <summary>Deletes a container for certain.</summary>
    /// <param name="containers">The container service as it is now.</param>
    /// <param name="id">The container's, whether there is one or not.</param>
    /// <param name="time">Measures the waiting.</param>
    /// <exception cref="ContainerServiceException">The service refused.</exception>
    public static async Task DeleteAsync(Func<IContainerService> containers, string id, TimeProvider time)
    {
        while (true)
            try
            {
                await containers().DeleteAsync(id, CancellationToken.None);
                return;
            }
            catch (IOException)
            {
                await Task.Delay(Again, time);
            }
    }
}
