using System.ComponentModel;

namespace Eyrie.Node;

/// <summary>Where a <see cref="CodeWatch"/> comes from. A host that does not tell what is opened is said so, and keeps nothing from running.</summary>
public static class CodeWatches
{
    /// <summary>Reason of the event.</summary>
    public const string NotRecorded = "NotRecorded";

    /// <param name="processId">The container's first process; 0: there is none.</param>
    /// <param name="mounts">Where something is mounted in its root.</param>
    /// <param name="say">Told why there is none.</param>
    public static CodeWatch? Of(int processId, IReadOnlyCollection<string> mounts, Action<string> say)
    {
        try
        {
            if (processId > 0) return CodeWatch.Of(processId, mounts);
            say("it has no process");
        }
        catch (Exception exception) when (exception is Win32Exception or IOException)
        {
            say(exception.Message);
        }
        return null;
    }

    /// <summary>Of a run that an agent before began: what it executed while none looked is missing.</summary>
    public static CodeWatch? Of(PodState pod, ContainerRecord record, int processId) => record.Held is not { Audited: true } ? null
        : Of(processId, record.Written?.Mounts ?? [], why => pod.Event("Warning", NotRecorded, $"what container {record.Name} executes is not recorded: {why}", 1, record.Name));
}
