using System.Globalization;
using Eyrie.Benchmarks;

string name = args.ElementAtOrDefault(0) ?? "";
int rounds = args.ElementAtOrDefault(1) is { } given && int.TryParse(given, CultureInfo.InvariantCulture, out int number) && number > 0 ? number : 0;
switch (name)
{
    case "up": await UpToReady.RunAsync(rounds == 0 ? 10 : rounds); return 0;
    default:
        Console.Error.WriteLine("usage: ./bench NAME [ROUNDS]\n  up    from ./eyrie up to all sample pods Ready");
        return 2;
}
