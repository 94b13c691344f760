using System.Globalization;

namespace Eyrie.Node;

/// <summary>
/// Finds what the disk has lost or changed of unpacked layers: what is missing or has another size when the agent begins, other contents by reading everything slowly, once a day. A damaged layer is put aside, so that
/// containers that run on it go on, and pulled anew; what waited for it is a condition of the node.
/// </summary>
/// <param name="options">How fast, and how often.</param>
/// <param name="images">The node's.</param>
/// <param name="users">Ids of the containers that run on a layer (its path relative to the node root).</param>
/// <param name="damaged">Told the layer and what is damaged, once, while its containers run.</param>
/// <param name="told">Told when the condition begins or is another (with its message) and when it ends (null).</param>
/// <param name="time">The host's clocks.</param>
public sealed class ImageCheck(NodeOptions options, ImageStore images, Func<string, IEnumerable<string>> users, Action<string, string> damaged, Action<string?> told, TimeProvider time)
{
    public const string Condition = "ImageStoreDamaged";

    /// <summary>How long the condition stays when everything is whole again, so that it is seen.</summary>
    public static readonly TimeSpan Held = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(10), Again = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, string> _missing = []; // layers that are not back yet, and why
    private readonly Dictionary<string, HashSet<string>> _aside = []; // directories, and the containers that ran on them
    private string? _condition;
    private SteadyTime? _found, _tried;

    public Task RunAsync(CancellationToken cancellationToken)
    {
        SteadyTime? last = null;
        bool begun = false;
        return Periodic.RunAsync("checking images", Tick, async () =>
        {
            if (!begun)
            {
                foreach (var left in images.Aside()) _aside[left] = [.. users(ImageStore.LayerOf(left))];
                await CheckAsync(false, cancellationToken);
                begun = true;
            }
            if (last is null || SteadyTime.Now(time) - last >= options.ImageCheckPeriod)
            {
                await CheckAsync(true, cancellationToken);
                last = SteadyTime.Now(time);
            }
            await TidyAsync(cancellationToken);
        }, time, cancellationToken, atOnce: true);
    }

    /// <summary>Looks at every layer.</summary>
    /// <param name="contents">Their files are read as well.</param>
    /// <param name="cancellationToken">The agent ends.</param>
    public async Task CheckAsync(bool contents, CancellationToken cancellationToken)
    {
        foreach (var layer in images.Layers())
        {
            var damage = await LayerList.CheckAsync(images.PathOf(layer), contents, SlowlyAsync, cancellationToken);
            if (damage is null || !Directory.Exists(images.PathOf(layer))) continue; // sound, or collected meanwhile
            Console.Error.WriteLine($"eyrie-node: {layer} is damaged and put aside: {damage}");
            var ids = users(layer).ToHashSet();
            damaged(layer, damage);
            _aside[images.PutAside(layer)] = ids;
            (_missing[layer], _found) = (damage, SteadyTime.Now(time));
            await RestoreAsync(cancellationToken);
        }
    }

    private Task SlowlyAsync(int bytes) => Task.Delay(TimeSpan.FromSeconds((double)bytes / options.ImageCheckRate), time);

    /// <summary>Pulls what is missing, removes what nobody runs on any more, and ends the condition.</summary>
    public async Task TidyAsync(CancellationToken cancellationToken)
    {
        if (_missing.Count > 0 && !(SteadyTime.Now(time) - _tried < Again)) await RestoreAsync(cancellationToken);
        foreach (var (directory, ids) in _aside.ToList())
        {
            ids.IntersectWith(users(ImageStore.LayerOf(directory)));
            if (ids.Count > 0) continue;
            if (Directory.Exists(directory)) Directory.Delete(directory, true);
            _aside.Remove(directory);
        }
        if (_condition is not null && _missing.Count == 0 && SteadyTime.Now(time) - _found >= Held) Tell(null);
    }

    private async Task RestoreAsync(CancellationToken cancellationToken)
    {
        _tried = SteadyTime.Now(time);
        var problems = new List<string>();
        foreach (var (layer, damage) in _missing.ToList())
        {
            var (restored, how) = await images.RestoreAsync(layer, cancellationToken);
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(layer)}: {damage}; {how}"));
            if (restored) _missing.Remove(layer);
        }
        Tell($"unpacked layers of images were damaged; check the disk of {options.StateDirectory}. {string.Join(". ", problems)}");
    }

    private void Tell(string? message)
    {
        _condition = message;
        told(message);
    }
}
