using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>Keeps a pod's files and journal as they are to be. When the disk is full they stay as they were, it is tried again, and no container starts meanwhile.</summary>
public sealed class PodDisk(PodState pod)
{
    private static readonly TimeSpan SaveAgain = TimeSpan.FromSeconds(5);

    private readonly PodJournal _journal = new(pod.Options, pod.Uid);
    private bool _unwritten = true;

    /// <summary>Why it could not be written; null: it is.</summary>
    public string? Unsaved { get; private set; }

    /// <summary>The pod is to be as this says; the files with the next <see cref="Save"/>.</summary>
    public void Want(DesiredPod desired)
    {
        _journal.Want(desired);
        _unwritten = true;
    }

    /// <summary>The files are made anew with the next <see cref="Save"/>.</summary>
    public void Rewrite() => _unwritten = true;

    /// <returns>False: see <see cref="Unsaved"/>.</returns>
    public bool Save()
    {
        try
        {
            if (_unwritten) pod.Files.Create(pod.Desired, pod.Pod);
            _unwritten = false;
            _journal.Save(new SavedPod(pod.Address, pod.Started, SteadyTime.Boot, pod.Began, pod.TerminatingSince, SavedReason.Of(pod.Failure), [.. pod.Records.Select(record => record.Save())], pod.Status));
            Unsaved = null;
            return true;
        }
        catch (IOException exception)
        {
            if (Unsaved is null) pod.Event("Warning", "FailedToSave", $"what the node knows of the pod could not be written: {exception.Message}", 1, "");
            Unsaved = exception.Message;
            return false;
        }
    }

    /// <summary>What could not be written is tried again then.</summary>
    public SteadyTime? Again(SteadyTime? until, SteadyTime now) => Unsaved is null || until < now + SaveAgain ? until : now + SaveAgain;
}
