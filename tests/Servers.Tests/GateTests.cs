using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Sessions between containers: who holds the entries calls and serves, and nobody else; a session ends with its grant and with its server, and goes on with the next one.</summary>
public sealed class GateTests : IAsyncLifetime
{
    private const string Call = "gate call shop/keyvault", Serve = "gate serve shop/keyvault";
    private static readonly CancellationToken None = CancellationToken.None;
    private GateKernel _gates = null!;

    private RunningKernel Kernel => _gates.Kernel;

    public async Task InitializeAsync() => _gates = await GateKernel.StartAsync();

    public async Task DisposeAsync() => await Kernel.DisposeAsync();

    private async Task<IReadOnlyList<string>> HeldAsync(ContainerSpec spec) => await Kernel.Service.ReadCapabilitiesAsync(spec.Id, None);

    [Fact]
    public async Task A_call_reaches_the_server_and_the_answer_the_caller_and_the_kernel_says_who_it_was()
    {
        await _gates.ServeAsync("read line; echo \"$EYRIE_GATE $EYRIE_CALLER $line\"; exit 7");
        var (exit, output) = await _gates.RunAsync("shop/client/app", "eyrie-gate call keyvault sesame; echo $?; echo open | eyrie-gate call shop/keyvault; echo $?", Call);
        Assert.Equal(0, exit.ExitCode);
        Assert.Equal("shop/keyvault shop/client/app sesame\n7\nshop/keyvault shop/client/app open\n7", output);
    }

    [Fact]
    public async Task Sessions_go_on_when_the_container_service_is_started_anew_and_end_with_their_grant()
    {
        var server = await _gates.ServeAsync("echo secret");
        var calling = await _gates.StartAsync("shop/client/app", "while true; do eyrie-gate call keyvault; sleep 0.05; done", Call);
        await _gates.LogAsync(calling, "secret");
        await Kernel.KillServerAsync("metteagle");
        int before = Kernel.Log(calling).Split('\n').Count(line => line == "secret");
        var until = DateTime.UtcNow.AddSeconds(60);
        while (Kernel.Log(calling).Split('\n').Count(line => line == "secret") < before + 3)
        {
            Assert.True(DateTime.UtcNow < until, $"waited 60 s for answers after the restart; the caller wrote: {Kernel.Log(calling)}");
            await Task.Delay(10);
        }
        Assert.Contains(Call, await HeldAsync(calling));
        Assert.Contains(Serve, await HeldAsync(server));
        Assert.Equal("secret", (await _gates.RunAsync("shop/client/late", "eyrie-gate call keyvault", Call)).Output);
        await Kernel.Service.ChangeCapabilitiesAsync(calling.Id, [], [Call], None);
        Assert.DoesNotContain(Call, await HeldAsync(calling));
    }

    [Fact]
    public async Task Words_and_the_longest_payload_go_through_as_they_are()
    {
        await _gates.ServeAsync("cat");
        var (_, output) = await _gates.RunAsync("shop/client/app", "head -c 4008 /dev/zero | tr '\\0' x | eyrie-gate call keyvault | wc -c; head -c 4009 /dev/zero | eyrie-gate call keyvault 2>&1; echo -n | eyrie-gate call keyvault | wc -c", Call);
        Assert.Equal("4008\neyrie-gate: a request has at most 4008 bytes\n0", output);
    }

    [Fact]
    public async Task What_is_not_granted_is_refused_and_recorded_with_what_would_grant_it()
    {
        await _gates.ServeAsync("echo secret", "shop/other");
        var client = await _gates.StartAsync("shop/client/app", "eyrie-gate call other 2>&1; echo $?; sleep 100", Call);
        await _gates.LogAsync(client, "125");
        Assert.Equal("eyrie-gate: no grant for gate other\n125", Kernel.Log(client));
        var denied = await Kernel.EventAsync<CapabilityDenied>(use => use.ContainerId == client.Id);
        Assert.Equal(("call", "shop/other", "gate call shop/other", UseVerdict.Denied, "eyrie-gate /bin/eyrie-gate"), (denied.Operation, denied.Target, denied.MissingEntry, denied.Verdict, denied.Program));
    }

