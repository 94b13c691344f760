using Eyrie.Microkernel.Abi;

namespace Eyrie.Servers.Tests;

/// <summary>Messages between two native tasks at the real kernel (tests/NativeCalls, which spells their calls): one way, with capabilities both ways, and of several threads of a task.</summary>
public sealed class NativeMessageTests
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../NativeCalls/bin/nativecalls"));

    private const int Own = 70, Kept = 80, Further = 90, Empty = 99, UnknownCall = 1014, Peer = BootSlot.FirstPeer, WaitMicroseconds = 60_000_000;
    private const int Write = (int)Rights.Write;

    private const int Worker = 71, Receiving = (int)Microkernel.Abi.ThreadState.Receiving;
    private static readonly string s_worker = Line($"p: {Call.Create} {BootSlot.Factory} {(int)ObjectKind.Thread} {Worker} 0 {BootSlot.SelfTask}"), s_workerStatus = Line($"{Call.Control} {Worker} {(int)TaskOperation.Status}");

    private static string Create(ObjectKind kind) => Line($"p: {Call.Create} {BootSlot.Factory} {(int)kind} {Own} 0 0");
    private static string Ipc(IpcOperation operation, string argument) => Line($"{Call.Ipc} {(int)operation} {argument} {WaitMicroseconds}");
    private static string Log(int slot) => Line($"{Call.Log} {slot}");
    private static string Signal(int slot) => Line($"{Call.Notification} {slot} {(int)NotificationOperation.Signal}");
    private static string Take(int slot) => Line($"{Call.Notification} {slot} {(int)NotificationOperation.Take}");
    private static string Unmap(int slot) => Line($"{Call.Unmap} -1 {slot} 0");
    private static string Line(FormattableString line) => FormattableString.Invariant(line);

    /// <summary>What two native tasks say of a row of calls each; every row has a call before it whose result tells whose line it is.</summary>
    private static async Task<(string Server, string Client, IReadOnlyList<string> Threads)> SayAsync(string[] server, string[] client, Func<RunningKernel, Task>? meanwhile = null)
    {
        var servers = Directory.CreateTempSubdirectory("eyrie-servers-").FullName;
        foreach (var program in new[] { "metteagle", "network" }) File.Copy(Path.Combine(RunningKernel.Binaries, program), Path.Combine(servers, program));
        File.Copy(Tool, Path.Combine(servers, "nativecalls"));
        await using var kernel = await RunningKernel.StartAsync(servers, null, null, null, null, $"nativecalls:| {Log(Empty)} , {string.Join(" , ", server)} ;", $"nativecalls:| {UnknownCall} , {string.Join(" , ", client)} ;");
        await kernel.ConnectAsync();
        if (meanwhile is not null) await meanwhile(kernel);
        await kernel.UntilAsync(() => kernel.Errors.Count(line => line.StartsWith("native: end", StringComparison.Ordinal)) == 2, "the end of both tasks");
        Directory.Delete(servers, recursive: true);
        // What follows the results tells of the task's space, out of which the gate to the other goes with that one's end.
        string Said(int by) => kernel.Errors.Single(line => line.StartsWith(Line($"native: {by} "), StringComparison.Ordinal))[Line($"native: {by} ").Length..].Replace(" as before", "", StringComparison.Ordinal).Replace(" changed", "", StringComparison.Ordinal);
        return (Said(AbiError.NoCapability), Said(AbiError.UnknownCall), [.. kernel.Errors.Where(line => line.StartsWith("native thread: ", StringComparison.Ordinal))]);
    }

    [Fact]
    public async Task A_capability_sent_one_way_is_the_receivers_with_the_rights_it_was_given_until_the_sender_revokes_it()
    {
        var (server, client, _) = await SayAsync(
            [Line($"k:{Kept}:1 ") + Ipc(IpcOperation.Wait, "0"), Signal(Kept), Take(Kept), Ipc(IpcOperation.ReplyWait, "h"), Ipc(IpcOperation.Wait, "0"), Signal(Kept)],
            [Create(ObjectKind.Notification), Line($"c:{Own}:{Write} ") + Ipc(IpcOperation.Send, Line($"{Peer}")), Ipc(IpcOperation.Send, Line($"{Peer}")), Unmap(Own), Ipc(IpcOperation.Send, Line($"{Peer}"))]);
        // Signalled, but not to be read; the second and third message came though nobody was owed a reply; then it is gone.
        Assert.Equal(Line($"0 0 {AbiError.MissingRights} 0 0 {AbiError.NoCapability}"), server);
        Assert.Equal("0 0 0 0 0", client);
    }

    [Fact]
    public async Task A_reply_brings_a_capability_to_who_keeps_a_slot_for_it_and_is_refused_to_its_sender_otherwise()
    {
        var (server, client, _) = await SayAsync(
            [Create(ObjectKind.Notification), Ipc(IpcOperation.Wait, "0"), Line($"c:{Own}:{Write} ") + Ipc(IpcOperation.Reply, "h"), "n:0 " + Ipc(IpcOperation.ReplyWait, "h"), Line($"c:{Own}:{Write} ") + Ipc(IpcOperation.ReplyWait, "h"), Unmap(Own), Ipc(IpcOperation.Reply, "h")],
            [Ipc(IpcOperation.Call, Line($"{Peer}")), Line($"k:{Further}:1 ") + Ipc(IpcOperation.Call, Line($"{Peer}")), Signal(Further), Ipc(IpcOperation.Call, Line($"{Peer}")), Signal(Further)]);
        Assert.Equal(Line($"0 0 {AbiError.NotTaken} 0 0 0 0"), server);
        Assert.Equal(Line($"0 0 0 0 {AbiError.NoCapability}"), client);
    }

    [Fact]
    public async Task A_receiver_without_room_refuses_the_message_to_its_sender_and_takes_the_next()
    {
        var (server, client, _) = await SayAsync(
            [Line($"k:{BootSlot.Log}:1 ") + Ipc(IpcOperation.Wait, "0")],
            [Create(ObjectKind.Notification), Line($"c:{Own}:{Write} ") + Ipc(IpcOperation.Send, Line($"{Peer}")), "n:0 " + Ipc(IpcOperation.Send, Line($"{Peer}"))]);
        Assert.Equal("0", server);
        Assert.Equal(Line($"0 {AbiError.NotTaken} 0"), client);
    }

    [Fact]
    public async Task A_thread_takes_messages_and_replies_while_another_of_its_task_makes_calls_and_waits_in_epoll()
    {
        var (server, client, threads) = await SayAsync(
            [Create(ObjectKind.Notification), s_worker, Line($"t:{Worker}:{Own} ") + Signal(Own), s_workerStatus, Line($"e:{Own}:4 w:{Worker}:{Receiving} ") + Unmap(Worker)],
            [Ipc(IpcOperation.Call, Line($"{Peer}")), Ipc(IpcOperation.Send, Line($"{Peer}")), Ipc(IpcOperation.Call, Line($"{Peer}"))]);
        Assert.Equal("0 0 0 0 4 0", server);
        Assert.Equal("0 0 0", client);
        Assert.Equal([Line($"native thread: 3 taken, then {AbiError.Cancelled}")], threads); // deleted while it waited
    }

    [Fact]
    public async Task A_call_is_cancelled_with_the_thread_that_took_it_and_the_next_is_another_threads()
    {
        var (server, client, threads) = await SayAsync(
            [Create(ObjectKind.Notification), s_worker, Line($"s:{Worker}:{Own} e:{Own}:1 w:{Worker}:{Receiving} ") + Unmap(Worker), Ipc(IpcOperation.Wait, "0"), Ipc(IpcOperation.Reply, "h")],
            [Ipc(IpcOperation.Call, Line($"{Peer}")), Ipc(IpcOperation.Call, Line($"{Peer}"))]);
        Assert.Equal("0 0 1 0 0 0", server);
        Assert.Equal(Line($"{AbiError.Cancelled} 0"), client);
        Assert.Equal([Line($"native thread: 1 taken, then {AbiError.Cancelled}")], threads);
    }

    [Fact]
    public async Task A_thread_and_its_message_buffer_outlive_the_kernel_and_what_it_waited_for_does_not()
    {
        var waits = Ipc(IpcOperation.Call, Line($"{Peer}"));
        var (server, client, threads) = await SayAsync(
            [Create(ObjectKind.Notification), s_worker, Line($"s:{Worker}:{Own} e:{Own}:1 w:{Worker}:{Receiving} ") + Line($"p:74616B656E0A {Call.Log} {BootSlot.Log}"), Line($"t:{Worker}:{Own} e:{Own}:1 w:{Worker}:{Receiving} ") + Unmap(Worker)],
            [waits, "p: " + Signal(Empty), waits],
            async kernel =>
            {
                await kernel.UntilAsync(() => kernel.Errors.Contains("taken"), "the first call");
                await kernel.KillKernelAsync();
            });
        Assert.Equal("0 0 1 0 1 0", server);
        Assert.Equal(Line($"{AbiError.Cancelled} {AbiError.NoCapability} 0"), client);
        Assert.Equal([Line($"native thread: 1 taken, then {AbiError.Cancelled}"), Line($"native thread: 1 taken, then {AbiError.Cancelled}")], threads);
    }
}
