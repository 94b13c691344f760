namespace Eyrie.Manifests.Permissions;

/// <summary>
/// How many processes and threads a container may have. The host's kernel counts both as one, so a number of either alone holds only where the other cannot be had: the filter of system calls lets the one be made and not the other.
/// </summary>
/// <param name="Total">Processes and threads together, at least 1.</param>
/// <param name="Forks">It may have more than one process.</param>
/// <param name="Threads">A process may have more than one thread.</param>
public sealed record ProcessLimit(long Total, bool Forks, bool Threads)
{
    /// <summary>Of what stands in an entry or a manifest; null: the host cannot hold it.</summary>
    /// <param name="processes">At most, at least 1.</param>
    /// <param name="threads">Of all processes together; null: counted with the processes.</param>
    public static ProcessLimit? Of(long processes, long? threads) => (processes, threads) switch
    {
        ( < 1, _) or (_, < 1) => null,
        (1, null or 1) => new ProcessLimit(1, false, false),
        (_, null) => new ProcessLimit(processes, true, true),
        (1, { } many) => new ProcessLimit(many, false, true),
        (_, 1) => new ProcessLimit(processes, true, false),
        _ => null,
    };

    public long Processes => Forks ? Total : 1;

    /// <summary>null: counted with the processes.</summary>
    public long? ThreadCount => Forks == Threads ? null : Forks ? 1 : Total;

    /// <summary>What both allow.</summary>
    public ProcessLimit Within(ProcessLimit most)
    {
        var (total, forks, threads) = (Math.Min(Total, most.Total), Forks && most.Forks, Threads && most.Threads);
        return total > 1 && (forks || threads) ? new ProcessLimit(total, forks, threads) : new ProcessLimit(1, false, false);
    }

    public bool IsWithin(ProcessLimit most) => Within(most) == this;

    public override string ToString() => ThreadCount is null ? Total == 1 ? "1 process" : $"{Total} processes" : Forks ? $"{Total} processes of one thread each" : $"1 process with {Total} threads";
}
