namespace Eyrie.ControlPlane.Controllers;

/// <summary>Events of one object that differ only in what they name: after ten of a reason within ten minutes, as many as kube-controller-manager tells singly, the others are one event that is counted. Belongs to one writer.</summary>
public sealed class SimilarEvents(TimeProvider clock)
{
    /// <summary>Before the message of the one, as client-go's recorder says it.</summary>
    public const string Combined = "(combined from similar events): ";

    private const int Single = 10;
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, (DateTimeOffset Since, int Count)> _told = [];
    private readonly Lock _lock = new();

    /// <summary>Counts one; true: it is to be told by itself.</summary>
    public bool IsSingle(string reason)
    {
        var now = clock.GetUtcNow();
        lock (_lock)
        {
            var (since, count) = _told.TryGetValue(reason, out var known) && known.Since + Window > now ? known : (now, 0);
            _told[reason] = (since, count + 1);
            return count < Single;
        }
    }
}
