using System.Globalization;

namespace Eyrie.Node;

/// <summary>One agent at a time has a node's state directory. The host lets go of the lock when its process ends, however it ends; a file beside it says whose it is.</summary>
public static class AgentLock
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5), Look = TimeSpan.FromMilliseconds(20);

    private static string OwnerFile(string stateDirectory) => Path.Combine(stateDirectory, "agent.pid");

    /// <summary>Takes the lock; an agent that has it is told to leave its containers to this one, and ended when it does not.</summary>
    public static async Task<IDisposable> TakeAsync(string stateDirectory, CancellationToken cancellationToken)
    {
        const int HangUp = 1;
        HostProcess? told = null; // another may have taken it meanwhile, which is to be asked first as well
        for (long asked = 0; ; await Task.Delay(Look, cancellationToken))
            try
            {
                var file = new FileStream(Path.Combine(stateDirectory, "agent.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                var own = HostProcess.Find(Environment.ProcessId)!;
                File.WriteAllText(OwnerFile(stateDirectory) + ".new", string.Create(CultureInfo.InvariantCulture, $"{own.Id} {own.StartTime}"));
                File.Move(OwnerFile(stateDirectory) + ".new", OwnerFile(stateDirectory), true);
                return file;
            }
            catch (IOException) when (Owner(stateDirectory) is { } owner && (owner != told || Environment.TickCount64 - asked > Longest.TotalMilliseconds))
            {
                owner.Signal(owner == told ? HostProcess.Kill : HangUp);
                (asked, told) = (Environment.TickCount64, owner);
            }
            catch (IOException)
            {
                // It is just ending, or has not said yet who it is.
            }
    }

    /// <summary>The agent that has the lock, or had it last; null: there was none, or it has not said yet.</summary>
    public static HostProcess? Owner(string stateDirectory)
    {
        var file = OwnerFile(stateDirectory);
        return File.Exists(file) && File.ReadAllText(file).Split(' ') is [var id, var start] ? new HostProcess(int.Parse(id, CultureInfo.InvariantCulture), long.Parse(start, CultureInfo.InvariantCulture)) : null;
    }
}
