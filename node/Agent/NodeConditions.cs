using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>What is wrong with the node, for people: conditions beyond Ready, each with its message. All of them are told when one begins, changes or ends.</summary>
public sealed class NodeConditions(Action<NodeMessage> report)
{
    private readonly Dictionary<string, string> _true = [];
    private string _notReady = "";

    /// <summary>The node takes no pods from now on, and why.</summary>
    public void NotReady(string why)
    {
        lock (_true) _notReady = why;
        Tell();
    }

    /// <summary>A condition begins or goes on, with its message, or ends (null).</summary>
    public void Set(string type, string? message)
    {
        lock (_true)
        {
            if (_true.GetValueOrDefault(type) == message) return;
            if (message is null) _true.Remove(type);
            else _true[type] = message;
        }
        Tell();
    }

    private void Tell()
    {
        var status = new NodeStatusReport();
        lock (_true)
        {
            status.NotReady = _notReady;
            foreach (var (name, text) in _true) status.Conditions[name] = text;
        }
        report(new NodeMessage { NodeStatus = status });
    }

    /// <summary>Those that are true now, for the beginning of a session.</summary>
    public void AddTo(NodeHello hello)
    {
        lock (_true)
        {
            hello.NotReady = _notReady;
            foreach (var (name, text) in _true) hello.Conditions[name] = text;
        }
    }
}
