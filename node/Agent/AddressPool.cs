using System.Globalization;

namespace Eyrie.Node;

/// <summary>Addresses for pods from this node's range; one is not given out again before all others were.</summary>
public sealed class AddressPool(NodeOptions options)
{
    private readonly Queue<int> _free = new(Enumerable.Range(1, 1022));

    public PodAddress Take()
    {
        lock (_free)
        {
            if (!_free.TryDequeue(out int index)) throw new InvalidOperationException($"every address of {options.PodRange} is in use");
            return Address(index);
        }
    }

    /// <summary>An address that is in use already.</summary>
    public void Take(PodAddress used)
    {
        lock (_free)
        {
            var others = _free.Where(index => Address(index) != used).ToList();
            _free.Clear();
            foreach (var index in others) _free.Enqueue(index);
        }
    }

    private PodAddress Address(int index)
    {
        int third = 16 + 4 * options.Index + index / 256, fourth = index % 256;
        return new PodAddress(string.Create(CultureInfo.InvariantCulture, $"127.{options.ClusterOctet}.{third}.{fourth}"), string.Create(CultureInfo.InvariantCulture, $"127.{options.ClusterOctet + 16}.{third}.{fourth}"));
    }

    public void Return(string address)
    {
        var parts = address.Split('.').Select(part => int.Parse(part, CultureInfo.InvariantCulture)).ToArray();
        lock (_free) _free.Enqueue((parts[2] - 16 - 4 * options.Index) * 256 + parts[3]);
    }
}
