namespace Eyrie.ControlPlane.Controllers.Collection;

/// <summary>Who owns whom, by uid. An owner need not be there: its dependents are known all the same.</summary>
public sealed class OwnerGraph
{
    private readonly Dictionary<string, OwnedObject> _objects = [];
    private readonly Dictionary<string, HashSet<string>> _dependents = [];

    public OwnedObject? Find(string uid) => _objects.GetValueOrDefault(uid);

    public IEnumerable<OwnedObject> Dependents(string uid) => _dependents.TryGetValue(uid, out var found) ? found.Select(dependent => _objects[dependent]) : [];

    public IEnumerable<string> All => _objects.Keys;

    /// <returns>Whether anything is new.</returns>
    public bool Set(OwnedObject item)
    {
        if (_objects.TryGetValue(item.Uid, out var before))
        {
            if (before.Equals(item)) return false;
            Link(before, false);
        }
        _objects[item.Uid] = item;
        Link(item, true);
        return true;
    }

    public void Remove(string uid)
    {
        if (_objects.Remove(uid, out var item)) Link(item, false);
    }

    private void Link(OwnedObject item, bool there)
    {
        foreach (var owner in item.Owners)
        {
            if (there)
            {
                if (!_dependents.TryGetValue(owner.Uid, out var known)) _dependents[owner.Uid] = known = [];
                known.Add(item.Uid);
            }
            else if (_dependents.TryGetValue(owner.Uid, out var known) && known.Remove(item.Uid) && known.Count == 0) _dependents.Remove(owner.Uid);
        }
    }
}
