using System.Text.Encodings.Web;
using System.Text.Json;

namespace Eyrie.Node;

/// <summary>One use that no grant allows, as it stands in the audit record.</summary>
/// <param name="Count">How often, since the line before about the same.</param>
/// <param name="Remedy">Lines of YAML that would grant it.</param>
/// <param name="Verdict"><c>denied</c>, or <c>audited</c>: let through by the namespace's level or a record.</param>
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

    public string File { get; } = Path.Combine(stateDirectory, "audit", "denials.jsonl");

    /// <summary>Writes one line. What a full disk does not take is told on standard error, and is lost.</summary>
    public void Write(DenialRecord denial)
    {
        try
        {
            Append(denial);
        }
        catch (IOException exception)
        {
            Console.Error.WriteLine($"eyrie-node: a denial of pod {denial.Namespace}/{denial.Pod} could not be recorded: {exception.Message}");
        }
    }

    private void Append(DenialRecord denial)
    {
        lock (_lock)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(File)!);
            if (new FileInfo(File) is { Exists: true } full && full.Length >= limit) System.IO.File.Move(File, Path.ChangeExtension(File, ".1.jsonl"), overwrite: true);
            System.IO.File.AppendAllText(File, JsonSerializer.Serialize(denial, Form) + "\n");
        }
    }
}
