using System.Text.Json;
using Eyrie.Node.Contract.V1;
using Google.Protobuf;

namespace Eyrie.Node;

/// <summary>
/// One pod on disk, for an agent that starts while its containers run: what is wanted, and what is known. A file takes the place of the one before at one moment. Written before a
/// container is made, so that no container is without its record.
/// </summary>
public sealed class PodJournal(NodeOptions options, string uid)
{
    private readonly string _home = Path.Combine(options.StateDirectory, "pods", uid);
    private byte[] _last = [];
    private DesiredPod? _wanted;

    /// <summary>Is written with the next <see cref="Save"/>.</summary>
    public void Want(DesiredPod desired) => _wanted = desired;

    /// <exception cref="IOException">The disk is full, or broken: what stands there is what stood there before. It may be tried again.</exception>
    public void Save(SavedPod pod)
    {
        if (_wanted is { } wanted)
        {
            Replace("desired", wanted.ToByteArray());
            _wanted = null;
        }
        var bytes = JsonSerializer.SerializeToUtf8Bytes(pod, SavedPodJson.Default.SavedPod);
        if (bytes.AsSpan().SequenceEqual(_last)) return;
        Replace("known.json", bytes);
        _last = bytes;
    }

    private void Replace(string name, byte[] bytes)
    {
        var (made, file) = (Path.Combine(_home, name + ".new"), Path.Combine(_home, name));
        // Root's alone: it holds the Secrets that the pod names.
        using (var written = new FileStream(made, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite })) written.Write(bytes);
        HostFiles.Rename(made, file);
    }

    /// <summary>Every pod that is whole on disk. What is not was never given a container, or is damaged.</summary>
    public static IEnumerable<(string Uid, DesiredPod Desired, SavedPod Known)> Read(NodeOptions options, SteadyTime now)
    {
        foreach (var directory in Directory.EnumerateDirectories(Path.Combine(options.StateDirectory, "pods")))
        {
            var (desired, known) = (Path.Combine(directory, "desired"), Path.Combine(directory, "known.json"));
            if (!File.Exists(desired) || !File.Exists(known)) continue;
            (DesiredPod, SavedPod)? pod = null;
            try
            {
                if (JsonSerializer.Deserialize(File.ReadAllBytes(known), SavedPodJson.Default.SavedPod) is { } saved) pod = (DesiredPod.Parser.ParseFrom(File.ReadAllBytes(desired)), saved.At(SteadyTime.Boot, now));
            }
            catch (Exception exception) when (exception is JsonException or InvalidProtocolBufferException)
            {
                Console.Error.WriteLine($"eyrie-node: {directory} is damaged and given up; its containers end and the pod is made anew: {exception.Message}");
            }
            if (pod is var (wanted, found)) yield return (Path.GetFileName(directory), wanted, found);
        }
    }
}
