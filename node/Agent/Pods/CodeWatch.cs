using System.ComponentModel;

namespace Eyrie.Node;

/// <summary>What an audited container executes and loads, from its first instruction on, and how many processes it has at once. Looked at ten times a second, told when it is asked for.</summary>
public sealed class CodeWatch : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly Fanotify _files;
    private readonly ProcessCount? _processes;
    private readonly Timer _timer;
    private readonly HashSet<string> _loaded = [];
    private List<OpenedFile> _opened = [];
    private ProcessPeak _peak, _told;
    private bool _lost;

    private CodeWatch(Fanotify files, ProcessCount? processes)
    {
        (_files, _processes) = (files, processes);
        _timer = new Timer(_ => Look(), null, Pause, Pause);
    }

    /// <param name="processId">The container's first process, which may still wait for its start.</param>
    /// <param name="mounts">Where something is mounted in its root.</param>
    /// <exception cref="Win32Exception">The host does not tell what is opened.</exception>
    /// <exception cref="IOException">The process is gone.</exception>
    public static CodeWatch Of(int processId, IEnumerable<string> mounts)
    {
        var files = new Fanotify();
        try
        {
            files.Watch(processId, mounts);
            return new CodeWatch(files, ProcessCount.FolderOf(File.ReadAllText($"/proc/{processId}/cgroup")) is { } folder ? new ProcessCount(folder) : null);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    private void Look()
    {
        lock (_lock)
        {
            _opened.AddRange(_files.Take(out bool lost).Where(file => file.Executed || RunCode.IsCode(file.Head)));
            _lost |= lost;
            if (_processes is not null) _peak = _processes.Look();
        }
    }

    /// <summary>Files that code was run from since it was asked before, and how many processes there were at once if that is another number than before. What is loaded is told once.</summary>
    /// <returns>Whether files were opened that the host's kernel had no room to tell of.</returns>
    public (IReadOnlyList<RunFile> Files, ProcessPeak? Processes, bool Lost) New()
    {
        Look();
        lock (_lock)
        {
            var files = RunCode.Of(_opened).Where(file => file.Executed || _loaded.Add(file.Path)).ToList();
            var told = (files, _peak == _told ? (ProcessPeak?)null : _peak, _lost);
            (_opened, _told, _lost) = ([], _peak, false);
            return told;
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        lock (_lock) _files.Dispose();
    }
}
