namespace Eyrie.ControlPlane.Scheduler;

/// <summary>
/// Pods that wait for a node. Ready ones come by priority, then age. A refused pod sleeps until something happens that could help it, and then not before its
/// back-off (1 s, doubled up to 10 s) is over; after five minutes it is looked at anyway. Time is an argument.
/// </summary>
public sealed class SchedulingQueue
{
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromSeconds(1), LongestBackOff = TimeSpan.FromSeconds(10), LongestSleep = TimeSpan.FromMinutes(5);

    private sealed class Entry(PodInfo pod)
    {
        public PodInfo Pod = pod;
        public int Attempts;
        public DateTimeOffset Refused;
        public WakeUp Helped;
        /// <summary>Something that could help has happened.</summary>
        public bool Awake;
        public DateTimeOffset Due => Refused + (Attempts == 0 ? TimeSpan.Zero : TimeSpan.FromTicks(Math.Min(LongestBackOff.Ticks, FirstBackOff.Ticks << Math.Min(Attempts - 1, 4))));
    }

    private readonly Dictionary<string, Entry> _entries = [];
    private readonly PriorityQueue<Entry, (int, long, string)> _ready = new();
    private readonly Dictionary<string, Entry> _refused = [];
    private DateTimeOffset _look = DateTimeOffset.MaxValue; // before this no refused pod can be due

    public int Count => _entries.Count;

    /// <summary>A pod waits, or one that waits has changed.</summary>
    /// <param name="helps">Whether the change can make it fit; a new status can not.</param>
    public void Set(PodInfo pod, bool helps = true)
    {
        if (_entries.TryGetValue(pod.Uid, out var known))
        {
            known.Pod = pod;
            if (helps && pod.Gates.Count == 0 && _refused.ContainsKey(pod.Uid) && known.Helped.HasFlag(WakeUp.PodChanged)) Awaken(known);
            return;
        }
        var entry = _entries[pod.Uid] = new Entry(pod);
        if (pod.Gates.Count == 0) Ready(entry);
        else Sleep(entry, WakeUp.PodChanged);
    }

    public void Remove(string uid)
    {
        _entries.Remove(uid);
        _refused.Remove(uid);
    }

    public PodInfo? Find(string uid) => _entries.TryGetValue(uid, out var entry) ? entry.Pod : null;

    /// <summary>The next pod to place; it is out of the queue until <see cref="Refuse"/> brings it back. Null: none for now.</summary>
    public PodInfo? Take(DateTimeOffset now)
    {
        if (now >= _look) Rouse(now);
        while (_ready.TryDequeue(out var entry, out _))
            if (_entries.TryGetValue(entry.Pod.Uid, out var known) && known == entry && !_refused.ContainsKey(entry.Pod.Uid)) return entry.Pod;
        return null;
    }

    /// <summary>It fits nowhere; it sleeps until one of <paramref name="helped"/> happens.</summary>
    public void Refuse(string uid, WakeUp helped, DateTimeOffset now)
    {
        if (!_entries.TryGetValue(uid, out var entry)) return;
        entry.Attempts++;
        entry.Refused = now;
        Sleep(entry, helped);
    }

    /// <summary>Something happened in the cluster.</summary>
    public void Wake(WakeUp happened)
    {
        foreach (var entry in _refused.Values)
            if ((entry.Helped & happened) != 0 && !entry.Awake) Awaken(entry);
    }

    /// <summary>No refused pod is to be looked at before this; null: there is none.</summary>
    public DateTimeOffset? NextDue => _look == DateTimeOffset.MaxValue ? null : _look;

    private void Awaken(Entry entry)
    {
        entry.Awake = true;
        Look(entry);
    }

    private void Look(Entry entry)
    {
        if (entry.Pod.Gates.Count == 0 && DueAt(entry) is var due && due < _look) _look = due;
    }

    private static DateTimeOffset DueAt(Entry entry) => entry.Awake ? entry.Due : entry.Refused + LongestSleep;

    private void Rouse(DateTimeOffset now)
    {
        _look = DateTimeOffset.MaxValue;
        foreach (var entry in _refused.Values.Where(entry => entry.Pod.Gates.Count == 0).ToList())
        {
            if (DueAt(entry) > now) { Look(entry); continue; }
            _refused.Remove(entry.Pod.Uid);
            Ready(entry);
        }
    }

    private void Ready(Entry entry) => _ready.Enqueue(entry, (-entry.Pod.Priority, entry.Pod.Created.UtcTicks, entry.Pod.Uid));

    private void Sleep(Entry entry, WakeUp helped)
    {
        (entry.Helped, entry.Awake) = (helped, false);
        _refused[entry.Pod.Uid] = entry;
        Look(entry);
    }
}
