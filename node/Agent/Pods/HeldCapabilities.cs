using System.Text;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node;

/// <summary>
/// The capability set of one run of a container, from its start on. Changes are made one after the other, and after each the set that the kernel holds is compared with the
/// one that was compiled.
/// </summary>
public sealed class HeldCapabilities(Func<ICapabilitySets> containers, string id, IEnumerable<string> compiled)
{
    /// <summary>What a running container can be given or lose; quotas, files and identity are its world, made at its start.</summary>
    private static readonly string[] Live = ["connect ", "listen ", "accept ", "clock ", "random ", "gate ", "signal ", "audit connect ", "audit listen "];

    /// <summary>Which system calls its processes reach was settled at the start, and a filter never widens.</summary>
    private readonly CallClass _reached = ClassesOf(compiled);
    /// <summary>Whom it may signal: the pipes were mounted at its start.</summary>
    private readonly HashSet<string> _signalled = [.. SignalPipes.Targets(compiled)];
    private readonly Lock _lock = new();
    private bool _cutOff; // a change was begun and nobody knows how far it came
    private Task<string?> _last = Task.FromResult<string?>(null);

    /// <summary>The set as last asked for.</summary>
    public IReadOnlyCollection<string> Compiled { get; private set; } = [.. compiled.Order(StringComparer.Ordinal)];

    /// <summary>Whether uses beyond the grants are let through and recorded.</summary>
    public bool Audited => Compiled.Any(line => line.StartsWith("audit ", StringComparison.Ordinal));

    /// <summary>The namespace's level is <c>enforce</c>, and no record lets anything through.</summary>
    public bool Enforced => !Audited && !Compiled.Contains("connect any");

    /// <summary>Whether a grant, and not an audit, allows a use.</summary>
    public bool Grants(string entry) => Compiled.Any(line => Coverage.Covers(line, entry));

    /// <summary>Whether only what is named may be executed.</summary>
    public bool NamesPrograms => Executes(Compiled);

    /// <summary>As it was granted, whatever an audit lets be.</summary>
    public CapabilityEntry.Quota? Quota => Compiled.Select(line => CapabilityEntry.TryParse(line, out var entry) ? entry as CapabilityEntry.Quota : null).FirstOrDefault(quota => quota is not null);

    public bool WritesAreAudited => Compiled.Any(line => line.StartsWith("audit dir ", StringComparison.Ordinal));

    public bool Is(IEnumerable<string> wanted) => wanted.ToHashSet().SetEquals(Compiled);

    private static CallClass ClassesOf(IEnumerable<string> lines) => lines.Aggregate(CallClass.None, (classes, line) => classes | CallClasses.Of(Encoding.UTF8.GetBytes(line)));

    /// <summary>Of such lines whoever holds one may have something open, or run, that outlasts it: the processes go with it, at once.</summary>
    private static bool IsWorld(string line) => line.StartsWith("dir ", StringComparison.Ordinal) || line.StartsWith("api ", StringComparison.Ordinal) || line.StartsWith("exec ", StringComparison.Ordinal) || line.StartsWith("device ", StringComparison.Ordinal) || line.StartsWith("facts ", StringComparison.Ordinal);

    /// <summary>A directory may no longer be written, a token or a fact of the host no longer be had, a program no longer be run. A set that names nothing to be executed lets everything be.</summary>
    public bool LosesFiles(IReadOnlyCollection<string> wanted) => Compiled.Any(line => IsWorld(line) && !wanted.Any(other => Coverage.Covers(other, line)) && !(line.StartsWith("exec ", StringComparison.Ordinal) && !Executes(wanted))) || (Executes(wanted) && !Executes(Compiled));

    private static bool Executes(IEnumerable<string> lines) => lines.Any(line => line.StartsWith("exec ", StringComparison.Ordinal));

    /// <summary>False: it takes effect when the container is started anew. So does the first grant of the network.</summary>
    public bool CanBecome(IEnumerable<string> wanted)
    {
        var other = wanted.ToHashSet();
        if ((ClassesOf(other) & ~_reached) != 0 || !_signalled.IsSupersetOf(SignalPipes.Targets(other))) return false;
        other.SymmetricExceptWith(Compiled);
        return other.All(line => Live.Any(verb => line.StartsWith(verb, StringComparison.Ordinal)));
    }

    /// <returns>What differs, for people; null: the kernel holds the compiled set.</returns>
    /// <exception cref="IOException">The connection was lost. A change that was cut off so is finished by whatever is asked for next.</exception>
    public Task<string?> VerifyAsync()
    {
        lock (_lock) return Next(async now =>
        {
            if (_cutOff) await ChangeAsync(now, now);
            return await CompareAsync(now);
        }, Compiled);
    }

    /// <summary>Revokes first, then gives; see <see cref="VerifyAsync"/>. The set is another when this returns, and what is asked for afterwards is done after it.</summary>
    public Task<string?> BecomeAsync(IEnumerable<string> wanted)
    {
        lock (_lock)
        {
            var before = Compiled;
            Compiled = [.. wanted.Order(StringComparer.Ordinal)];
            return Next(async now =>
            {
                await ChangeAsync(before, now);
                return await CompareAsync(now);
            }, Compiled);
        }
    }

    private async Task ChangeAsync(IReadOnlyCollection<string> before, IReadOnlyCollection<string> now)
    {
        if (_cutOff) before = await containers().ReadCapabilitiesAsync(id, CancellationToken.None);
        _cutOff = true;
        await containers().ChangeCapabilitiesAsync(id, [], [.. before.Except(now)], CancellationToken.None);
        await containers().ChangeCapabilitiesAsync(id, [.. now.Except(before)], [], CancellationToken.None);
        _cutOff = false;
    }

    /// <summary>With the lock held: the set that is seen and the place in the order belong together.</summary>
    private Task<string?> Next(Func<IReadOnlyCollection<string>, Task<string?>> work, IReadOnlyCollection<string> now)
    {
        async Task<string?> AfterAsync(Task before)
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // its own caller hears of its failure
            return await work(now);
        }
        var before = _last;
        return _last = Task.Run(() => AfterAsync(before));
    }

    private async Task<string?> CompareAsync(IReadOnlyCollection<string> now)
    {
        var held = await containers().ReadCapabilitiesAsync(id, CancellationToken.None);
        return now.SequenceEqual(held) ? null : $"the kernel holds [{string.Join("; ", held)}], compiled is [{string.Join("; ", now)}]";
    }
}
