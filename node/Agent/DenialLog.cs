using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Eyrie.Node;

/// <summary>One use that no grant allows, as it stands in the audit record.</summary>
/// <param name="Count">How often, since the line before about the same.</param>
/// <param name="Remedy">Lines of YAML that would grant it.</param>
/// <param name="Verdict"><c>denied</c>; <c>audited</c>: let through by the namespace's level or a record; <c>lost</c>: so many before this were not recorded.</param>
/// <param name="Program">Name of the thread, a space, path of its executable; empty: unknown.</param>
public sealed record DenialRecord(DateTimeOffset Time, string Node, string Namespace, string Pod, string Container, string Operation, string Target, string MissingGrant, int Count, string Remedy, string Verdict = "denied", string Program = "");

/// <summary>
/// The node's audit record of denials: JSON lines in <c>audit/denials.jsonl</c> below the node's state. A file is full at <paramref name="limit"/> bytes; then it becomes <c>denials.1.jsonl</c>, and the one
/// that had this name is gone.
/// </summary>
public sealed class DenialLog(string stateDirectory, long limit = 16 << 20)
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly Lock _lock = new();
    private int _lost;

    public string File { get; } = Path.Combine(stateDirectory, "audit", "denials.jsonl");

    /// <summary>Writes one line. What a full disk does not take is counted, and told by a line of its own when there is room again.</summary>
    public void Write(DenialRecord denial)
    {
        lock (_lock)
        {
            try
            {
                if (_lost > 0) Append(new DenialRecord(denial.Time, denial.Node, "", "", "", "record", "the disk was full", "", _lost, "", "lost"), denial);
                else Append(denial);
                _lost = 0;
            }
            catch (IOException exception)
            {
                if (_lost == 0) Console.Error.WriteLine($"eyrie-node: denials cannot be recorded; they are counted until they can: {exception.Message}");
                _lost++;
                Metrics.DenialsLost.Inc();
            }
        }
    }

    /// <summary>All of them or none.</summary>
    private void Append(params ReadOnlySpan<DenialRecord> denials)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        if (new FileInfo(File) is { Exists: true } full && full.Length >= limit) System.IO.File.Move(File, Path.ChangeExtension(File, ".1.jsonl"), overwrite: true);
        using var file = new FileStream(File, FileMode.Append, FileAccess.Write, FileShare.Read, 0);
        long whole = file.Position;
        var text = new StringBuilder();
        foreach (var denial in denials) text.Append(JsonSerializer.Serialize(denial, Form)).Append('\n');
        try
        {
            file.Write(Encoding.UTF8.GetBytes(text.ToString()));
        }
        catch (IOException)
        {
            file.SetLength(whole); // no line is half there
            throw;
        }
    }
}
