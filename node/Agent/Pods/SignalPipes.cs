using System.Text;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>
/// The named pipes by which containers of a pod signal each other: whoever may signal container NAME finds <c>/run/eyrie/signals/NAME</c> and writes names of signals there, a line each. To hold the pipe is to hold the
/// grant: the container service mounts it for nobody else. Which signals may be sent is asked of the set that the container holds when it sends one.
/// </summary>
public sealed class SignalPipes(NodeOptions options, string uid) : IDisposable
{
    private const string Target = "/run/eyrie/signals";
    private const int LongestLine = 32;

    private readonly Dictionary<(string From, string To), FileStream> _open = [];
    private readonly CancellationTokenSource _closed = new();

    /// <summary>Names of the containers that a set lets its container signal.</summary>
    public static IEnumerable<string> Targets(IEnumerable<string> entries) => entries.Select(line => CapabilityEntry.TryParse(line, out var entry) ? entry : null).OfType<CapabilityEntry.Signal>().Select(signal => signal.Container).Distinct();

    public static IEnumerable<MountSpec> Mounts(string uid, string from, IEnumerable<string> entries) => Targets(entries).Select(to => new MountSpec(Source(uid, from, to), $"{Target}/{to}", true));

    private static string Source(string uid, string from, string to) => $"pods/{uid}/signals/{from}/{to}";

    /// <summary>Makes a container's pipes and begins to listen at them.</summary>
    /// <param name="from">The container.</param>
    /// <param name="entries">What it holds.</param>
    /// <param name="sent">Is told the container that is signalled and the word that was written, and no further word before it has completed.</param>
    public void Open(string from, IEnumerable<string> entries, Func<string, string, Task> sent)
    {
        foreach (var to in Targets(entries))
        {
            if (_open.ContainsKey((from, to))) continue;
            var path = Path.Combine(options.StateDirectory, Source(uid, from, to));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            if (!Path.Exists(path)) HostFiles.MakePipe(path);
            // Open for both: so a writer never waits for a reader, and the end of one writer is not the end of the pipe.
            var pipe = _open[(from, to)] = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
            new Thread(() => Listen(pipe, word => sent(to, word))) { IsBackground = true, Name = "signals" }.Start();
        }
    }

    private void Listen(FileStream pipe, Func<string, Task> sent)
    {
        var (buffer, line) = (new byte[256], new StringBuilder());
        try
        {
            while (pipe.Read(buffer) is > 0 and var count && !_closed.IsCancellationRequested)
                foreach (char letter in Encoding.ASCII.GetString(buffer, 0, count))
                {
                    if (letter != '\n') { if (line.Length <= LongestLine) line.Append(letter); continue; }
                    var word = line.ToString().Trim();
                    line.Clear();
                    if (word.Length is > 0 and <= LongestLine) sent(word).Wait(_closed.Token);
                }
        }
        catch (OperationCanceledException)
        {
            // The pod is over.
        }
        finally
        {
            pipe.Dispose();
        }
    }

    public void Dispose()
    {
        _closed.Cancel();
        foreach (var pipe in _open.Values) HostFiles.WakePipe(pipe.Name); // whose listener closes it
        _open.Clear();
    }
}
