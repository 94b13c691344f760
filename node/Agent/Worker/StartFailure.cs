using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>What a start that failed is called in a container's status. Pure.</summary>
public static class StartFailure
{
    /// <param name="exception">Why it failed.</param>
    /// <param name="before">The reason it is waiting for now, of the failure before; null: there is none.</param>
    public static string Reason(Exception exception, string? before) => exception switch
    {
        ImageNeverPulledException => "ErrImageNeverPull",
        ImageUnavailableException or HttpRequestException => before is "ErrImagePull" or "ImagePullBackOff" ? "ImagePullBackOff" : "ErrImagePull",
        ContainerConfigException => "CreateContainerConfigError",
        VolumeUnavailableException => "ContainerCreating",
        _ => "RunContainerError",
    };
}
