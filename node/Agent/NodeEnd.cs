using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>Ends what is left of a node whose agent may never come back: the agent, if one runs, and the microkernel with every container, and volumes in memory.</summary>
public static class NodeEnd
{
    /// <summary>An agent gives a container service that does not answer 15 s.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    public static async Task<int> RunAsync(string stateDirectory)
    {
        if (AgentLock.Owner(stateDirectory) is { IsAlive: true } agent)
        {
            agent.Signal(EndSignals.AtOnce);
            if (!await agent.EndedAsync(Longest, CancellationToken.None)) agent.Signal(HostProcess.Kill);
        }
        await KernelProcess.EndAsync(stateDirectory);
        MemoryVolumes.RemoveAll(stateDirectory);
        return 0;
    }
}
