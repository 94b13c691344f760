using Eyrie.Node.Contract.V1;
using Google.Protobuf.Collections;

namespace Eyrie.Node;

/// <summary>What a node tells of itself when it changes, all of it each time: what is wrong with it, for people (conditions beyond Ready, each with its message), and which images it has, for the scheduler.</summary>
/// <param name="report">Is told one after the other, and does not wait.</param>
public sealed class NodeStatus(Action<NodeMessage> report)
{
    private readonly Dictionary<string, string> _true = [];
    private IReadOnlyList<NodeImage> _images = [];
    private string _notReady = "";

    /// <summary>The node takes no pods from now on, and why.</summary>
    public void NotReady(string why)
    {
        lock (_true)
        {
            _notReady = why;
            Tell();
        }
    }

    /// <summary>A condition begins or goes on, with its message, or ends (null).</summary>
    public void Set(string type, string? message)
    {
        lock (_true)
        {
            if (_true.GetValueOrDefault(type) == message) return;
            if (message is null) _true.Remove(type);
            else _true[type] = message;
            Tell();
        }
    }

    /// <summary>The images that are here now.</summary>
    public void Set(IReadOnlyList<NodeImage> images)
    {
        lock (_true)
        {
            if (_images.SequenceEqual(images)) return;
            _images = images;
            Tell();
        }
    }

    /// <summary>With the lock held: what is told later is newer.</summary>
    private void Tell()
    {
        var status = new NodeStatusReport();
        status.NotReady = AddTo(status.Conditions, status.Images);
        report(new NodeMessage { NodeStatus = status });
    }

    /// <summary>All of it, for the beginning of a session.</summary>
    public void AddTo(NodeHello hello)
    {
        lock (_true) hello.NotReady = AddTo(hello.Conditions, hello.Images);
    }

    private string AddTo(MapField<string, string> conditions, RepeatedField<NodeImage> images)
    {
        foreach (var (name, text) in _true) conditions[name] = text;
        images.Add(_images);
        return _notReady;
    }
}
