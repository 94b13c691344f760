using System.Globalization;
using System.Runtime.InteropServices;

namespace Eyrie.Node;

/// <summary>A process of this host, named for good by its id and start time: the id alone may come to name another.</summary>
/// <param name="StartTime">Field 22 of /proc/PID/stat (proc(5)).</param>
public sealed partial record HostProcess(int Id, long StartTime)
{
    public const int Kill = 9, Terminate = 15;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    public bool IsAlive => StartTimeOf(Id) == StartTime;

    /// <summary>null: there is none, or it has ended.</summary>
    public static HostProcess? Find(int process) => StartTimeOf(process) is { } start ? new HostProcess(process, start) : null;

    /// <summary>Those that run a program of this file name with these arguments among theirs, without children of such. What runs in another process namespace, as containers do, is not looked at.</summary>
    public static IEnumerable<HostProcess> Running(string program, params string[] arguments)
    {
        var wanted = string.Concat(arguments.Select(argument => "\0" + argument)) + "\0";
        var own = Namespace("self");
        bool Runs(string directory)
        {
            var line = CommandLine(directory);
            int end = line.IndexOf('\0', StringComparison.Ordinal);
            return end > 0 && Path.GetFileName(line[..end]) == program && line[end..].Contains(wanted, StringComparison.Ordinal) && Namespace(directory[6..]) == own;
        }
        foreach (var directory in Directory.EnumerateDirectories("/proc").Where(directory => char.IsAsciiDigit(directory[6])).Where(Runs))
            if (Stat(directory[6..]) is { } fields && !Runs("/proc/" + fields[1]) && Find(int.Parse(directory[6..], CultureInfo.InvariantCulture)) is { } process) yield return process;
    }

    public void Signal(int signal)
    {
        if (IsAlive) _ = kill(Id, signal);
    }

    /// <returns>Whether it has ended within the time.</returns>
    public async Task<bool> EndedAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        for (long begun = Environment.TickCount64; IsAlive; await Task.Delay(Look, cancellationToken))
            if (Environment.TickCount64 - begun > within.TotalMilliseconds) return false;
        return true;
    }

    private static string CommandLine(string directory)
    {
        try
        {
            return File.ReadAllText(directory + "/cmdline");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ""; // ended meanwhile
        }
    }

    private static string? Namespace(string process)
    {
        try
        {
            return new FileInfo($"/proc/{process}/ns/pid").LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static long? StartTimeOf(int process) => Stat(process.ToString(CultureInfo.InvariantCulture)) is { } fields ? long.Parse(fields[19], CultureInfo.InvariantCulture) : null;

    /// <summary>Fields of /proc/PID/stat from the third on; null: there is none, or it has ended.</summary>
    private static string[]? Stat(string process)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{process}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : fields;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int process, int signal);
}
