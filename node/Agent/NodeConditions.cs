using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>What is wrong with the node, for people: conditions beyond Ready, each with its message. All of them are told when one begins, changes or ends.</summary>
public sealed class NodeConditions(Action<NodeMessage> report)
{
    private readonly Dictionary<string, string> _true = [];

    /// <summary>A condition begins or goes on, with its message, or ends (null).</summary>
    public void Set(string type, string? message)
    {
        var status = new NodeStatusReport();
        lock (_true)
        {
            if (_true.GetValueOrDefault(type) == message) return;
            if (message is null) _true.Remove(type);
            else _true[type] = message;
            foreach (var (name, text) in _true) status.Conditions[name] = text;
        }
        report(new NodeMessage { NodeStatus = status });
    }

    /// <summary>Those that are true now, for the beginning of a session.</summary>
    public void AddTo(NodeHello hello)
    {
        lock (_true)
            foreach (var (name, text) in _true) hello.Conditions[name] = text;
    }
}
