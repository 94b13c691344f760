namespace Eyrie.Node;

/// <summary>The lists of containers in a pod's spec.</summary>
public static class PodLists
{
    public const string Init = "initContainers", Main = "containers", Ephemeral = "ephemeralContainers";

    /// <summary>In the order in which they matter.</summary>
    public static readonly IReadOnlyList<string> All = [Init, Main, Ephemeral];

    public static string Of(ContainerRole role) => role switch { ContainerRole.Main => Main, ContainerRole.Ephemeral => Ephemeral, _ => Init };
}
