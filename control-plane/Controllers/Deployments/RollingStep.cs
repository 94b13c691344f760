namespace Eyrie.ControlPlane.Controllers.Deployments;

/// <summary>A ReplicaSet in numbers: pods it is to have, has, and has available.</summary>
/// <param name="Settled">What it has was counted after it learned what it is to have; before that it may still be making pods for an older, larger number.</param>
public readonly record struct SetSize(int Wanted, int Live, int Available, bool Settled = true)
{
    /// <summary>Available pods that stay: those beyond what is wanted are going.</summary>
    public int Staying => Math.Min(Wanted, Available);

    /// <summary>Those of them that can be counted on: a set that does not know its size yet may be deleting more for one that it had between.</summary>
    public int Serving => Settled ? Staying : 0;

    /// <summary>Pods that are there or will be.</summary>
    public int Most => Math.Max(Wanted, Live);
}

/// <summary>One step of a rolling update, in numbers alone. Never more than replicas + surge pods, and never fewer than replicas - unavailable available ones by what it does.</summary>
public static class RollingStep
{
    /// <param name="old">Older sets, the oldest first.</param>
    /// <param name="most">Most pods that the current set may have, while a guard bounds it; the old sets keep the rest. null: no bound.</param>
    /// <returns>What each old set and the current one are to have.</returns>
    public static (IReadOnlyList<int> Old, int Current) Next(IReadOnlyList<SetSize> old, SetSize current, int replicas, int surge, int unavailable, int? most = null)
    {
        int limit = Math.Min(replicas, most ?? replicas), up = current.Wanted > replicas ? replicas : Math.Max(current.Wanted, Math.Min(limit, Room(old, replicas + surge)));
        var next = Kept(old, Shrink(old, current, replicas - unavailable), replicas - Math.Max(limit, up));
        up -= Exceed(old, next, current, up, replicas + surge);
        return (next, up - Early(old, next, current, up, replicas + surge, replicas - unavailable));
    }

    /// <summary>Pods of old sets are there until those sets have removed them. A current set that was sized for more replicas than are wanted now makes none in their place yet, but for the least that must serve.</summary>
    /// <returns>How many of the current set's pods are not made yet and are to wait.</returns>
    private static int Early(IReadOnlyList<SetSize> old, int[] next, SetSize current, int up, int most, int least)
    {
        int counted = old.Zip(next).Sum(pair => Math.Min(pair.First.Serving, pair.Second));
        return Math.Clamp(old.Sum(set => set.Most) + up - most, 0, Math.Max(0, up - Math.Max(current.Live, least - counted)));
    }

    /// <summary>Sets that were sized for more replicas than are wanted now give up what serves nobody, the old ones first.</summary>
    /// <returns>How many the current set gives up.</returns>
    private static int Exceed(IReadOnlyList<SetSize> old, int[] next, SetSize current, int up, int most)
    {
        int excess = next.Sum() + up - most;
        for (int i = 0; i < next.Length && excess > 0; i++)
        {
            int broken = Math.Min(excess, Math.Max(0, next[i] - old[i].Staying));
            next[i] -= broken;
            excess -= broken;
        }
        return Math.Clamp(excess, 0, Math.Max(0, up - current.Serving));
    }

    /// <summary>Of what the old sets would lose they get back, the newest first, what they are to keep together.</summary>
    private static int[] Kept(IReadOnlyList<SetSize> old, int[] next, int keep)
    {
        for (int i = next.Length - 1, back = keep - next.Sum(); i >= 0 && back > 0; i--)
        {
            int more = Math.Min(back, old[i].Wanted - next[i]);
            next[i] += more;
            back -= more;
        }
        return next;
    }

    /// <summary>Pods that may be there beside those of other sets; none while one of them is not settled.</summary>
    public static int Room(IEnumerable<SetSize> others, int most)
    {
        int room = most;
        foreach (var set in others)
        {
            if (!set.Settled) return 0;
            room -= set.Most;
        }
        return Math.Max(0, room);
    }

    /// <summary>Old sets lose first pods that serve nobody, then as many as the available ones of all sets make up for. What the status says may be older than what is wanted: neither counts more than the other.</summary>
    private static int[] Shrink(IReadOnlyList<SetSize> old, SetSize current, int least)
    {
        var next = old.Select(set => set.Wanted).ToArray();
        // Even if every old pod were available: those of the current set that are not yet must be made up for.
        int room = next.Sum() + current.Serving - least;
        for (int i = 0; i < next.Length && room > 0; i++)
        {
            int broken = Math.Min(room, old[i].Wanted - old[i].Staying);
            next[i] -= broken;
            room -= broken;
        }
        int spare = old.Sum(set => set.Staying) + current.Serving - least;
        for (int i = 0; i < next.Length && spare > 0; i++)
        {
            int less = Math.Min(spare, next[i]);
            next[i] -= less;
            spare -= less;
        }
        return next;
    }

    /// <summary>More replicas in the middle of a rollout (or while paused) are shared out by the sizes there are, so that a version that may be broken does not get them all.</summary>
    /// <param name="sets">Sets with pods, the oldest first.</param>
    public static IReadOnlyList<int> Grow(IReadOnlyList<SetSize> sets, int allowed)
    {
        var next = sets.Select(set => set.Wanted).ToArray();
        int total = next.Sum(), add = Room(sets, allowed);
        if (add <= 0 || total == 0) return next;
        int left = add;
        // The largest first, of equals the newer; each its share, rounded, as kube-controller-manager gives it.
        var order = Enumerable.Range(0, next.Length).OrderByDescending(i => sets[i].Wanted).ThenByDescending(i => i).ToList();
        foreach (int i in order)
        {
            int share = Math.Min(left, (int)Math.Round((double)add * sets[i].Wanted / total, MidpointRounding.AwayFromZero));
            next[i] += share;
            left -= share;
        }
        next[order[0]] += left; // the rest to the largest
        return next;
    }

    /// <summary>Fewer replicas while paused: pods that serve nobody go first, then those of the largest set.</summary>
    public static IReadOnlyList<int> Cut(IReadOnlyList<SetSize> sets, int allowed)
    {
        var next = sets.Select(set => set.Wanted).ToArray();
        int less = next.Sum() - allowed;
        for (int i = next.Length - 1; i >= 0 && less > 0; i--)
        {
            int broken = Math.Min(less, sets[i].Wanted - sets[i].Staying);
            next[i] -= broken;
            less -= broken;
        }
        while (less-- > 0) next[Array.IndexOf(next, next.Max())]--;
        return next;
    }
}
