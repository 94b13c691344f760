using System.Globalization;
using System.Text.RegularExpressions;

namespace Eyrie.Benchmarks;

/// <summary>What a client measured.</summary>
/// <param name="PerSecond">Requests or transactions a second.</param>
/// <param name="Slow">99th percentile of the latency, in milliseconds; null: the client does not say.</param>
public sealed record Measured(double PerSecond, double? Slow);

/// <summary>One load of one program.</summary>
/// <param name="Program">Name of the program's sample.</param>
/// <param name="What">The load, in words for the table.</param>
/// <param name="Command">The client with its arguments, given address and port.</param>
/// <param name="Read">What its output says.</param>
public sealed partial record ProgramLoad(string Program, string What, Func<string, int, string[]> Command, Func<string, Measured> Read)
{
    private const string Seconds = "2"; // of each turn: five rounds of all loads, on both sides, end within six minutes

    public static IReadOnlyList<ProgramLoad> All { get; } =
    [
        Redis("GET", "get"), Redis("SET", "set"),
        Web("nginx", "keep-alive"), Web("nginx", "a connection a request", "-H", "Connection: close"),
        Postgres("simple update", "-N"), Postgres("select only", "-S"),
        Web("busybox", "a process a request"), Web("python", "a thread a connection"),
        Web("dotnet", "keep-alive"), Web("dotnet-aot", "keep-alive"), Web("java", "keep-alive"), Web("go", "keep-alive"),
        new("etcd", "reads over its gateway", (address, port) => ["/usr/bin/wrk", "-t1", "-c16", $"-d{Seconds}s", "--latency", "-s", "/etc/etcd-get.lua", $"http://{address}:{port}/v3/kv/range"], Wrk),
    ];

    private static ProgramLoad Web(string program, string what, params string[] more) =>
        new(program, what, (address, port) => ["/usr/bin/wrk", "-t1", "-c16", $"-d{Seconds}s", "--latency", .. more, $"http://{address}:{port}/"], Wrk);

    private static ProgramLoad Redis(string what, string test) =>
        new("redis", what, (address, port) => ["/usr/bin/redis-benchmark", "-h", address, "-p", port.ToString(CultureInfo.InvariantCulture), "-t", test, "-n", "100000", "-c", "16", "--csv"], output =>
        {
            var fields = output.Trim().Split('\n')[^1].Split(',').Select(field => field.Trim('"')).ToArray();
            return new Measured(Number(fields[1]), Number(fields[6]));
        });

    private static ProgramLoad Postgres(string what, string mode) =>
        new("postgres", what, (address, port) => ["/usr/bin/pgbench", "-h", address, "-p", port.ToString(CultureInfo.InvariantCulture), "-n", mode, "-c", "8", "-T", Seconds, "postgres"],
            output => new Measured(Number(Tps().Match(output).Groups[1].Value), null));

    private static Measured Wrk(string output)
    {
        if (output.Contains("Non-2xx", StringComparison.Ordinal) || output.Contains("Socket errors", StringComparison.Ordinal)) throw new InvalidOperationException($"requests failed:\n{output}");
        var slow = P99().Match(output);
        return new Measured(Number(Rate().Match(output).Groups[1].Value), Number(slow.Groups[1].Value) * slow.Groups[2].Value switch { "us" => 0.001, "s" => 1000, _ => 1 });
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex Rate();

    [GeneratedRegex(@"99%\s+([\d.]+)(us|ms|s)")]
    private static partial Regex P99();

    [GeneratedRegex(@"tps = ([\d.]+)")]
    private static partial Regex Tps();
}
