using System.Diagnostics;
using Eyrie.ControlPlane.Store;

namespace Eyrie.Store.Tests;

public static class EtcdServerStores
{
    public static EtcdAddress Address(this EtcdServer server) => EtcdAddress.Parse(server.NewAddress())!;

    /// <summary>Opens a store as soon as the server answers.</summary>
    public static async Task<EtcdStore> OpenAsync(EtcdAddress address)
    {
        var end = DateTimeOffset.UtcNow.AddSeconds(60);
        while (true)
        {
            try
            {
                return await EtcdStore.OpenAsync(address, CancellationToken.None);
            }
            catch (StoreUnavailableException exception) when (DateTimeOffset.UtcNow < end)
            {
                Trace.WriteLine(exception.Message); // it is still starting
            }
        }
    }
}
