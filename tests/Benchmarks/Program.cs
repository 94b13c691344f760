using System.Globalization;
using Eyrie.Benchmarks;

var benchmarks = typeof(IBenchmark).Assembly.GetTypes().Where(type => type.IsClass && typeof(IBenchmark).IsAssignableFrom(type))
    .Select(type => (IBenchmark)Activator.CreateInstance(type)!).OrderBy(benchmark => benchmark.Name, StringComparer.Ordinal).ToList();
if (benchmarks.FirstOrDefault(benchmark => benchmark.Name == args.ElementAtOrDefault(0)) is { } chosen && Rounds(chosen) is { } rounds)
{
    await chosen.RunAsync(rounds);
    return 0;
}
Console.Error.WriteLine("usage: ./bench NAME [ROUNDS]");
foreach (var benchmark in benchmarks) Console.Error.WriteLine($"  {benchmark.Name,-12} {benchmark.Description} ({benchmark.DefaultRounds} rounds)");
return 2;

int? Rounds(IBenchmark benchmark) => args.Length < 2 ? benchmark.DefaultRounds : int.TryParse(args[1], CultureInfo.InvariantCulture, out int number) && number > 0 ? number : null;
