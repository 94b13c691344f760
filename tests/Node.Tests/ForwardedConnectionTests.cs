using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CsCheck;
using Eyrie.Node.Contract.V1;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Clients of a Service whose servers end at the worst moments: real sockets on loopback, in through a node port.</summary>
public sealed class ForwardedConnectionTests : IDisposable
{
    /// <summary>What becomes of a request at the server that gets it.</summary>
    public enum Fate
    {
        Answered,

        /// <summary>The server's connection ends after the answer, which did not say so.</summary>
        AnsweredLast,

        /// <summary>It ends, or is reset, before a byte of an answer.</summary>
        Ended,
        Reset,

        /// <summary>It ends in the middle of the answer.</summary>
        Halved,
    }

    private const int Servers = 3;
    private readonly List<TcpListener> _servers = [];
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Fate>> _fates = new();
    private readonly ConcurrentDictionary<string, int> _seen = new(); // how often servers got a request
    private readonly int _port;

    public ForwardedConnectionTests()
    {
        for (int i = 0; i < Servers; i++)
        {
            _servers.Add(new TcpListener(IPAddress.Loopback, 0));
            _servers[i].Start();
            _ = ServeAsync(_servers[i]);
        }
        _port = FreePorts.Next();
    }

    public void Dispose()
    {
        foreach (var server in _servers) server.Dispose();
    }

    private ServiceEntry Entry(IEnumerable<TcpListener> servers)
    {
        var entry = new ServiceEntry(77, _ => { });
        var service = new ServicePort { Namespace = "default", Name = "door", Port = 80, NodePort = _port };
        service.Endpoints.AddRange(servers.Select(server => new Endpoint { Address = "127.0.0.1", Port = ((IPEndPoint)server.LocalEndpoint).Port }));
        entry.Apply([service]);
        return entry;
    }

    private async Task ServeAsync(TcpListener server)
    {
        while (true)
        {
            try
            {
                _ = AnswerAsync(await server.AcceptSocketAsync());
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    /// <summary>The answer to a request: no two are the same.</summary>
    private static string Answer(string target) => $"HTTP/1.1 200 OK\r\nContent-Length: {target.Length + 7}\r\n\r\nanswer {target}";

    /// <summary>Each request is "METHOD /NUMBER HTTP/1.1" and ends with an empty line, after which a POST has four bytes.</summary>
    private async Task AnswerAsync(Socket client)
    {
        using (client)
        {
            string text = "";
            var buffer = new byte[1000];
            while (true)
            {
                int end;
                while ((end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0 || (text.StartsWith("POST", StringComparison.Ordinal) && text.Length < end + 8))
                {
                    int read;
                    try
                    {
                        read = await client.ReceiveAsync(buffer);
                    }
                    catch (SocketException)
                    {
                        return;
                    }
                    if (read == 0) return;
                    text += Encoding.ASCII.GetString(buffer, 0, read);
                }
                string target = text.Split(' ')[1];
                text = text[(end + (text.StartsWith("POST", StringComparison.Ordinal) ? 8 : 4))..];
                _seen.AddOrUpdate(target, 1, (_, count) => count + 1);
                var fate = _fates.TryGetValue(target, out var fates) && fates.TryDequeue(out var next) ? next : Fate.Answered;
                string answer = Answer(target);
                if (fate is Fate.Halved) answer = answer[..(answer.Length / 2)];
                if (fate is not (Fate.Ended or Fate.Reset)) await client.SendAsync(Encoding.ASCII.GetBytes(answer));
                if (fate is Fate.Reset) client.LingerState = new LingerOption(true, 0);
                if (fate is not Fate.Answered) return;
            }
        }
    }

    private async Task<Socket> ClientAsync()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, _port);
        return client;
    }

    private static async Task SendAsync(Socket client, string text, int piece)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        try
        {
            for (int at = 0; at < bytes.Length; at += piece) await client.SendAsync(bytes.AsMemory(at, Math.Min(piece, bytes.Length - at)));
        }
        catch (SocketException)
        {
            // The connection ended between two pieces: seen by what is received.
        }
    }

    /// <summary>What comes until there are so many bytes, or until the end.</summary>
    private static async Task<string> ReceiveAsync(Socket client, int count)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var buffer = new byte[count];
        int have = 0;
        try
        {
            for (int read; have < count && (read = await client.ReceiveAsync(buffer.AsMemory(have), deadline.Token)) > 0;) have += read;
        }
        catch (SocketException)
        {
            // the end of it
        }
        return Encoding.ASCII.GetString(buffer, 0, have);
    }

    private sealed record Plan(string Method, Fate[] Fates, int Piece)
    {
        public override string ToString() => $"{Method} in {Piece}: {string.Join(' ', Fates)}";
    }

