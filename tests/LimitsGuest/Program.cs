using Eyrie.LimitsGuest;

// limitsguest NODE-ROOT GROUP: runs every check against the kernel that serves NODE-ROOT/m.sock and prints a line for each: "passed NAME" or "failed NAME: why"; "done" at the end.
var node = await GuestNode.ConnectAsync(args[0], args[1]);
foreach (var (name, check) in Checks.All)
{
    try
    {
        await check(node).WaitAsync(TimeSpan.FromMinutes(2));
        Console.WriteLine($"passed {name}");
    }
    catch (Exception exception)
    {
        Console.WriteLine($"failed {name}: {exception.GetType().Name}: {exception.Message.ReplaceLineEndings(" ")}");
    }
}
await node.DisposeAsync();
Console.WriteLine("done");
