using System;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>What holds of a request's fields whatever it asks for: they end where it ends, numbers have their size, text holds no NUL.</summary>
public static class WellFormed
{
    private const int MountHead = 9, MaxMount = 1024, MaxText = 16384;

    public static bool Fields(ReadOnlySpan<byte> body)
    {
        var scanner = new FieldScanner(body);
        while (scanner.Next(out int tag, out var value))
            if (!Field(tag, value)) return false;
        return !scanner.Broken;
    }

    private static bool Field(int tag, ReadOnlySpan<byte> value) => tag switch
    {
        StartTag.UserId or StartTag.GroupId or StartTag.Group or ContainerProtocol.SignalNumber or ContainerProtocol.Execution or StartTag.WindowSize => value.Length == 4,
        StartTag.Terminal or ContainerProtocol.OpenInput or ContainerProtocol.Prepared => value.Length == 1,
        StartTag.Mount => value.Length is > MountHead + 1 and <= MaxMount && value.Slice(MountHead).IndexOf((byte)0) is var end and >= 0 && end < value.Length - MountHead - 1,
        ContainerProtocol.Id => Name(value),
        ContainerProtocol.Subject => value.Length <= 240 && value.IndexOf((byte)' ') < 0 && value.IndexOf((byte)'\n') < 0 && value.IndexOf((byte)0) < 0,
        StartTag.Layer or StartTag.Scratch or StartTag.Argument or StartTag.Environment or StartTag.WorkingDirectory or StartTag.Hostname or ContainerProtocol.LogPath => value.Length <= MaxText && value.IndexOf((byte)0) < 0,
        _ => true,
    };

    /// <summary>It becomes the name of a directory and of a control group.</summary>
    private static bool Name(ReadOnlySpan<byte> id)
    {
        if (id.Length is 0 or > Container.MaxId || id[0] == '.') return false;
        for (int i = 0; i < id.Length; i++)
            if (id[i] is not ((>= (byte)'a' and <= (byte)'z') or (>= (byte)'A' and <= (byte)'Z') or (>= (byte)'0' and <= (byte)'9') or (byte)'.' or (byte)'_' or (byte)'-')) return false;
        return true;
    }
}