    [Fact]
    public async Task A_gate_that_nobody_serves_says_so_and_it_is_recorded()
    {
        var client = await _gates.StartAsync("shop/client/app", "eyrie-gate call keyvault 2>&1; echo $?; sleep 100", Call);
        await _gates.LogAsync(client, "126");
        Assert.Equal("eyrie-gate: no publisher on this node of gate keyvault\n126", Kernel.Log(client));
        Assert.Equal(UseVerdict.Unserved, (await Kernel.EventAsync<CapabilityDenied>(use => use.ContainerId == client.Id && use.MissingEntry == Call)).Verdict);
    }

    [Fact]
    public async Task A_container_without_any_gate_cannot_even_ask()
    {
        var (_, output) = await _gates.RunAsync("shop/client/app", "gates find:keyvault wait number:1012");
        Assert.Equal("-1\n-1\n-1", output);
    }

    [Fact]
    public async Task A_server_that_is_started_anew_has_its_sessions_again_and_the_sets_are_what_they_were()
    {
        var client = await _gates.StartAsync("shop/client/app", "until [ \"$(eyrie-gate call keyvault 2>/dev/null)\" = second ]; do :; done; echo reached; sleep 100", Call);
        var first = await _gates.ServeAsync("echo first");
        Assert.Contains(Call, await HeldAsync(client));
        await Kernel.Service.DeleteAsync(first.Id, None);
        Assert.Contains(Call, await HeldAsync(client));
        var second = await _gates.ServeAsync("echo second");
        await _gates.LogAsync(client, "reached");
        Assert.Equal(client.Capabilities.Order(StringComparer.Ordinal), await HeldAsync(client));
        Assert.Equal(second.Capabilities.Order(StringComparer.Ordinal), await HeldAsync(second));
    }

    [Fact]
    public async Task Who_calls_all_the_time_never_finds_its_grant_missing_while_servers_come_and_go()
    {
        // The first answers once and asks no more, so that the client is answered, and waits, before there is nobody.
        var first = await _gates.StartAsync("shop/vault/app", "gates wait reply; sleep 1000", Serve);
        var client = await _gates.StartAsync("shop/client/app", "exec gates find:keyvault loop:50000", Call);
        await _gates.LogAsync(first, "0");
        await Kernel.Service.DeleteAsync(first.Id, None);
        int served = 1;
        for (; (await Kernel.Service.ListAsync(None)).Single(status => status.Id == client.Id).State != ContainerState.Exited; served++)
        {
            var server = await _gates.StartAsync("shop/vault/app", "exec gates echo:100000000", Serve);
            await Task.Delay(20);
            await Kernel.Service.DeleteAsync(server.Id, None);
        }
        var lines = (await _gates.EndedAsync(client)).Select(int.Parse).ToList(); // slot; answered, cancelled, refused, others: nobody serves it
        Assert.True(lines[1] > 0 && lines[3] == 0 && lines[4] > 0, $"{served} servers: {string.Join(' ', lines)}");
    }

    [Fact]
    public async Task Replicas_are_called_in_turn_and_take_over_for_each_other()
    {
        var servers = new[] { await _gates.ServeAsync("echo one"), await _gates.ServeAsync("echo two") };
        var seen = new HashSet<string>();
        for (int i = 0; i < 4; i++) seen.Add((await _gates.RunAsync("shop/client/app", "eyrie-gate call keyvault", Call)).Output);
        Assert.Equal(["one", "two"], seen.Order());
        await Kernel.Service.DeleteAsync(servers[0].Id, None);
        for (int i = 0; i < 2; i++) Assert.Equal("two", (await _gates.RunAsync("shop/client/app", "eyrie-gate call keyvault", Call)).Output);
    }

    [Fact]
    public async Task A_caller_is_told_when_its_server_dies()
    {
        var server = await _gates.StartAsync("shop/vault/app", "gates wait; sleep 100", Serve);
        var client = await _gates.StartAsync("shop/client/app", "gates find:keyvault call:hello", Call);
        await _gates.LogAsync(server, "0 hello");
        await Kernel.Service.SignalAsync(server.Id, 9, None);
        Assert.Equal(["-7"], (await _gates.EndedAsync(client))[1..]);
    }

