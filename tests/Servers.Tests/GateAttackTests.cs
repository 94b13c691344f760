using System.Globalization;
using Eyrie.Microkernel.Client;
using Eyrie.Tests;

namespace Eyrie.Servers.Tests;

/// <summary>What somebody may try with gates whose container holds some, and what comes of it; beside each what comes of the same thing when it is rightful, so that a refusal says something.</summary>
[Takes(12)]
public sealed class GateAttackTests : IAsyncLifetime
{
    private const string Call = "gate call shop/keyvault", Serve = "gate serve shop/keyvault";
    private const string Secrets = "read line; case \"$EYRIE_CALLER\" in shop/alice/*) echo alices secret;; *) echo nothing for $EYRIE_CALLER;; esac";
    private static readonly CancellationToken None = CancellationToken.None;
    private GateKernel _gates = null!;

    public async Task InitializeAsync() => _gates = await GateKernel.StartAsync();

    public async Task DisposeAsync() => await _gates.Kernel.DisposeAsync();

    /// <param name="What">The attempt.</param>
    /// <param name="Tried">What comes of it.</param>
    /// <param name="Rightful">What comes of the same thing done by whoever may.</param>
    /// <param name="Run">Does both.</param>
    private sealed record Attempt(string What, string Tried, string Rightful, Func<GateKernel, Task<(string Tried, string Rightful)>> Run);

    /// <summary>Results by their names.</summary>
    private static string Named(string line) => line switch { "-1" => "NoCapability", "-2" => "WrongKind", "-3" => "MissingRights", "-6" => "InvalidArgument", "-7" => "Cancelled", "-9" => "NoCaller", "-14" => "Busy", "-15" => "TimedOut", "-16" => "NoServer", _ => line };

    private static async Task<string[]> LinesAsync(GateKernel gates, string subject, string script, params string[] entries) => [.. (await gates.RunAsync(subject, script, entries)).Output.Split('\n').Select(Named)];

