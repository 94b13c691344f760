using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>The client's side of one exec or attach, whatever carries it.</summary>
public interface IRemoteCommand : IAsyncDisposable
{
    /// <summary>Input (channel 0) and sizes of the terminal, as the node takes them. Ends when the client has gone.</summary>
    IAsyncEnumerable<StreamFrame> ReadAllAsync(CancellationToken cancellationToken);

    /// <summary>Where messages for a person go: stderr, or the terminal.</summary>
    uint ErrorChannel { get; }

    /// <param name="channel">1: stdout, 2: stderr. Dropped when the client did not ask for it.</param>
    /// <param name="data">Any length.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    Task WriteAsync(uint channel, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>Ends everything, with how it ended: a Status object.</summary>
    Task EndAsync(JsonObject status, CancellationToken cancellationToken);
}

/// <summary>What a client wants to see of a command, and give to it.</summary>
public sealed record CommandOptions(bool Stdin, bool Stdout, bool Stderr, bool Tty);

/// <summary>How a command ended, as remotecommand clients read it. Pure.</summary>
public static class CommandStatus
{
    public static JsonObject Of(StreamResult result)
    {
        if (result.ExitCode == 0 && result.Error.Length == 0) return new JsonObject { ["metadata"] = new JsonObject(), ["status"] = "Success" };
        if (result.ExitCode == 0) return Failed(result.Error);
        return new JsonObject
        {
            ["metadata"] = new JsonObject(), ["status"] = "Failure", ["reason"] = "NonZeroExitCode",
            ["message"] = $"command terminated with non-zero exit code: {(result.Error.Length > 0 ? result.Error : $"exit status {result.ExitCode}")}",
            ["details"] = new JsonObject { ["causes"] = new JsonArray(new JsonObject { ["reason"] = "ExitCode", ["message"] = result.ExitCode.ToString(System.Globalization.CultureInfo.InvariantCulture) }) },
        };
    }

    public static JsonObject Failed(string error) => new() { ["metadata"] = new JsonObject(), ["status"] = "Failure", ["reason"] = "InternalError", ["code"] = 500, ["message"] = "error executing command in container: " + error };
}
