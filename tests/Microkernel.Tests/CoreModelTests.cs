using Eyrie.Microkernel.Tests.Checker;
using Xunit;
using Xunit.Abstractions;

namespace Eyrie.Microkernel.Tests;

/// <summary>
/// The kernel's core against the model: rights never grow, revoking takes everything derived, quota is conserved, no object outlives its last capability, every call
/// ends exactly once, every message arrives once or not at all, with all of its capabilities or none. The histories that <c>EYRIE_SEED</c> names (a number) are run again; without it a seed is drawn and printed.
/// </summary>
public sealed class CoreModelTests(ITestOutputHelper output)
{
    private const int Histories = 2000, Length = 1000; // together 2 * 10^6 steps

    [Fact]
    public void Two_million_random_operations_do_what_the_model_does()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), out int given) ? given : Random.Shared.Next(1_000_000_000);
        output.WriteLine($"EYRIE_SEED={seed}");
        var runs = new System.Collections.Concurrent.ConcurrentBag<Dictionary<string, int>>();
        Parallel.For(0, 10, part => runs.Add(World.Run(seed + part * Histories / 10, Histories / 10, Length)));
        var done = runs.SelectMany(run => run).GroupBy(pair => pair.Key).ToDictionary(group => group.Key, group => group.Sum(pair => pair.Value));
        foreach (var (end, times) in done.OrderBy(pair => pair.Key, StringComparer.Ordinal)) output.WriteLine($"{times,8} {end}");
        foreach (var end in new[] { "create Task done", "create Factory done", "create Gate done", "create Thread done", "redirect done", "map done", "unmap done", "call blocked", "send done", "send blocked", "carried", "wait done", "wait blocked", "reply done", "resumed", "destroyed", "delivered", "delivered to a thread", "replied", "thread cancelled", "taken over" })
            Assert.True(done.GetValueOrDefault(end) > 1000, $"\"{end}\" happened only {done.GetValueOrDefault(end)} times: the histories try too little");
    }
}