    private static readonly Gen<Plan> Plans =
        from method in Gen.OneOf("GET", "GET", "GET", "OPTIONS", "POST", "DELETE")
        from fates in Gen.OneOf(Fate.Answered, Fate.AnsweredLast, Fate.Ended, Fate.Reset, Fate.Ended, Fate.Reset, Fate.Halved).Array[Servers]
        from piece in Gen.OneOf(1000, 1000, 1000, 30, 7)
        select new Plan(method, fates, piece);

    [Fact]
    public async Task A_client_has_the_first_answer_that_begins_and_no_request_that_may_not_be_repeated_is()
    {
        await using var entry = Entry(_servers);
        int last = 0;
        await Plans.Array[1, 6].SampleAsync(async plans =>
        {
            var client = await ClientAsync();
            bool ending = false; // its server ends, which the forwarder may not have heard of yet
            try
            {
                foreach (var plan in plans)
                {
                    string target = "/" + Interlocked.Increment(ref last).ToString(CultureInfo.InvariantCulture);
                    _fates[target] = new(plan.Fates);
                    string request = $"{plan.Method} {target} HTTP/1.1\r\n{(plan.Method == "POST" ? "Content-Length: 4\r\n" : "")}\r\n{(plan.Method == "POST" ? "body" : "")}";
                    await SendAsync(client, request, plan.Piece);
                    bool repeatable = plan.Method is "GET" or "OPTIONS";
                    int decides = repeatable ? Array.FindIndex(plan.Fates, fate => fate is not (Fate.Ended or Fate.Reset)) : 0;
                    string whole = Answer(target), got = await ReceiveAsync(client, whole.Length);
                    int others = Servers;
                    if (ending && repeatable && _seen.GetValueOrDefault(target) == Servers - 1 && decides is -1 or (Servers - 1)) (others, decides) = (Servers - 1, -1); // the one whose end it crossed is not asked again
                    var fate = decides < 0 ? Fate.Ended : plan.Fates[decides];
                    if (ending && got.Length == 0 && (!repeatable || plan.Piece < request.Length) && !_seen.ContainsKey(target))
                    {
                        client.Dispose();
                        client = await ClientAsync(); // what began to be sent to it and is no whole repeatable request is lost, and nobody had it
                        ending = false;
                        continue;
                    }
                    Assert.Equal(fate switch { Fate.Answered or Fate.AnsweredLast => whole, Fate.Halved => whole[..(whole.Length / 2)], _ => "" }, got);
                    Assert.Equal(decides < 0 ? others : decides + 1, _seen[target]);
                    ending = got == whole && repeatable && fate == Fate.AnsweredLast;
                    if (got == whole && repeatable) continue;
                    if (got == whole && fate == Fate.Answered) Assert.Equal(0, client.Available);
                    else Assert.Equal("", await ReceiveAsync(client, 1)); // the end, and nothing besides
                    client.Dispose();
                    client = await ClientAsync(); // after others than those that may be repeated nothing is followed any more
                }
            }
            finally
            {
                client.Dispose();
            }
        }, iter: 100, threads: 1);
    }

    [Fact]
    public async Task An_end_between_requests_is_told_when_no_request_crosses_it()
    {
        await using var entry = Entry(_servers);
        using var client = await ClientAsync();
        _fates["/only"] = new([Fate.AnsweredLast]);
        await SendAsync(client, "GET /only HTTP/1.1\r\n\r\n", 1000);
        Assert.Equal(Answer("/only"), await ReceiveAsync(client, Answer("/only").Length));
        Assert.Equal("", await ReceiveAsync(client, 1));
        await SendAsync(client, "GET /later HTTP/1.1\r\n\r\n", 1000);
        Assert.Equal("", await ReceiveAsync(client, 1));
        Assert.False(_seen.ContainsKey("/later"));
    }

    [Fact]
    public async Task What_is_no_request_passes_in_both_directions_at_once_and_each_end_is_the_other_sides()
    {
        using var echo = new TcpListener(IPAddress.Loopback, 0);
        echo.Start();
        await using var entry = Entry([echo]);
        using var client = await ClientAsync();
        using var server = await echo.AcceptSocketAsync();
        var copy = Task.Run(async () =>
        {
            var buffer = new byte[100_000];
            for (int read; (read = await server.ReceiveAsync(buffer)) > 0;)
                for (int sent = 0; sent < read;) sent += await server.SendAsync(buffer.AsMemory(sent, read - sent));
            server.Shutdown(SocketShutdown.Send);
        });
        var sent = new byte[5_000_000]; // more than all buffers between
        new Random(1).NextBytes(sent);
        var send = Task.Run(async () =>
        {
            for (int at = 0; at < sent.Length;) at += await client.SendAsync(sent.AsMemory(at));
            client.Shutdown(SocketShutdown.Send);
        });
        var got = new MemoryStream();
        var buffer = new byte[100_000];
        for (int read; (read = await client.ReceiveAsync(buffer)) > 0;) got.Write(buffer, 0, read);
        await Task.WhenAll(send, copy);
        Assert.Equal(sent, got.ToArray());
    }
}
