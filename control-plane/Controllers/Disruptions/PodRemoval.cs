using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Disruptions;

/// <summary>Deletes a pod for a reason that is not its own, and says which beforehand.</summary>
public static class PodRemoval
{
    /// <summary>Nothing happens to a pod that is gone, or whose name another has by now.</summary>
    /// <param name="objects">Where the pod is.</param>
    /// <param name="pod">The pod as it was decided about.</param>
    /// <param name="reason">One of <see cref="DisruptionTarget"/>.</param>
    /// <param name="message">In full.</param>
    /// <param name="options">The uid is the pod's.</param>
    /// <param name="now">Time of the condition.</param>
    public static async Task RemoveAsync(IObjects objects, JsonObject pod, string reason, string message, DeleteOptions options, DateTimeOffset now)
    {
        await ChangeAsync(objects, pod, stored => !stored.IsDeleted(), reason, message, now);
        await DeleteAsync(objects, pod, options);
    }

    /// <summary>Says of a pod whose node cannot tell any more that it has failed, and why.</summary>
    public static Task FailAsync(IObjects objects, JsonObject pod, string reason, string message, DateTimeOffset now) => ChangeAsync(objects, pod, stored =>
    {
        if (stored.IsOver()) return false;
        stored["status"] ??= new JsonObject();
        stored["status"]!["phase"] = "Failed";
        return true;
    }, reason, message, now);

    public static async Task DeleteAsync(IObjects objects, JsonObject pod, DeleteOptions options)
    {
        try
        {
            await objects.DeleteAsync(Kinds.Pod, ObjectStamp.NameOf(pod), options with { Uid = pod.Uid() }, CancellationToken.None);
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
        {
            // Gone already: what is wanted.
        }
    }

    /// <summary>Whatever its node writes meanwhile.</summary>
    private static Task ChangeAsync(IObjects objects, JsonObject pod, Func<JsonObject, bool> change, string reason, string message, DateTimeOffset now) => objects.ChangeAsync(Kinds.Pod, ObjectStamp.NameOf(pod), stored =>
    {
        if (stored.Uid() != pod.Uid() || !change(stored)) return false;
        DisruptionTarget.Mark(stored, reason, message, now);
        return true;
    }, CancellationToken.None);
}