    private static readonly Attempt[] Attempts =
    [
        new("a client says in its request that it is another", "nothing for shop/mallory/app", "alices secret", async gates =>
        {
            await gates.ServeAsync(Secrets);
            return ((await LinesAsync(gates, "shop/mallory/app", "echo shop/alice/app | eyrie-gate call keyvault", Call))[0], (await LinesAsync(gates, "shop/alice/app", "echo hello | eyrie-gate call keyvault", Call))[0]);
        }),
        new("a client gives its program the environment of another", "nothing for shop/mallory/app", "alices secret", async gates =>
        {
            await gates.ServeAsync(Secrets);
            return ((await LinesAsync(gates, "shop/mallory/app", "EYRIE_CALLER=shop/alice/app eyrie-gate call keyvault x", Call))[0], (await LinesAsync(gates, "shop/alice/app", "eyrie-gate call keyvault x", Call))[0]);
        }),
        new("a client writes label and caller of another into its message", "the server is told the kernel's", "the same label without", async gates =>
        {
            var server = await gates.StartAsync("shop/vault/app", "exec gates wait told reply wait told reply wait told reply", Serve);
            await gates.RunAsync("shop/mallory/app", "gates find:keyvault call:plain label:7 caller:8 call:forged", Call);
            await gates.RunAsync("shop/alice/app", "gates find:keyvault call:other", Call);
            var told = (await gates.EndedAsync(server)).Where((_, i) => i % 3 == 1).ToList();
            return (told[1] != "7" && told[1] != told[2] ? "the server is told the kernel's" : told[1], told[0] == told[1] ? "the same label without" : told[0]);
        }),
        new("a deputy's client has it call with the deputy's grant, as itself", "nothing for shop/deputy/app", "alices secret", async gates =>
        {
            await gates.ServeAsync(Secrets);
            await gates.StartAsync("shop/deputy/app", "exec eyrie-gate serve /bin/eyrie-gate call keyvault", "gate serve shop/deputy", Call);
            return ((await LinesAsync(gates, "shop/alice/app", "eyrie-gate call deputy x", "gate call shop/deputy"))[0], (await LinesAsync(gates, "shop/alice/app", "eyrie-gate call keyvault x", Call))[0]);
        }),
        new("a server replies twice", "NoCaller", "0", async gates =>
        {
            var server = await gates.StartAsync("shop/vault/app", "exec gates wait reply reply", Serve);
            await gates.RunAsync("shop/client/app", "gates find:keyvault call:hello", Call);
            var lines = await gates.EndedAsync(server);
            return (Named(lines[2]), lines[1]);
        }),
        new("a server replies to callers of another, 8,000 handles around its own", "0 taken", "1 taken", async gates =>
        {
            var vault = await gates.StartAsync("shop/vault/app", "exec gates wait over", Serve);
            var victim = await gates.StartAsync("shop/client/app", "gates find:keyvault call:hello", Call);
            await gates.LogAsync(vault, "0 hello");
            var thief = await gates.StartAsync("shop/thief/app", "exec gates wait guess:4000", "gate serve shop/other");
            // Its own caller waits as well, so that one of the handles around is good.
            await gates.RunAsync("shop/client/app", "gates find:other call:hello", "gate call shop/other");
            await WaitForAsync(() => gates.Kernel.Log(thief).Split('\n').Length == 2);
            var guessed = gates.Kernel.Log(thief).Split('\n')[1];
            await gates.Kernel.Service.DeleteAsync(vault.Id, None);
            Assert.Equal("-7", (await gates.EndedAsync(victim))[1]); // it still waited
            return (int.Parse(guessed, CultureInfo.InvariantCulture) - 1 + " taken", guessed + " taken");
        }),
        new("a client calls more often at once than it may", "8 Busy, 16 wait", "another's call is answered", async gates =>
        {
            await gates.ServeAsync("echo fine");
            await gates.StartAsync("shop/hole/app", "sleep 100", "gate serve shop/hole");
            var flood = await gates.StartAsync("shop/mallory/app", "exec gates find:hole timeout:4000000 flood:24", "gate call shop/hole");
            var other = await LinesAsync(gates, "shop/client/app", "eyrie-gate call keyvault x", Call);
            var lines = await gates.EndedAsync(flood);
            return ($"{lines[1]} Busy, {lines[2]} wait", other[0] == "fine" ? "another's call is answered" : other[0]);
        }),
        new("several clients together call one server more often at once than it may be", "16 Busy, 64 wait", "calls to another are answered", async gates =>
        {
            await gates.ServeAsync("echo fine");
            await gates.StartAsync("shop/hole/app", "sleep 100", "gate serve shop/hole");
            var floods = new List<ContainerSpec>();
            for (int i = 0; i < 5; i++) floods.Add(await gates.StartAsync("shop/mallory/app", "exec gates find:hole timeout:8000000 flood:16", "gate call shop/hole"));
            var other = await LinesAsync(gates, "shop/client/app", "eyrie-gate call keyvault x", Call);
            int busy = 0, wait = 0;
            foreach (var flood in floods)
            {
                await WaitForAsync(() => gates.Kernel.Log(flood).Split('\n').Length == 3);
                var lines = gates.Kernel.Log(flood).Split('\n');
                busy += int.Parse(lines[1], CultureInfo.InvariantCulture);
                wait += int.Parse(lines[2], CultureInfo.InvariantCulture);
            }
            return ($"{busy} Busy, {wait} wait", other[0] == "fine" ? "calls to another are answered" : other[0]);
        }),
        new("callers that are killed while they wait use up what their container may have", "the next call is answered", "answered", async gates =>
        {
            await gates.ServeAsync("echo fine");
            await gates.StartAsync("shop/hole/app", "sleep 100", "gate serve shop/hole");
            var lines = await LinesAsync(gates, "shop/mallory/app", "eyrie-gate call keyvault x; for i in $(seq 20); do gates find:hole call:x >/dev/null & sleep 0.02; kill -9 $!; done 2>/dev/null; wait; eyrie-gate call keyvault x", Call, "gate call shop/hole");
            return (lines[^1] == "fine" ? "the next call is answered" : lines[^1], lines[0] == "fine" ? "answered" : lines[0]);
        }),
        new("a message says that it is longer than it can be: 9 words, 4,009 and 4,294,967,295 bytes", "InvalidArgument, InvalidArgument, InvalidArgument", "0", async gates =>
        {
            await gates.ServeAsync("wc -c");
            var lines = await LinesAsync(gates, "shop/mallory/app", "gates find:keyvault words:9 call:x; gates find:keyvault length:4009 call:x; gates find:keyvault length:4294967295 call:x; gates find:keyvault words:8 length:4008 call:x", Call);
            return ($"{lines[1]}, {lines[3]}, {lines[5]}", lines[7][..1]);
        }),
        new("a message is no memory of the program: address 1, the kernel's half, the vsyscall page", "InvalidArgument, InvalidArgument, InvalidArgument", "0", async gates =>
        {
            await gates.ServeAsync("cat");
            var lines = await LinesAsync(gates, "shop/mallory/app", "gates find:keyvault address:1 call:x address:-140737488355328 call:x address:-10485760 call:x address:0 call:x", Call);
            return ($"{lines[1]}, {lines[2]}, {lines[3]}", lines[4][..1]);
        }),
        new("a server waits with a message that is no memory of its own", "InvalidArgument", "0 hello", async gates =>
        {
            var server = await gates.StartAsync("shop/vault/app", "exec gates address:4096 wait address:0 wait reply", Serve);
            await gates.RunAsync("shop/client/app", "gates find:keyvault call:hello", Call);
            var lines = await gates.EndedAsync(server);
            return (Named(lines[0]), lines[1]);
        }),
        new("another thread writes over the message while it is read, 3,000 times", "nothing but answers and refusals", "the server goes on", async gates =>
        {
            await gates.StartAsync("shop/vault/app", "exec gates echo:1000000", Serve);
            var lines = await LinesAsync(gates, "shop/mallory/app", "gates find:keyvault scribble:3000", Call);
            var next = await LinesAsync(gates, "shop/client/app", "gates find:keyvault call:hello", Call);
            return (lines[2] == "0" && lines[4] == "0" && int.Parse(lines[1], CultureInfo.InvariantCulture) + int.Parse(lines[3], CultureInfo.InvariantCulture) == 3000 ? "nothing but answers and refusals" : string.Join(' ', lines), next[1] == "0 hello" ? "the server goes on" : next[1]);
        }),
        new("a client calls every slot that there is: files, network, log, quota, its own `gate serve`", "0 calls", "1 calls", async gates =>
        {
            await gates.StartAsync("shop/vault/app", "exec gates echo:10", Serve);
            string[] others = ["gate serve shop/own", "dir / read", "dir /tmp read,write", "connect tcp service shop/db 5432", "listen tcp 80", "clock read", "accept tcp pods shop/app=web 80", "gate accept shop/own pods shop/*", "cpu shares=100"];
            return ((await LinesAsync(gates, "shop/mallory/app", "gates sweep:5000", others))[0] + " calls", (await LinesAsync(gates, "shop/client/app", "gates sweep:5000", [.. others, Call]))[0] + " calls");
        }),
        new("a client passes a descriptor along", "the server has as many as before", "the words arrive", async gates =>
        {
            var server = await gates.StartAsync("shop/vault/app", "exec gates opened wait opened reply", Serve);
            await gates.RunAsync("shop/mallory/app", "gates find:keyvault descriptor:1 call:hello", Call);
            var lines = await gates.EndedAsync(server);
            return (lines[0] == lines[2] ? "the server has as many as before" : lines[2], lines[1] == "0 hello" ? "the words arrive" : lines[1]);
        }),
        new("a gate of another namespace, by its whole name", "NoCapability", "secret", async gates =>
        {
            await gates.ServeAsync("echo secret", "ops/keyvault");
            return ((await LinesAsync(gates, "shop/mallory/app", "gates find:ops/keyvault", Call))[0], (await LinesAsync(gates, "ops/client/app", "eyrie-gate call keyvault x", "gate call ops/keyvault"))[0]);
        }),
        new("a name that is more than a name: a line break, a path, a prefix, a second word", "InvalidArgument, InvalidArgument, NoCapability, InvalidArgument", "a slot", async gates =>
        {
            await gates.ServeAsync("echo secret");
            var lines = await LinesAsync(gates, "shop/mallory/app", "gates 'find:keyvault\ngate call ops/x' find:../keyvault find:keyvaul 'find:keyvault x' find:keyvault", Call);
            return (string.Join(", ", lines[..4]), int.Parse(lines[4], CultureInfo.InvariantCulture) >= 0 ? "a slot" : lines[4]);
        }),
        new("a client takes requests and replies to them", "NoCapability, NoCapability, NoCapability", "0 hello", async gates =>
        {
            var server = await gates.StartAsync("shop/vault/app", "exec gates wait reply", Serve);
            var lines = await LinesAsync(gates, "shop/mallory/app", "gates wait who reply", Call);
            await gates.RunAsync("shop/client/app", "gates find:keyvault call:hello", Call);
            return (string.Join(", ", lines), (await gates.EndedAsync(server))[0]);
        }),
        new("a server of one gate takes the requests of another", "TimedOut", "0 hello", async gates =>
        {
            var thief = await gates.StartAsync("shop/thief/app", "exec gates timeout:700000 wait", "gate serve shop/other");
            var server = await gates.StartAsync("shop/vault/app", "exec gates wait reply", Serve);
            await gates.RunAsync("shop/client/app", "gates find:keyvault call:hello", Call);
            var own = (await gates.EndedAsync(server))[0];
            await WaitForAsync(() => gates.Kernel.Log(thief).Length > 0);
            return (Named(gates.Kernel.Log(thief)), own);
        }),
        new("the other calls of the microkernel, 1000 to 1015", "NoCapability, fifteen times", "a slot", async gates =>
        {
            await gates.ServeAsync("echo secret");
            var lines = await LinesAsync(gates, "shop/mallory/app", "gates " + string.Join(' ', Enumerable.Range(1000, 16).Where(number => number != 1012).Select(number => $"number:{number}")) + " find:keyvault", Call);
            return (lines[..15].All(line => line == "NoCapability") ? "NoCapability, fifteen times" : string.Join(' ', lines), int.Parse(lines[15], CultureInfo.InvariantCulture) >= 0 ? "a slot" : lines[15]);
        }),
        new("a client calls on while its grant is taken and given 50 times", "answered, cancelled or refused, and refused at last", "answered while it was granted", async gates =>
        {
            await gates.StartAsync("shop/vault/app", "exec gates echo:10000000", Serve);
            var client = await gates.StartAsync("shop/mallory/app", "gates find:keyvault loop:1000000; echo done", Call);
            for (int i = 0; i < 50; i++)
            {
                await gates.Kernel.Service.ChangeCapabilitiesAsync(client.Id, [], [Call], None);
                await gates.Kernel.Service.ChangeCapabilitiesAsync(client.Id, [Call], [], None);
            }
            await gates.Kernel.Service.DeleteAsync(client.Id, None);
            var last = await gates.StartAsync("shop/mallory/app", "gates find:keyvault loop:3; exec gates find:keyvault loop:100000 loop:10", Call);
            await gates.LogAsync(last, "3");
            await gates.Kernel.Service.ChangeCapabilitiesAsync(last.Id, [], [Call], None);
            var lines = (await gates.EndedAsync(last)).Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToList();
            return (lines[9] == 0 && lines[12] == 10 && lines[13] == 0 ? "answered, cancelled or refused, and refused at last" : string.Join(' ', lines), lines[1] == 3 ? "answered while it was granted" : "");
        }),
    ];

    private static async Task WaitForAsync(Func<bool> condition)
    {
        for (var until = DateTime.UtcNow.AddSeconds(90); !condition(); await Task.Delay(20))
            if (DateTime.UtcNow > until) throw new TimeoutException("waited 90 s");
    }

    public static TheoryData<string> All => [.. Attempts.Select(attempt => attempt.What)];

    [Theory]
    [MemberData(nameof(All))]
    public async Task It_is_refused_and_the_rightful_is_not(string what)
    {
        var attempt = Attempts.Single(attempt => attempt.What == what);
        Assert.Equal((attempt.Tried, attempt.Rightful), await attempt.Run(_gates));
    }

    /// <summary>The table in the docs says what is asserted above.</summary>
    [Fact]
    public Task The_table_of_attempts_in_the_docs_is_what_is_tried() => AttackPage.CheckAsync("Gates", $"""
        By containers that hold gates ([GATES.md](GATES.md)); each beside the same thing done by whoever may (`GateAttackTests`).

        | attempt | what comes of it | when it is rightful |
        |---|---|---|
        {string.Join('\n', Attempts.Select(attempt => $"| {attempt.What} | {attempt.Tried} | {attempt.Rightful} |"))}
        """);
}
