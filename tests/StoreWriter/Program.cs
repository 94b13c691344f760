using System.Globalization;
using System.Text;
using Eyrie.ControlPlane.Store;

// Writes to an embedded store until it is killed: four writers, each counting up a key of its own. A line "WRITER VALUE REVISION" tells of every write
// that the store acknowledged, after it did.
await using var store = EmbeddedStore.Open(args[0]);
var output = new Lock();
await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(async () =>
{
    var key = string.Create(CultureInfo.InvariantCulture, $"/counter/{writer}");
    var found = (await store.RangeAsync(new RangeQuery(key, key + "\0"), CancellationToken.None)).Entries;
    var (at, value) = found.Count == 0 ? (Revision.Zero, 0) : (found[0].Modified, int.Parse(Encoding.UTF8.GetString(found[0].Value.Span), CultureInfo.InvariantCulture));
    while (true)
    {
        value++;
        var result = await store.CommitAsync(new Transaction([new Compare(key, at)], [new Write(key, Encoding.UTF8.GetBytes(value.ToString(CultureInfo.InvariantCulture)))]), CancellationToken.None);
        if (!result.Committed) throw new InvalidOperationException($"{key}: somebody else wrote");
        at = result.At;
        lock (output)
        {
            Console.Out.Write(string.Create(CultureInfo.InvariantCulture, $"{writer} {value} {at}\n"));
            Console.Out.Flush();
        }
    }
})));