    [Fact]
    public async Task What_waits_for_a_server_that_never_asks_is_told_as_well_when_it_dies()
    {
        var server = await _gates.StartAsync("shop/vault/app", "sleep 100", Serve);
        var client = await _gates.StartAsync("shop/client/app", "gates find:keyvault; echo calling; gates find:keyvault call:hello", Call);
        await _gates.LogAsync(client, "calling");
        await Kernel.Service.DeleteAsync(server.Id, None);
        Assert.Contains((await _gates.EndedAsync(client))[^1], new[] { "-7", "-16" }); // in flight, or a moment later
    }

    [Fact]
    public async Task Revoking_the_callers_grant_ends_its_call_and_the_server_can_neither_answer_nor_ask_who_it_was()
    {
        var server = await _gates.StartAsync("shop/vault/app", "exec gates wait who over reply", Serve);
        var client = await _gates.StartAsync("shop/client/app", "gates find:keyvault call:hello find:keyvault", Call);
        await _gates.LogAsync(server, "0 gate call shop/keyvault shop/client/app");
        await Kernel.Service.ChangeCapabilitiesAsync(client.Id, [], [Call], None);
        Assert.Equal(["-7", "-1"], (await _gates.EndedAsync(client))[1..]);
        Assert.Equal(["-9", "-9"], (await _gates.EndedAsync(server))[2..]);
    }

    [Fact]
    public async Task Revoking_the_servers_grant_ends_its_waiting_and_the_calls_to_it()
    {
        var server = await _gates.StartAsync("shop/vault/app", "gates wait; exec gates wait wait", Serve);
        var client = await _gates.StartAsync("shop/client/app", "gates find:keyvault call:hello call:hello", Call);
        await _gates.LogAsync(server, "0 hello");
        await Kernel.Service.ChangeCapabilitiesAsync(server.Id, [], [Serve], None);
        Assert.Equal(["-7", "-16"], (await _gates.EndedAsync(client))[1..]);
        Assert.Equal(["-1", "-1"], (await _gates.EndedAsync(server))[1..]);
    }

    [Fact]
    public async Task A_grant_takes_effect_on_a_running_container_that_had_a_gate_and_needs_a_restart_of_one_that_had_none()
    {
        await _gates.ServeAsync("echo secret");
        var client = await _gates.StartAsync("shop/client/app", "until eyrie-gate call keyvault 2>/dev/null; do :; done; sleep 100", "gate call shop/other");
        await Kernel.Service.ChangeCapabilitiesAsync(client.Id, [Call], [], None);
        await _gates.LogAsync(client, "secret");
        var plain = await _gates.StartAsync("shop/client/app", "sleep 100");
        Assert.Equal(ContainerError.NeedsRestart, (await Assert.ThrowsAsync<ContainerServiceException>(() => Kernel.Service.ChangeCapabilitiesAsync(plain.Id, [Call], [], None))).Error);
    }

    [Fact]
    public async Task A_call_and_a_wait_end_with_their_time()
    {
        var server = await _gates.StartAsync("shop/vault/app", "exec gates timeout:50000 wait timeout:0 wait over reply", Serve);
        await _gates.LogAsync(server, "-15");
        var (_, output) = await _gates.RunAsync("shop/client/app", "gates find:keyvault timeout:1000000 call:hello", Call);
        Assert.Equal("-15", output.Split('\n')[1]);
        Assert.Equal(["0 hello", "-9", "-9"], (await _gates.EndedAsync(server))[1..]); // its reply reaches nobody
    }

    [Fact]
    public async Task A_program_that_is_started_in_a_container_calls_as_that_container()
    {
        await _gates.ServeAsync("echo \"$EYRIE_CALLER\"");
        var client = await _gates.StartAsync("shop/client/app", "sleep 100", Call);
        await using var execution = await Kernel.Service.ExecAsync(client.Id, new ExecSpec { Arguments = ["eyrie-gate", "call", "keyvault"] }, None);
        using var reader = new StreamReader(execution.Output);
        Assert.Equal("shop/client/app\n", await reader.ReadToEndAsync());
    }

    [Fact]
    public async Task A_server_whose_waiting_program_was_killed_waits_anew()
    {
        var server = await _gates.StartAsync("shop/vault/app", "gates wait & sleep 0.2; kill -9 $!; wait $!; echo killed; exec eyrie-gate serve /bin/echo again", Serve);
        await _gates.LogAsync(server, "killed");
        Assert.Equal("again", (await _gates.RunAsync("shop/client/app", "eyrie-gate call keyvault", Call)).Output);
    }
}
